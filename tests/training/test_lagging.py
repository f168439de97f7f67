"""A decoder that waits for its encoder: who steps when, when it ends, and that it goes on to the bit."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import SETTINGS, made, rows
from torch import Tensor, nn

from vaekit.core.errors import InputError
from vaekit.core.objective import Step
from vaekit.data.loading import Loader
from vaekit.evaluation import measure_latents
from vaekit.training import History, Settings, fit
from vaekit.training.archive import load_tensors
from vaekit.training.fit import CHECKPOINT
from vaekit.training.lagging import Lagging


def turns(limit: int, losses: list[float]) -> list[bool]:
    """Whether the rest steps, at each of as many steps as there are losses."""
    system, _ = made(rows())
    lagging = Lagging(Step(system.model, system.stages[0].objective), limit, torch.clone)
    found = []
    for loss in losses:
        found.append(lagging.rests)
        lagging.after_step(torch.tensor(loss))
    return found


def test_the_rest_steps_after_so_many_of_the_encoder_or_where_these_lower_the_loss_no_more():
    falling = [100.0 - step for step in range(60)]
    assert [i for i, rests in enumerate(turns(4, falling)) if rests] == list(range(4, 60, 5))
    assert [i for i, rests in enumerate(turns(25, falling)) if rests] == [25, 51]
    assert [i for i, rests in enumerate(turns(50, [1.0] * 60)) if rests] == [20, 41]
    assert not any(turns(0, falling))


def test_only_one_side_moves_at_a_step():
    system, feed = made(rows())
    before = {n: p.detach().clone() for n, p in system.model.named_parameters()}
    fit(system, feed, Settings.checked(**{**SETTINGS, "epochs": 1, "validations": 1, "average": 0, "encoder_steps": 2}))
    assert all(not torch.equal(p, before[n]) for n, p in system.model.named_parameters())
    lagging = Lagging(Step(system.model, system.stages[0].objective), 2, torch.clone)
    for rests in (False, False, True):
        for p in system.model.parameters():
            p.grad = torch.ones_like(p)
        lagging.drop()
        assert all((p.grad is None) == (n.startswith("posterior.") == rests) for n, p in system.model.named_parameters())
        assert lagging.moves("model.likelihood.family.scale") is rests and lagging.moves("model.posterior.head") is not rests
        assert lagging.moves("objective.terms.2")
        lagging.after_step(torch.ones(()))


class Copied:
    """Keeps the checkpoint that stood before this validation."""

    def __init__(self, folder, number: int):
        self.folder, self.number, self.seen = folder, number, 0

    def moment(self, moment):
        pass

    def validation(self, validation):
        self.seen += 1
        if self.seen == self.number:
            (self.folder / "copy").mkdir()
            shutil.copy(self.folder / CHECKPOINT, self.folder / "copy" / CHECKPOINT)

    def note(self, text):
        pass


@pytest.mark.parametrize("recipe", ["vae", "denoising_vae"])
def test_a_checkpoint_while_the_encoder_runs_ahead_is_gone_on_from_to_the_bit(recipe, tmp_path):
    settings = Settings.checked(**{**SETTINGS, "epochs": 4, "validations": 8, "encoder_steps": 3})

    def run(folder, resume=False, hooks=()) -> tuple[dict[str, Tensor], History]:
        system, feed = made(rows(), recipe)
        history = fit(system, feed, settings, folder, resume, hooks)
        return system.model.state_dict(), history

    whole, history = run(tmp_path, hooks=[Copied(tmp_path, 2)])
    _, facts = load_tensors(tmp_path / "copy" / CHECKPOINT)
    assert facts["lagging"]["ahead"] and facts["lagging"]["alone"] > 0 and facts["steps"] < history.validations[-1].step
    # A step of the encoder alone is beside those that the epochs count.
    assert history.validations[-1].step > 4 * 8
    again, other = run(tmp_path / "copy", resume=True)
    assert all(torch.equal(again[n], whole[n]) for n in whole)
    assert [v.held_out for v in other.validations] == [v.held_out for v in history.validations] and other.notes == history.notes


class Slow(nn.Module):
    """An encoder whose features move a tenth as fast."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 16)

    def forward(self, x: Tensor) -> Tensor:
        return 0.1 * self.layer(x)


def test_it_lifts_the_information_of_a_latent_whose_encoder_is_slow():
    found: list[float] = []
    for steps in (0, 10):
        system, feed = made(rows(), likelihood={"name": "normal", "scale": 0.5}, reader=Slow())
        fit(system, feed, Settings.checked(**{**SETTINGS, "epochs": 4, "validations": 4, "encoder_steps": steps}))
        found.append(measure_latents(system, feed.validation.rows).mutual_information)
    assert found[1] > found[0] + 0.3, found


def test_it_ends_with_a_note_where_the_information_no_longer_rises():
    system, feed = made(rows())
    lagging = Lagging(Step(system.model, system.stages[0].objective), 5, torch.clone)
    assert lagging.measured(feed.validation) == "" and lagging.ahead
    assert lagging.measured(feed.validation).startswith("the encoder no longer runs ahead: latents tell") and not lagging.ahead
    assert lagging.measured(feed.validation) == ""


def test_labels_have_no_say_in_what_latents_tell():
    labels = np.arange(320) % 2
    system, feed = made(replace(rows(), label=labels, classes=("a", "b")), "m2")
    told = []
    for known in (labels, np.full(320, -1)):
        held = Loader({**feed.validation.rows, "label": torch.from_numpy(known[: len(feed.validation.rows["x"])])}, system.modality, 32)
        lagging = Lagging(Step(system.model, system.stages[0].objective), 5, torch.clone)
        lagging.measured(held)
        told.append(lagging.information)
    assert told[0] == told[1]


def test_a_code_without_a_density_is_refused():
    system, feed = made(rows(), "autoencoder")
    with pytest.raises(InputError, match="encoder_steps: the code of this recipe has no density") as caught:
        fit(system, feed, Settings.checked(**{**SETTINGS, "encoder_steps": 3}))
    assert "\n" not in str(caught.value)


def test_an_encoder_that_is_no_part_of_its_own_is_refused():
    system, feed = made(rows())
    system.model.encoder = ("up",)
    with pytest.raises(InputError, match="encoder_steps: the encoder of this recipe shares parts"):
        fit(system, feed, Settings.checked(**{**SETTINGS, "encoder_steps": 3}))
