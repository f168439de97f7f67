"""The loop: what it minimises, how long, what it keeps, and what it does when a number is not finite."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import SETTINGS, made, rows, run
from torch import Tensor, nn

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, from_posterior
from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.objective import Objective, Step, Term
from vaekit.core.stage import Stage
from vaekit.core.trace import Trace
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.training import Settings, fit
from vaekit.training.archive import load_tensors
from vaekit.training.averaging import Average
from vaekit.training.budget import Budget
from vaekit.training.fit import CHECKPOINT
from vaekit.training.hardware import device_of
from vaekit.training.held import Held
from vaekit.training.measure import measure
from vaekit.training.optimisation import Optimisation


class Breaks(Term):
    """A term that is not a number at these calls while training, counted from 0, or from a progress on for ever."""

    def __init__(self, calls: tuple[int, ...] = (), since: float = math.inf):
        super().__init__("breaks")
        self.calls, self.since, self.count = calls, since, 0

    def forward(self, trace: Trace) -> Tensor:
        self.count += self.training
        broken = self.training and (self.count - 1 in self.calls or float(self.progress) >= self.since)
        return torch.full((), math.nan if broken else 0.0)


class Kink(Term):
    """Zero, with a gradient that is not a number for the scale of the likelihood alone."""

    def __init__(self):
        super().__init__("kink")

    def forward(self, trace: Trace) -> Tensor:
        scale = trace.likelihood.scale
        return (scale - scale.detach()).square().sum().sqrt()


class Told:
    """A hook that keeps what it is told."""

    def __init__(self):
        self.moments, self.validations, self.notes = [], [], []

    def moment(self, moment):
        self.moments.append(moment)

    def validation(self, validation):
        self.validations.append(validation)

    def note(self, text):
        self.notes.append(text)


def settings(**given) -> Settings:
    return Settings.checked(**{**SETTINGS, **given})


def with_term(term: Term, likelihood=None):
    system, feed = made(rows(), likelihood=likelihood)
    return system.with_objective(Objective(Reconstruction(), KL(), term)), feed


def test_a_number_that_is_not_finite_goes_back_and_halves_the_rate():
    (system, feed), hook = with_term(Breaks(calls=(20, 70))), Told()
    history = fit(system, feed, settings(epochs=20, validations=5), hooks=[hook])
    assert len(history.notes) == 2 and history.notes == hook.notes
    assert "'breaks'" in history.notes[0] and "at step 20" in history.notes[0] and "to step 0" in history.notes[0]
    assert "0.0015" in history.notes[0] and "0.00075" in history.notes[1]
    assert "back to step 32" in history.notes[1], "70 calls are 20 lost ones and 50 steps, the last measured after 32"
    assert [v.step for v in history.validations] == [32, 64, 96, 128, 160]
    assert history.validations[-1].rate <= 0.00075


def test_a_number_that_stays_not_finite_stops_the_run_and_is_named():
    system, feed = with_term(Breaks(since=0.5))
    with pytest.raises(WorkFailed, match=r"'breaks' was not finite at step 80, after the learning rate had been halved 3 times"):
        fit(system, feed, settings(epochs=20, validations=5))


def test_a_gradient_that_is_not_finite_names_its_part():
    system, feed = with_term(Kink(), {"name": "normal", "scale": "dimension"})
    with pytest.raises(WorkFailed, match=r"the gradient of 'model\.likelihood\.family\.scale\.tenth_of_log_scale'"):
        fit(system, feed, settings(epochs=2, validations=2))


def test_a_reading_that_is_not_measured_cannot_be_watched():
    system, feed = made(rows())
    stage = Stage(system.stages[0].objective, watch="bound")
    with pytest.raises(InputError, match=r"'bound', which is not measured; measured are distortion, elbo"):
        fit(system.replace(stages=[stage]), feed, settings(epochs=1, validations=1))


def test_the_average_is_the_moving_average_of_the_weights():
    parameter, decay = nn.Parameter(torch.zeros(2, dtype=torch.float64)), 0.99
    average, expected = Average([parameter], decay), np.zeros(2)
    for step in range(1, 401):
        with torch.no_grad():
            parameter.copy_(torch.tensor([step, math.sin(step)], dtype=torch.float64))
        average.after_step(step)
        if step % 8 == 0:
            move = step // 8
            keep = min(decay**8, (1 + move) / (10 + move))
            expected = keep * expected + (1 - keep) * np.array([step, math.sin(step)])
    average.swap()
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12)
    average.swap()
    np.testing.assert_allclose(parameter.detach().numpy(), [400, math.sin(400)])


def test_the_rate_rises_then_falls_along_half_a_cosine():
    system, _ = made(rows())
    optimisation = Optimisation(Step(system.model, system.stages[0].objective), Settings(rate=0.1, warm_up=0.2, final=0.01))
    assert optimisation.rate(0.2) == pytest.approx(0.1 * (0.01 + 0.99 * (1 + math.cos(0.2 * math.pi)) / 2))
    assert optimisation.rate(0.1) == pytest.approx(0.05 * (0.01 + 0.99 * (1 + math.cos(0.1 * math.pi)) / 2))
    assert optimisation.rate(1.0) == pytest.approx(0.001)
    assert 0 < optimisation.rate(0.0) < 1e-3
    rates = [optimisation.rate(p) for p in np.linspace(0.2, 1, 50)]
    assert rates == sorted(rates, reverse=True)


def test_a_gradient_is_clipped_to_its_norm():
    system, feed = made(rows())
    step = Step(system.model, system.stages[0].objective)
    optimisation = Optimisation(step, Settings(clip=1e-3, rate=1.0))
    optimisation.optimisers = [torch.optim.SGD(optimisation.parameters, lr=1.0)]
    before = [p.detach().clone() for p in optimisation.parameters]
    step(next(iter(feed.train.epoch(0))))[0].backward()
    norm = optimisation.norm()
    assert norm > 1
    optimisation.step(0.5, norm)
    moved = torch.cat([(p.detach() - b).flatten() for p, b in zip(optimisation.parameters, before)]).norm()
    assert float(moved) == pytest.approx(1e-3 * optimisation.rate(0.5), rel=1e-3)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_early_stopping_keeps_the_best_weights(beta):
    # Many weights and few rows of noise: the held-out bound soon gets worse.
    records = rows(64 + 24, noise=3.0)
    system, feed = made(records, hidden=(256,), latent=6, likelihood={"name": "normal", "scale": "dimension"}, beta=beta)
    history = fit(system, feed, settings(epochs=3000, validations=100, patience=4, rate=1e-2))
    losses = [v.held_out["loss"] for v in history.validations]
    assert len(losses) < 100 and history.notes[-1].startswith("stopped at step")
    assert min(losses) == history.best == losses[-5]
    found, _, _ = measure(Step(system.model, system.stages[0].objective).eval(), feed.validation)
    assert found["loss"] == pytest.approx(history.best, abs=1e-4)
    # What is minimised, which is the bound where the rate has weight 1.
    assert (found["elbo"] == pytest.approx(found["loss"], abs=1e-4)) == (beta == 1)


def test_the_clock_ends_a_run_and_no_measurement_is_missed():
    _, history = run(epochs=None, minutes=0.03, validations=10)
    measured = [v.progress for v in history.validations]
    assert measured[-1] == 1.0 and measured == sorted(set(measured))
    # A step may be held up for longer than two measurements are apart; what fell due meanwhile is then measured once.
    due = [0.0, *measured]
    assert all(int(10 * after) > int(10 * before) for before, after in zip(due[:-1], measured)) and len(measured) >= 3
    assert history.validations[-1].seconds > 1.5


def test_the_default_gives_few_rows_enough_steps():
    assert Settings().steps(1) == 6_000 and Settings().steps(1_000) == 50_000
    assert Settings(epochs=3).steps(7) == 21 and Settings(minutes=1).steps(7) is None


def test_progress_is_that_of_whichever_bound_is_nearer():
    assert Budget(steps=200, seconds=None).progress(50) == 0.25
    assert Budget(steps=200, seconds=100.0, spent=75.0).progress(50) == pytest.approx(0.75, abs=0.01)
    assert Budget(steps=None, seconds=100.0, spent=175.0).progress(1) == 1.0


def test_measuring_gets_a_tenth_of_the_clock_and_all_that_it_wants_of_a_run_by_steps():
    assert Budget(None, 100.0, spent=50.0, measured=4.9).affords_measuring()
    assert not Budget(None, 100.0, spent=50.0, measured=5.1).affords_measuring()
    assert Budget(100, None, spent=50.0, measured=40.0).affords_measuring()


def test_every_measurement_sees_the_latest_step():
    system, feed = made(rows())
    history = fit(system, feed, settings(epochs=1, validations=8))
    bounds = [v.held_out["elbo"] for v in history.validations]
    assert len(bounds) == 8 == len(set(bounds)), "8 steps, 8 measurements: each of other weights"


def test_a_scale_a_column_is_learnt_within_a_few_hundred_steps():
    # Two directions and a noise of 0.3 in columns of deviation about one.
    system, feed = made(rows(), likelihood={"name": "normal", "scale": "dimension"}, hidden=(32,))
    fit(system, feed, settings(epochs=75, validations=2, rate=3e-3))
    batch = next(iter(feed.train.in_order()))
    trace = system.model(batch, centre())
    residual = (batch.x - trace.likelihood.mean[0]).square().mean().sqrt()
    assert float(trace.likelihood.stddev.mean()) == pytest.approx(float(residual), rel=0.35)


class Slow:
    """Rows that take their time each time they are measured on."""

    def __init__(self, rows, seconds):
        self.rows, self.seconds, self.asked = rows, seconds, 0

    def to(self, device):
        return self

    def in_order(self, seed=0):
        self.asked += 1
        time.sleep(self.seconds)
        return self.rows.in_order(seed)


def test_a_run_by_the_clock_learns_most_of_its_time_however_dear_measuring_is():
    system, feed = made(rows())
    dear = Slow(feed.validation, 0.15)
    history = fit(system, replace(feed, validation=dear), Settings.checked(minutes=0.05, validations=20, compile=False))
    # One is due at a twentieth, one once ten times its length has passed, and the last one always.
    assert dear.asked == len(history.validations) <= 4 and history.validations[-1].progress == 1.0
    dear.asked = 0
    fit(system, replace(feed, validation=dear), Settings.checked(epochs=10, validations=10, compile=False))
    assert dear.asked == 10


def test_bf16_reaches_the_bound_of_float32():
    bounds = [run(precision=precision)[1].best for precision in ("32", "bf16")]
    assert bounds[1] == pytest.approx(bounds[0], abs=0.2)


def test_a_shared_scale_ends_at_its_closed_form():
    """sigma^2 = E_q[(x - m(z))^2], over the training rows and the posterior."""
    system, history = run(average=0, epochs=60)
    _, feed = made(rows())
    torch.manual_seed(0)
    with torch.no_grad():
        squares = {
            name: float(torch.stack([(b.x - system.model(b, choose).likelihood.loc).square().mean() for b in feed.train.in_order()]).mean())
            for name, choose in {"drawn": from_posterior(20), "centre": centre()}.items()
        }
    fitted = float(system.model.likelihood.family.scale()) ** 2
    assert fitted == pytest.approx(squares["drawn"], rel=0.1)
    assert fitted > squares["centre"], "the posterior's spread is part of the residual"
    assert history.best < 6, "the decoder learns too"


@pytest.mark.parametrize("seed", [0, 1])
def test_the_scale_that_is_kept_is_the_optimum_for_the_weights_that_are_kept(tmp_path, seed):
    """Within 2 % of s^2 = E_q[(x - m(z))^2] under the averaged weights; that of the moving weights, in the checkpoint, is 10 % away."""
    system, feed = made(rows(2048 + 64), batch=64, seed=seed)
    fit(system, feed, settings(epochs=10, rate=0.06, final=1.0, average=0.999, validations=4, seed=seed), tmp_path)
    scale = system.model.likelihood.family.scale
    torch.manual_seed(0)
    with torch.no_grad():
        walks = [(b.x, system.model(b, from_posterior(50)).likelihood.loc) for b in feed.train.in_order()]
        optimum = float(torch.stack([(x - mean).square().mean() for x, mean in walks]).mean())
        moving = load_tensors(tmp_path / CHECKPOINT)[0]["step.model.likelihood.family.scale.log_scale"]
    assert float(scale()) ** 2 == pytest.approx(optimum, rel=0.02)
    assert abs(float((2 * moving).exp()) / optimum - 1) > 0.1
    squares, cells = scale.moments.tolist()
    assert squares / cells == pytest.approx(float(scale()) ** 2), "a later stage goes on from there"


def test_only_the_parts_that_a_stage_names_learn():
    system, feed = made(rows())
    objective = system.stages[0].objective
    before = {n: p.detach().clone() for n, p in system.model.named_parameters()}
    fit(system.replace(stages=[Stage(objective, learn=("posterior.head",))]), feed, settings(epochs=2, average=0))
    changed = {n for n, p in system.model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"posterior.head.weight", "posterior.head.bias"}
    assert all(p.requires_grad for p in system.model.parameters()) and not system.model.training
    with pytest.raises(InputError, match="'encoder', which the model lacks"):
        fit(system.replace(stages=[Stage(objective, learn=("encoder",))]), feed, settings(epochs=1))


def test_a_frozen_part_keeps_what_it_learnt_from_data():
    system, feed = made(rows())
    scale = system.model.likelihood.family.scale
    fit(system, feed, settings(epochs=2))
    before = {name: values.clone() for name, values in scale.state_dict().items()}
    assert float(before["log_scale"]) != 0
    stage = Stage(system.stages[0].objective, learn=("posterior", "likelihood.network"))
    fit(system.replace(stages=[stage]), feed, settings(epochs=2))
    assert all(torch.equal(values, before[name]) for name, values in scale.state_dict().items())


def test_stages_share_the_budget_and_the_clock():
    system, feed = made(rows())
    objective = system.stages[0].objective
    history = fit(system.replace(stages=[Stage(objective, share=3.0), Stage(objective)]), feed, settings(epochs=8, validations=2))
    assert [(v.stage, v.step) for v in history.validations] == [(0, 24), (0, 48), (1, 8), (1, 16)]
    seconds = [v.seconds for v in history.validations]
    assert seconds == sorted(seconds)


def test_a_hook_hears_of_every_measurement():
    hook = Told()
    _, history = run(hooks=[hook], epochs=4, validations=4)
    assert hook.validations == history.validations and [v.step for v in hook.validations] == [8, 16, 24, 32]
    assert all(set(m.readings) >= {"distortion", "rate"} and m.rows_per_second > 0 for m in hook.moments)


def test_settings_name_what_is_wrong():
    for given, words in (
        ({"epoch": 3}, "did you mean 'epochs'"), ({"epochs": -1}, "epochs must be a whole number of 1 or more, not -1"),
        ({"rate": 0}, "rate must be a number above 0, not 0"),
    ):
        with pytest.raises(InputError, match=words):
            Settings.checked(**given)
    with pytest.raises(InputError, match="device 'cuda' is not on this machine"):
        if torch.cuda.is_available():
            pytest.skip("this machine has that device")
        run(device="cuda")


def test_a_short_run_measures_weights_that_have_moved():
    system, history = run(average=0.999, epochs=1, validations=8)
    start, _ = made(rows())
    bounds = [found.held_out["elbo"] for found in history.validations]
    assert len(bounds) == len(set(bounds)) == 8
    assert all(not torch.equal(a, b) for a, b in zip(system.model.parameters(), start.model.parameters()))


def test_more_devices_than_there_are_are_refused_in_a_line(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(InputError, match=r"devices=2: this machine has 1 of 'mps'; give devices=1"):
        device_of(Settings(device="mps", devices=2))
    assert device_of(Settings(device="cpu", devices=3)) == "cpu"


def test_an_epoch_with_labels_is_a_pass_over_all_rows():
    records = replace(rows(), label=np.where(np.arange(320) % 40, -1, np.arange(320) // 40 % 2), classes=("a", "b"))
    system, feed = made(records, "m2", latent=2)
    history = fit(system, feed, settings(epochs=3, validations=3))
    assert history.validations[-1].epoch == 3


def moved(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    return {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}


def test_what_a_person_froze_stays_to_the_bit_and_the_rest_learns():
    # Its statistics would follow the rows that pass.
    given = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.SiLU()).requires_grad_(False)
    system, feed = made(rows(), "latent_diffusion", reader=given, width=8)
    before = {n: v.clone() for n, v in system.model.state_dict().items()}
    fit(system, feed, Settings(**{**SETTINGS, "epochs": 2, "validations": 2}))
    found = moved(before, system.model)
    assert not [n for n in found if n.startswith("posterior.network.")]
    assert {n.split(".")[0] for n in found} == {"posterior", "likelihood", "prior"}
    open_ = {n.split(".")[1] for n, p in system.model.named_parameters() if n.startswith("posterior.") and p.requires_grad}
    assert "head" in open_ and "network" not in open_ and not system.model.training
    given.requires_grad_(True)
    fit(system, feed, Settings(**{**SETTINGS, "epochs": 1, "validations": 1}))
    assert [n for n in moved(before, system.model) if n.startswith("posterior.network.")]


def test_what_a_stage_froze_is_free_after_a_run_that_broke_off():
    system, feed = made(rows(), "latent_diffusion", width=8)
    stages = [system.stages[0], replace(system.stages[1], objective=Objective(Breaks(since=0.0), *system.stages[1].objective.terms))]
    with pytest.raises(WorkFailed):
        fit(system.replace(stages=stages), feed, Settings(**{**SETTINGS, "epochs": 2, "validations": 2}))
    assert all(p.requires_grad for p in system.model.parameters()) and not system.model.training


def test_parts_of_the_house_go_on_beside_what_is_frozen():
    """Rows are still corrupted before a frozen encoder, and the scale behind a frozen decoder is still the data's."""
    records = rows(noise=0.05)
    system, feed = made(records, "denoising_vae", reader=nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5)).requires_grad_(False))
    Held(system.model).prepare(system.stages[0], system.model)
    network = system.model.posterior.network
    seen = network.embed(torch.ones(1, 50, 6), None)
    assert bool((seen == 0).any()) and not any(layer.training for layer in network.modules() if isinstance(layer, nn.Dropout))

    x = next(iter(feed.validation.epoch(0, 0, 0, 1))).x
    directions = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    writer = nn.Linear(2, 6).requires_grad_(False)
    writer.weight.copy_((directions.S[:2, None] * directions.Vh[:2]).T / len(x) ** 0.5)
    writer.bias.copy_(x.mean(0))
    system, feed = made(records, writer=writer)
    fit(system, feed, Settings(**{**SETTINGS, "epochs": 20, "validations": 2}))
    assert float(system.model(Batch(x), centre()).likelihood.stddev.mean()) < 0.5


