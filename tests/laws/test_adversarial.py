"""Laws of systems that a critic takes part in: who is moved by what, what a critic sees, and that neither side runs away."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from systems import BOOK, held_out, made, modality_of
from torch import Tensor
from torch.nn.functional import layer_norm, one_hot, silu, softplus

from vaekit.core.batch import Batch
from vaekit.core.dispatch import soft
from vaekit.core.errors import InputError
from vaekit.core.objective import Objective, Step, Term
from vaekit.core.records import Records
from vaekit.core.system import build
from vaekit.modalities import MODALITIES
from vaekit.parts.objectives import Adversary, FeatureReconstruction, LatentAdversary
from vaekit.training import Settings, fit
from vaekit.training.measure import measure
from vaekit.training.optimisation import Optimisation


def moved(step: Step, batch: Batch) -> tuple[set[str], set[str]]:
    """The parts that the loss moves, and those that the opponent's loss does."""
    found = []
    for side in (0, 1):
        torch.manual_seed(0)
        step.zero_grad()
        step(batch)[side].backward()
        names = (n for n, p in step.named_parameters() if p.grad is not None and p.grad.abs().max() > 0)
        found.append({".".join(n.split(".")[:2]) for n in names})
    return found[0], found[1]


def adversary(data: str = "real", condition: bool = False, **arguments) -> Adversary:
    return Adversary(modality_of(data, condition).critic((8,)), **arguments)


@pytest.mark.parametrize("data", ["real", "gaps", "codes"])
def test_each_side_is_moved_by_what_the_paper_says(data):
    """The critic's verdict moves the decoder alone, its features encoder and decoder, and only the opponent's loss the critic."""
    system, feed = made(data)
    batch, critic = held_out(feed), adversary(data)
    decoder, encoder = "model.likelihood", "model.posterior"
    assert moved(Step(system.model, Objective(critic)), batch) == ({decoder}, {"objective.terms"})
    features, opposed = moved(Step(system.model, Objective(critic, FeatureReconstruction(critic))), batch)
    assert features == {encoder, decoder} and opposed == {"objective.terms"}
    alone = Step(system.model, Objective(LatentAdversary(3, hidden=(8,))))
    assert moved(alone, batch) == ({encoder}, {"objective.terms"})


