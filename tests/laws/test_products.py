"""Laws of combinations: each posterior with each prior, likelihood and objective; each KL in closed form; who trains with whom.

A new part is tested by one line in the list of its kind; a new rule for a KL by one line in `PAIRS`. A step meets a posterior, a prior and
an objective in its latent, and a likelihood in what it explains: all triples are run that leave out the likelihood or the objective, and
all pairs of these two.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

import pytest
import torch
from systems import made
from test_recipes import ARGUMENTS
from torch import Tensor
from torch import distributions as D

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.errors import InputError
from vaekit.core.objective import Objective, Step, Term
from vaekit.models import VAE
from vaekit.parts import objectives as o
from vaekit.parts import posteriors, priors
from vaekit.parts.distributions import UniformSphere, VonMisesFisher
from vaekit.parts.distributions.categories import OneHot, RelaxedOneHot, StraightOneHot
from vaekit.parts.distributions.code_priors import CodeSequence, UniformCodes
from vaekit.parts.distributions.codebook import Categories
from vaekit.parts.distributions.quantised import Quantised
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.networks import MLP, Scaled, VectorReader, VectorWriter
from vaekit.recipes import RECIPES
from vaekit.training import Settings, fit
from vaekit.training.optimisation import Optimisation

LATENT, COLUMNS, TOLD, ROWS = 2, 3, 2, 8

POSTERIORS: dict[str, Callable[[VectorReader], Neural]] = {
    "normal": lambda network: posteriors.normal_posterior(network, LATENT),
    "normalised": lambda network: posteriors.normal_posterior(network, LATENT, 0.6),
    "iaf": lambda network: Neural(network, posteriors.Flow(LATENT, "iaf", 1, (4,), 3)),
    "spline": lambda network: Neural(network, posteriors.Flow(LATENT, "spline", 1, (4,), 3)),
    "point": lambda network: Neural(network, posteriors.Point(LATENT)),
    "sphere": lambda network: Neural(network, posteriors.Sphere(LATENT)),
    "hyperbolic": lambda network: Neural(network, posteriors.Hyperbolic(LATENT)),
}
PRIORS: dict[str, Callable[[Neural], Conditional]] = {
    "standard": lambda q: priors.Standard(LATENT),
    "conditional": lambda q: priors.conditional_normal(LATENT, TOLD, (4,)),
    "mixture": lambda q: priors.Mixture(priors.conditional_normal(LATENT, TOLD, (4,)), LATENT, TOLD, (4,), 3),
    "diagonal_mixture": lambda q: priors.Mixture(priors.conditional_normal(LATENT, TOLD, (4,)), LATENT, TOLD, (4,), 3, False),
    "vamp": lambda q: priors.Vamp(q, q.network.embed(torch.zeros(1, 1, COLUMNS), None).shape[2:], 3),
    "coupling": lambda q: priors.Flow(LATENT, "coupling", TOLD, 1, (4,)),
    "autoregressive": lambda q: priors.Flow(LATENT, "autoregressive", TOLD, 1, (4,)),
    "diffusion": lambda q: priors.Waiting(priors.Standard(LATENT), priors.LatentDiffusion(LATENT, TOLD, 4, 2)),
    "uniform": lambda q: priors.Sphere(LATENT),
}
# Densities on the sphere are by its area: they have no ratio to those of the plane.
ON_SPHERE = {"sphere", "uniform"}
OBJECTIVES: dict[str, Callable[[], list[Term]]] = {
    "distortion": lambda: [o.Reconstruction()],
    "bound": lambda: [o.Reconstruction(), o.KL()],
    "free_bits": lambda: [o.Reconstruction(), o.KL(free_bits=0.1)],
    "capacity": lambda: [o.Reconstruction(), o.KL(capacity=1.0)],
    "importance": lambda: [o.ImportanceBound(2)],
    "doubly": lambda: [o.ImportanceBound(2, doubly_reparameterised=True)],
    "total_correlation": lambda: [o.Reconstruction(), o.TotalCorrelation()],
    "critic_total_correlation": lambda: [o.Reconstruction(), o.CriticTotalCorrelation(LATENT, (4,))],
    "covariance_of_means": lambda: [o.Reconstruction(), o.CovariancePenalty(o.of_means)],
    "covariance_of_aggregate": lambda: [o.Reconstruction(), o.CovariancePenalty(o.of_aggregate)],
    "discrepancy": lambda: [o.Reconstruction(), o.MeanDiscrepancy()],
    "latent_adversary": lambda: [o.Reconstruction(), o.LatentAdversary(LATENT, TOLD, (4,))],
}


def model_of(posterior: str, prior: str, likelihood: str) -> tuple[VAE, Batch]:
    """A small model of these parts, and rows that its likelihood could have made."""
    torch.manual_seed(0)
    layers = partial(MLP, hidden=(4,))
    reader = VectorReader((COLUMNS,), TOLD, False, Scaled(torch.zeros(1), torch.ones(1)), layers)
    q = POSTERIORS[posterior](reader)
    family = LIKELIHOODS[likelihood]((COLUMNS,), **({"classes": 4} if likelihood == "categorical" else {}))  # type: ignore[call-arg]
    model = VAE(q, PRIORS[prior](q), Neural(VectorWriter(LATENT, (), TOLD, layers), family))
    x = family(torch.randn(1, ROWS, family.size)).sample()[0].float()
    return model, Batch(x, condition=torch.randn(ROWS, TOLD), population=100)


def stepped(model: VAE, batch: Batch, objective: str) -> str:
    """One step with its gradients; why it was refused, or empty."""
    step = Step(model, Objective(*OBJECTIVES[objective]()))
    try:
        loss, opponent, _, _ = step(batch)
    except (InputError, TypeError, NotImplementedError) as refused:
        assert "\n" not in str(refused)
        return str(refused)
    (loss if opponent is None else loss + opponent).backward()
    gradients = [p.grad for p in step.parameters() if p.grad is not None]
    assert torch.isfinite(loss) and gradients and all(torch.isfinite(g).all() for g in gradients)
    model.zero_grad()
    return ""


def spaces() -> Iterator[tuple[str, str]]:
    yield from ((q, p) for q in POSTERIORS for p in PRIORS if (q in ON_SPHERE) == (p in ON_SPHERE))


@cache
def refusal(posterior: str, prior: str) -> str:
    """Why the two do not go together at all; empty where they do."""
    return stepped(*model_of(posterior, prior, "normal"), "distortion")


# What does not type-check, and how it says so.
_RATES = ("bound", "free_bits", "capacity", "importance", "doubly")
REFUSED = {("point", name): "no density" for name in _RATES} | {
    (posterior, "total_correlation"): "needs a posterior of independent coordinates"
    for posterior in ("iaf", "spline", "point", "sphere", "hyperbolic")
}


@pytest.mark.parametrize(("posterior", "prior"), list(spaces()))
def test_every_objective_runs_a_step_on_every_posterior_and_prior(posterior, prior):
    if prior == "vamp" and posterior not in ("normal", "normalised"):
        assert "needs normal ones" in refusal(posterior, prior)
        return
    model, batch = model_of(posterior, prior, "normal")
    for objective in OBJECTIVES:
        why, expected = stepped(model, batch, objective), REFUSED.get((posterior, objective), "")
        assert bool(why) == bool(expected) and expected in why, (objective, why)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_likelihood_runs_a_step_with_every_posterior_prior_and_objective(likelihood):
    for posterior, prior in spaces():
        if not refusal(posterior, prior):
            assert not stepped(*model_of(posterior, prior, likelihood), "distortion")
    model, batch = model_of("normal", "standard", likelihood)
    for objective in OBJECTIVES:
        assert not stepped(model, batch, objective), (likelihood, objective)


def _normals(seed: int) -> D.Normal:
    at = torch.Generator().manual_seed(seed)
    return D.Normal(torch.randn(1, 3, 4, generator=at), torch.rand(1, 3, 4, generator=at) + 0.3)


def _logits(seed: int) -> Tensor:
    return torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(seed))


def _directions() -> VonMisesFisher:
    return VonMisesFisher(torch.nn.functional.normalize(_logits(1), dim=-1), torch.tensor([0.5, 4.0, 60.0]).reshape(1, 3, 1))


class _Pairwise:
    """Each code given the one before it."""

    def __call__(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        return torch.randn(4, 4, generator=torch.Generator().manual_seed(5))[torch.nn.functional.pad(codes[:, :-1], (1, 0))]

    def draw(self, rows: int, condition: Tensor | None, temperature: float) -> Tensor:
        raise NotImplementedError("what is judged is never drawn from")


def _codes() -> Tensor:
    return torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(1))


def _quantised() -> Quantised:
    return Quantised(_codes(), Categories(4))


def _uniform() -> UniformCodes:
    return UniformCodes(Categories(4), (2,), torch.device("cpu"))


PAIRS: dict[tuple[type, type], Callable[[], tuple[D.Distribution, D.Distribution]]] = {
    (D.Normal, D.Normal): lambda: (_normals(1), _normals(2)),
    (D.Independent, D.Independent): lambda: (D.Independent(_normals(1), 1), D.Independent(_normals(2), 1)),
    (D.Categorical, D.Categorical): lambda: (D.Categorical(logits=_logits(1)), D.Categorical(logits=_logits(2))),
    (D.Bernoulli, D.Bernoulli): lambda: (D.Bernoulli(logits=_logits(1)), D.Bernoulli(logits=_logits(2))),
    (D.OneHotCategorical, D.OneHotCategorical): lambda: (D.OneHotCategorical(logits=_logits(1)), D.OneHotCategorical(logits=_logits(2))),
    (Quantised, UniformCodes): lambda: (_quantised(), _uniform()),
    (Quantised, CodeSequence): lambda: (_quantised(), CodeSequence(_Pairwise(), Categories(4), (2,), None, torch.Size((1, 1)))),
    (OneHot, UniformCodes): lambda: (OneHot(_codes(), Categories(4)), _uniform()),
    (RelaxedOneHot, UniformCodes): lambda: (RelaxedOneHot(_codes(), Categories(4), torch.ones(())), _uniform()),
    (StraightOneHot, UniformCodes): lambda: (StraightOneHot(_codes(), Categories(4), torch.ones(())), _uniform()),
    (VonMisesFisher, UniformSphere): lambda: (_directions(), UniformSphere(torch.zeros(1, 1, 4))),
}


def test_every_rule_for_a_kl_is_listed():
    assert set(dispatch.divergence.rules) == set(PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: "-".join(kind.__name__ for kind in p))
def test_a_kl_in_closed_form_is_that_of_many_draws(pair):
    q, p = PAIRS[pair]()
    exact = dispatch.divergence(q, p)
    torch.manual_seed(0)
    # The rate of draws that are relaxed is that of the categories beneath.
    drawn = OneHot(q.logits, q.book) if isinstance(q, RelaxedOneHot) else q
    z = drawn.expand((20_000, *q.batch_shape[1:])).sample()
    ratio = drawn.log_prob(z) - p.log_prob(z)
    summed = exact.flatten(ratio.dim()).sum(-1) if exact.dim() > ratio.dim() else exact
    assert bool((summed >= 0).all())
    assert bool(((ratio.mean(0) - summed[0]).abs() < 5 * ratio.std(0) / len(z) ** 0.5 + 1e-4).all())


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_critic_and_the_model_never_share_an_optimiser(recipe):
    system, _ = made("real", recipe, condition=True, **ARGUMENTS.get(recipe, {}))
    for stage in system.stages:
        stage.prepare(system.model)
        optimisation = Optimisation(Step(system.model, stage.objective), Settings())
        held = [{id(p) for group in one.param_groups for p in group["params"]} for one in optimisation.optimisers]
        models, critics = ({id(p) for p in side.parameters() if p.requires_grad} for side in (system.model, stage.objective))
        assert not models & critics and set().union(*held) == models | critics
        assert all(not (one & models and one & critics) for one in held)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_encoder_of_every_recipe_can_run_ahead_or_says_why_not(recipe):
    system, feed = made("real", recipe, condition=True, **ARGUMENTS.get(recipe, {}))
    settings = Settings(epochs=1, batch=32, validations=1, compile=False, precision="32", encoder_steps=2)
    if recipe == "autoencoder":
        with pytest.raises(InputError, match="encoder_steps: the code of this recipe has no density"):
            fit(system, feed, settings)
        return
    first = [v for v in fit(system, feed, settings).validations if v.stage == 0]
    alone = Settings(epochs=1).steps(feed.train.steps())
    assert alone is not None and first[-1].step > alone * system.stages[0].share / sum(stage.share for stage in system.stages)