def test_what_has_nothing_to_train_is_told_before_anything_is_trained():
    system, feed = made(rows(), "latent_diffusion", width=8)
    system.model.prior.requires_grad_(False)
    told = Told()
    with pytest.raises(InputError, match="stage 2 of 2 has nothing to train: all of prior was frozen"):
        fit(system, feed, Settings(**SETTINGS), hooks=[told])
    assert not told.validations and system.model.posterior.head.weight.requires_grad
    system, feed = made(rows())
    system.model.requires_grad_(False)
    with pytest.raises(InputError, match="stage 1 of 1 has nothing to train: all of the model was frozen"):
        fit(system, feed, Settings(**SETTINGS))


@pytest.mark.parametrize("average", [0, 0.9])
def test_a_run_is_resumed_with_what_was_frozen_when_it_stopped(tmp_path, average):
    settings = Settings(**{**SETTINGS, "epochs": 4, "validations": 4, "average": average})
    reader = nn.Sequential(nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 6))
    system, feed = made(rows(), reader=reader)
    fit(system, feed, settings, tmp_path)
    reader.requires_grad_(False)
    with pytest.raises(InputError, match="other parameters were frozen when it was written"):
        fit(system, feed, Settings(**{**settings.model_dump(), "epochs": 5}), tmp_path, resume=True)