def test_the_features_alone_reach_the_encoder():
    """The encoder's gradient is that of rate and features, to the last bit, whatever the critic thinks."""
    system, feed = made("real", "vae_gan", distortion=0.0)
    batch, terms = held_out(feed), system.stages[0].objective.terms

    def gradient(*chosen: Term) -> list[Tensor]:
        torch.manual_seed(0)
        loss = Step(system.model, Objective(*chosen))(batch)[0]
        return list(torch.autograd.grad(loss, list(system.model.posterior.parameters())))

    features, rate, verdict, _ = terms
    for with_verdict, without in zip(gradient(features, rate, verdict), gradient(features, rate)):
        torch.testing.assert_close(with_verdict, without, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("recipe", ["vae_gan", "aae", "factor_vae"])
def test_critic_and_model_never_share_an_optimiser(recipe):
    system, _ = made("real", recipe)
    step = Step(system.model, system.stages[0].objective)
    sides = [{id(p) for group in o.param_groups for p in group["params"]} for o in Optimisation(step, Settings()).optimisers]
    assert len(sides) == 2 and not sides[0] & sides[1]
    assert sides[1] == {id(p) for p in step.objective.parameters()} and sides[0] == {id(p) for p in system.model.parameters()}


def test_both_sides_step_with_the_momentum_that_was_asked_for():
    system, _ = made("real", "vae_gan")
    optimisation = Optimisation(Step(system.model, system.stages[0].objective), Settings(momentum=0.5, rate=0.01))
    before = [p.detach().clone() for p in optimisation.parameters]
    # The n-th of equal gradients g: m = (1 - beta^n) g, whose correction makes every step the same; a zero one then goes on by momentum.
    for gradient in (1.0, 0.0):
        for p in optimisation.parameters:
            p.grad = torch.full_like(p, gradient)
        optimisation.step(0.5, optimisation.norm())
    rate = optimisation.rate(0.5)
    second = (0.25 / 0.75) / math.sqrt(0.999 / (1 + 0.999))
    for p, old in zip(optimisation.parameters, before):
        torch.testing.assert_close(old - p, torch.full_like(p, rate * (1 + second)), rtol=1e-3, atol=1e-7)


def test_cut_latents_decode_to_the_same_rows():
    system, feed = made("real", condition=True)
    trace = Step(system.model, Objective(adversary(condition=True))).walk(held_out(feed))
    assert torch.equal(soft(trace.cut), soft(trace.likelihood))
    encoder = system.model.posterior.head.weight
    assert torch.autograd.grad(soft(trace.cut).sum(), encoder, allow_unused=True) == (None,)
    assert torch.autograd.grad(soft(trace.likelihood).sum(), encoder)[0].abs().max() > 0


def test_features_are_those_worked_out_by_hand():
    system, feed = made("real")
    critic, batch = adversary(), held_out(feed)
    trace = Step(system.model, Objective(critic)).walk(batch)
    first = critic.critic.reader.layers.layers[0]

    def features(x: Tensor) -> Tensor:
        return layer_norm(silu(x @ first.weight.T + first.bias), (8,))

    wanted = 0.5 * (features(batch.x) - features(trace.likelihood.mean[0])).square().sum(-1)
    torch.testing.assert_close(FeatureReconstruction(critic)(trace)[0], wanted)
    perfect = replace(trace, decode=lambda: replace_mean(trace.likelihood, batch.x.unsqueeze(0)))
    torch.testing.assert_close(FeatureReconstruction(critic)(perfect), torch.zeros(1, 32))


def replace_mean(d: torch.distributions.Normal, mean: Tensor) -> torch.distributions.Normal:
    return torch.distributions.Normal(mean, d.scale)


def test_the_losses_are_those_of_logits():
    system, feed = made("real")
    critic, batch = adversary(penalty=0.0), held_out(feed)
    trace = Step(system.model, Objective(critic)).walk(batch)
    real, drawn, rebuilt = (
        critic.critic(critic.critic.embed(x, None), None)[1] for x in (batch.x[None], trace.fantasy.mean, trace.likelihood.mean)
    )
    torch.testing.assert_close(critic(trace), 0.5 * (softplus(-drawn) + softplus(-rebuilt)))
    torch.testing.assert_close(critic.opponent(trace), softplus(-real) + 0.5 * (softplus(drawn) + softplus(rebuilt)))
    told = critic.readings(trace)
    right = [float((logits > 0).float().mean()) for logits in (real, -drawn, -rebuilt)]
    assert float(told["critic.accuracy"].mean()) == pytest.approx(0.5 * right[0] + 0.25 * (right[1] + right[2]))
    torch.testing.assert_close(told["critic.real"], real)


def test_the_penalty_is_the_square_of_the_slope():
    batch = held_out(made("real")[1])
    steep, flat = (adversary(penalty=penalty) for penalty in (2.0, 0.0))
    flat.load_state_dict(steep.state_dict())
    system, _ = made("real")
    trace = Step(system.model, Objective(steep)).walk(batch)
    h = steep.critic.embed(batch.x[None], None).requires_grad_()
    wanted = torch.autograd.grad(steep.critic(h, None)[1].sum(), h)[0].square().sum(-1).mean() * 5
    with torch.no_grad():
        found = torch.stack([(steep.opponent(trace) - flat.opponent(trace)).mean() for _ in range(300)]).mean()
    assert float(found) == pytest.approx(float(wanted), rel=0.15)


@pytest.mark.parametrize("data", ["gaps", "codes", "counts", "convolved"])
def test_a_row_and_what_stands_for_it_are_seen_alike(data):
    """Means are embedded as values are, probabilities as codes are, and a gap hides both."""
    batch, critic = held_out(made(data)[1]), adversary(data).critic
    x, observed, _ = batch.evidence
    sure = one_hot(x.long(), 4).float() if data == "codes" else x
    assert torch.equal(critic.embed(x, observed), critic.embed_soft(sure, observed))
    if observed is not None:
        other = torch.where(observed, sure, torch.full_like(sure, 7.0))
        assert torch.equal(critic.embed_soft(other, observed), critic.embed_soft(sure, observed))
        assert not torch.equal(critic.embed_soft(other, None), critic.embed_soft(sure, None))


@pytest.mark.parametrize("term", [adversary, lambda penalty: LatentAdversary(3, hidden=(8,), penalty=penalty)])
def test_a_slope_is_measured_as_well_in_bf16(term):
    system, feed = made("real")
    steep = term(penalty=1e4)
    trace = Step(system.model, Objective(steep)).walk(held_out(feed))
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(steep.opponent(trace).float())
    torch.testing.assert_close(found[1], found[0], rtol=0.02, atol=1.0)


def test_a_condition_is_judged_with_the_row():
    for data in ("real", "convolved"):
        batch, critic = held_out(made(data, condition=True)[1]), adversary(data, True).critic
        x, observed, condition = batch.evidence
        h = critic.embed(x, observed)
        assert not torch.equal(critic(h, condition)[1], critic(h, condition.flip(1))[1])


@pytest.mark.parametrize(("recipe", "data"), [("vae_gan", "bits"), ("vae_gan", "gaps"), ("aae", "real")])
def test_five_seeds_stay_sound(recipe, data):
    """After some fifty steps both sides still have something to say, and rows are rebuilt better than at first."""
    for seed in range(5):
        system, feed = made(data, recipe, seed=seed)
        before, _, _ = measure(Step(system.model, system.stages[0].objective).eval(), feed.validation)
        settings = Settings(epochs=12, batch=32, rate=3e-3, validations=1, average=0, compile=False, precision="32", seed=seed)
        history = fit(system, feed, settings)
        after = history.validations[-1].held_out
        assert not history.notes and after["distortion"] < before["distortion"], (seed, after)
        assert 0.05 < after["adversary"] < 5 and abs(after["critic.real"]) < 10 and np.isfinite(after["elbo"]), (seed, after)


def test_measuring_twice_gives_the_same_and_draws_nothing_of_the_steps_own():
    system, feed = made("real", "vae_gan")
    step = Step(system.model, system.stages[0].objective).eval()
    state = torch.get_rng_state()
    assert measure(step, feed.validation) == measure(step, feed.validation)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_copy_has_a_critic_of_its_own():
    system, _ = made("real", "vae_gan")
    other = copy.deepcopy(system.stages[0].objective)
    features, _, verdict, _ = other.terms
    assert features.adversary.module is verdict and verdict is not system.stages[0].objective.terms[2]


def test_a_critic_with_nothing_to_see_is_refused():
    modality = modality_of("real")
    empty = copy.copy(modality)
    empty.event = (0,)
    with pytest.raises(InputError, match="a critic has nothing to see") as caught:
        build(BOOK, "vae_gan", empty)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        MODALITIES["vector"](gaps=True).fit(Records(np.full((20, 3), np.nan)))
    assert "\n" not in str(caught.value)
