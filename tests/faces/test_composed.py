"""A system that was composed by hand: stopped and gone on with, it ends where it would have; another system is refused."""

import numpy as np
import pytest
import torch
from torch import nn

import vaekit as vk
from vaekit.core.conditional import Neural
from vaekit.parts.objectives import KL, Reconstruction

ROWS = np.random.default_rng(0).normal(size=(120, 4))
CALL = {"epochs": 6, "batch": 16, "validations": 6, "progress": False, "compile": False, "precision": "32"}


class Sparse(vk.Term):
    """A term of one's own, with a number."""

    def __init__(self, power: float = 1.0):
        super().__init__("sparse", 0.1)
        self.power = power

    def forward(self, trace):
        return next(iter(trace.sites.values())).z.abs().pow(self.power).sum(-1)


def composed(width: int = 8, beta=1.0, free_bits: float = 0.0, power: float = 1.0, watch: str = "elbo", rows=ROWS) -> vk.System:
    modality = vk.modality(rows, likelihood="normal")
    posterior = Neural(modality.reader(hidden=(width,)), vk.posteriors.Normal(2))
    model = vk.models.VAE(posterior, vk.priors.Standard(2), modality.writer(2, hidden=(width,)))
    return vk.System(model, [vk.Stage(vk.Objective(Reconstruction(), KL(beta, free_bits), Sparse(power)), watch=watch)], modality)


class StopAt:
    """A hook that stops the run at a measurement, as Ctrl-C does."""

    def __init__(self, at: int):
        self.left = at

    def moment(self, moment):
        """Nothing to say."""

    note = moment

    def validation(self, validation):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_a_run_that_is_stopped_goes_on_to_the_same_weights(tmp_path):
    torch.manual_seed(0)
    whole = vk.train(composed(), ROWS, run=tmp_path / "whole", **CALL)
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == ["checkpoint.safetensors", "history.json", "run.json"]
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        vk.train(composed(), ROWS, run=tmp_path / "r", hooks=[StopAt(4)], **CALL)
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["checkpoint.safetensors", "run.json"]
    # Other weights to begin with: all that counts is in the checkpoint.
    torch.manual_seed(9)
    again = vk.train(composed(), ROWS, run=tmp_path / "r", resume=True, **CALL)
    for name, weights in whole.system.model.state_dict().items():
        assert torch.equal(weights, again.system.model.state_dict()[name]), name
    assert [v.held_out for v in again.history.validations] == [v.held_out for v in whole.history.validations]


@pytest.mark.parametrize(("other", "words"), [
    ({"width": 9}, "model.posterior"),
    ({"beta": 4.0}, "term rate.*value=1.0.*value=4.0"),
    ({"beta": {"recipe": "linear"}}, "term rate"),
    ({"free_bits": 0.5}, "term rate"),
    ({"power": 2.0}, "term sparse.*power=1.0.*power=2.0"),
    ({"watch": "loss"}, "watches elbo then, .*watches loss now"),
    ({"rows": ROWS * 3 + 1}, "modality: vector"),
])
def test_another_system_is_refused_in_one_line(tmp_path_factory, other, words):
    folder = tmp_path_factory.getbasetemp() / "one"
    if not folder.exists():
        vk.train(composed(), ROWS, run=folder, **{**CALL, "epochs": 1, "validations": 1})
    with pytest.raises(vk.InputError, match=f"the checkpoint is of another system .*{words}") as caught:
        vk.train(composed(**other), ROWS, run=folder, resume=True, **{**CALL, "epochs": 1, "validations": 1})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_what_else_keeps_a_run_from_going_on(tmp_path):
    told = {**CALL, "epochs": 1, "validations": 1}
    vk.train(composed(), ROWS, run=tmp_path / "r", **told)
    for call, words in (
        ({"run": tmp_path / "r", "rate": 0.1}, "another setting .rate: 0.001 then, 0.1 now"),
        ({"run": tmp_path / "r", "test": 0.3}, "other data .test: 0.1 then, 0.3 now"),
        ({"run": tmp_path / "none"}, "holds no run to go on with"),
        ({}, "resume=True needs run="),
    ):
        with pytest.raises(vk.InputError, match=words):
            vk.train(composed(), ROWS, resume=True, **{**told, **call})
    with pytest.raises(vk.InputError, match=r"other data .fingerprint"):
        vk.train(composed(), ROWS[::-1], run=tmp_path / "r", resume=True, **told)
    with pytest.raises(vk.InputError, match="already holds a run"):
        vk.train(composed(), ROWS, run=tmp_path / "r", **told)
    for open_it in (vk.load, lambda folder: vk.resume(folder, ROWS)):
        with pytest.raises(vk.InputError, match=r"composed by hand.*call vaekit.train as before with resume=True"):
            open_it(tmp_path / "r")
    vk.fit(ROWS, run=tmp_path / "named", epochs=1, latent=2, hidden=[8], progress=False)
    with pytest.raises(vk.InputError, match=r"a run of the recipe 'vae', which vaekit.resume goes on with"):
        vk.train(composed(), ROWS, run=tmp_path / "named", resume=True, **told)


def test_a_term_with_a_network_is_part_of_what_the_system_is():
    from vaekit.faces.composed import identity

    term = Sparse()
    term.critic = nn.Linear(2, 3)
    system = composed()
    with_network = system.with_objective(vk.Objective(Reconstruction(), term))
    assert any("critic" in place and "Linear" in told for place, told in identity(with_network).items())
    assert " at 0x" not in str(identity(with_network)) and identity(composed()) == identity(composed())
