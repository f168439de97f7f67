"""Laws of every model: whoever chooses, a trace's numbers mean what they say."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from systems import DATA, held_out, made
from torch import Tensor, nn
from torch import distributions as D

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, enumerate_, fixed, from_posterior, from_prior
from vaekit.core.conditional import Conditional, Family, Neural
from vaekit.core.noise import RowNoise
from vaekit.core.trace import LatentModel
from vaekit.models import VAE, LabelledVAE, Ladder, Level, StackedVAE
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.networks import MLP, Late, Scaled, VectorReader, VectorWriter, vector_pyramid
from vaekit.parts.posteriors import Classes, Displaced, DrawnNormal, Normal
from vaekit.parts.priors import ClassPrior, Standard, conditional_normal

COLUMNS, LATENT, WIDTH = 4, 2, 3


def linear(condition_width: int = 0, gaps: bool = False, learned_prior: bool = False) -> VAE:
    """A linear Gaussian model, whose marginal is known: x ~ N(b, W W^T + s^2)."""
    torch.manual_seed(0)
    reader = VectorReader((COLUMNS,), condition_width, gaps, Scaled(torch.zeros(1), torch.ones(1)), partial(MLP, hidden=()))
    writer = VectorWriter(LATENT, (), condition_width, partial(MLP, hidden=()))
    prior = conditional_normal(LATENT, condition_width) if learned_prior else Standard(LATENT)
    return VAE(Neural(reader, Normal(LATENT)), prior, Neural(writer, LIKELIHOODS["normal"]((COLUMNS,), scale=0.5)))


class Code(Family):
    """One of four codes."""

    size = 4

    def forward(self, raw: Tensor) -> D.Distribution:
        return D.Categorical(logits=raw)


class UniformCode(Conditional):
    """Each of four codes alike."""

    def forward(self, *given: Tensor | None) -> D.Distribution:
        return D.Categorical(logits=torch.zeros(1, 1, 4))


class Decoded(nn.Module):
    """A code as features."""

    def __init__(self, width: int):
        super().__init__()
        self.table, self.width = nn.Embedding(4, width), width

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.table(z)


def discrete() -> VAE:
    torch.manual_seed(0)
    reader = VectorReader((COLUMNS,), 0, False, Scaled(torch.zeros(1), torch.ones(1)), partial(MLP, hidden=(8,)))
    return VAE(Neural(reader, Code()), UniformCode(), Neural(Decoded(6), LIKELIHOODS["bernoulli"]((COLUMNS,))))


def ladder(condition_width: int = 0, gaps: bool = False, levels: int = 2, latent: int = LATENT, columns: int = COLUMNS) -> Ladder:
    """Fully connected levels, whose first site is the top."""
    torch.manual_seed(0)
    layers = partial(MLP, hidden=(6,))
    reader = VectorReader((columns,), condition_width, gaps, Scaled(torch.zeros(1), torch.ones(1)), layers)
    built = vector_pyramid(reader, levels, latent, condition_width, layers, layers, "silu")
    priors = [Standard(latent), *(Neural(ready, Normal(latent)) for ready in built.ready)]
    steps = [Level(p, Displaced(Neural(meet, Normal(latent))), below) for p, meet, below in zip(priors, built.meet, built.below)]
    writer = VectorWriter(built.width, (), condition_width, partial(MLP, hidden=()))
    return Ladder(built.up, steps, Neural(writer, LIKELIHOODS["normal"]((columns,), scale=0.5)))


NAMES, COUNTS = ("a", "b", "c"), (3, 1, 2)


def labelled(size: int = COLUMNS, family: Family | None = None) -> LabelledVAE:
    """M2 with linear parts: given the class, x is normal."""
    torch.manual_seed(0)
    layers = partial(MLP, hidden=())
    posterior = Neural(Late(MLP(size, ()), layers(size + 3)), Normal(LATENT))
    likelihood = Neural(layers(3 + LATENT), LIKELIHOODS["normal"]((size,), scale=0.5) if family is None else family)
    return LabelledVAE(Neural(layers(size), Classes(3)), ClassPrior(NAMES, COUNTS), posterior, Standard(LATENT), likelihood)


def classified() -> VAE:
    below = linear()
    return VAE(below.posterior, below.prior, below.likelihood, Neural(MLP(LATENT, ()), Classes(3)))


def stacked() -> StackedVAE:
    below = linear()
    above = labelled(LATENT, DrawnNormal(LATENT))
    above.classifier = Neural(MLP(COLUMNS, ()), Classes(3))
    return StackedVAE(below.posterior, below.prior, below.likelihood, above)


def x_of(rows: int = 7, seed: int = 1) -> Tensor:
    return torch.randn(rows, COLUMNS, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Case:
    """A model and rows for it; a new walk is tested by one line in `CASES`."""

    make: Callable[[], LatentModel]
    batch: Batch
    latent: tuple[int, ...] = (LATENT,)
    site: str = "z"


GIVEN = torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(2))
CASES = {
    "linear": Case(linear, Batch(x_of())),
    "conditional": Case(partial(linear, WIDTH), Batch(x_of(), condition=GIVEN)),
    "learned_prior": Case(partial(linear, WIDTH, learned_prior=True), Batch(x_of(), condition=GIVEN)),
    "gaps": Case(partial(linear, gaps=True), Batch(x_of(), observed=x_of(seed=3) > -0.5)),
    "discrete": Case(discrete, Batch((x_of() > 0).float()), ()),
    "ladder": Case(partial(ladder, levels=3), Batch(x_of()), site="level1"),
    "ladder_lower": Case(partial(ladder, WIDTH), Batch(x_of(), condition=GIVEN), site="level2"),
    "labelled": Case(labelled, Batch(x_of())),
    "half_labelled": Case(labelled, Batch(x_of(), label=torch.tensor([0, -1, 1, 2, -1, -1, 0]))),
    "classified": Case(classified, Batch(x_of())),
    "stacked": Case(stacked, Batch(x_of())),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
continuous = pytest.mark.parametrize("case", [CASES[n] for n in CASES if n != "discrete"], ids=[n for n in CASES if n != "discrete"])


@every
@pytest.mark.parametrize("particles", [1, 3])
def test_every_number_has_its_axes(case, particles):
    trace = case.make()(case.batch, from_posterior(particles))
    site, rows = trace.sites[case.site], case.batch.rows
    assert site.z.shape == (particles, rows, *case.latent)
    assert trace.log_likelihood.shape == trace.log_weight().shape == site.log_ratio().shape == (particles, rows)
    assert trace.kl().shape == (particles, rows) and trace.elbo().shape == (rows,)
    assert trace.likelihood.batch_shape == (particles, rows, COLUMNS)
    by_dimension = site.kl_by_dimension()
    if by_dimension is not None:
        torch.testing.assert_close(by_dimension.sum(-1), site.kl())


@every
def test_the_bound_is_a_mean_over_draws(case):
    """E[log w] = ELBO, whether the KL is exact or that of the draws."""
    torch.manual_seed(0)
    trace = case.make()(case.batch, from_posterior(40_000))
    drawn = trace.log_weight().detach()
    error = 4 * drawn.std(0) / drawn.shape[0] ** 0.5 + 1e-5
    assert bool(((drawn.mean(0) - trace.elbo()).abs() < 2 * error).all())


@every
def test_the_bound_rises_with_particles_to_the_likelihood(case):
    torch.manual_seed(0)
    log_weight = case.make()(case.batch, from_posterior(20_000)).log_weight().detach()
    bounds = [(log_weight.unflatten(0, (-1, k)).logsumexp(1) - np.log(k)).mean().item() for k in (1, 5, 50, 20_000)]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize("gaps", [False, True])
def test_the_importance_estimate_is_the_marginal_of_what_was_seen(gaps):
    model, batch = linear(gaps=gaps), (CASES["gaps"] if gaps else CASES["linear"]).batch
    with torch.no_grad():
        # A posterior wider than the true one, or its draws would leave out what weighs most.
        model.posterior.head.weight[LATENT:] = 0
        model.posterior.head.bias[LATENT:] = 0.5
        torch.manual_seed(0)
        log_weight = model(batch, from_posterior(200_000)).log_weight()
    found = log_weight.logsumexp(0) - np.log(len(log_weight))
    layer = model.likelihood.head
    weight, bias = (t.detach().double().numpy() for t in (layer.weight, layer.bias))
    covariance = weight @ weight.T + 0.25 * np.eye(COLUMNS)
    for row in range(batch.rows):
        seen = np.full(COLUMNS, True) if batch.observed is None else batch.observed[row].numpy()
        law = stats.multivariate_normal(bias[seen], covariance[np.ix_(seen, seen)])
        assert float(found[row]) == pytest.approx(float(law.logpdf(batch.x[row].numpy()[seen])), abs=0.05)


def test_enumeration_is_exact():
    model, batch = discrete(), CASES["discrete"].batch
    trace = model(batch, enumerate_("z", from_posterior()))
    states = trace.sites["z"].z
    assert torch.equal(states, torch.arange(4).unsqueeze(1).expand(4, 7))
    torch.testing.assert_close(trace.weight, model.posterior(*batch.evidence).probs[0].T)
    joint = trace.log_likelihood + trace.sites["z"].prior.log_prob(states)
    exact = (trace.weight * (joint - trace.weight.log())).sum(0)
    torch.testing.assert_close(trace.elbo(), exact)
    torch.testing.assert_close(trace.mean(trace.log_weight()), exact)
    assert bool((trace.elbo() <= joint.logsumexp(0)).all())


def test_probabilities_of_all_values_sum_to_one():
    model = discrete()
    values = torch.tensor(list(product((0.0, 1.0), repeat=COLUMNS)))
    trace = model(Batch(values), enumerate_("z", from_posterior()))
    log_p = (trace.log_likelihood + trace.sites["z"].prior.log_prob(trace.sites["z"].z)).logsumexp(0)
    assert log_p.exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_one_row_is_enumerated_too():
    trace = discrete()(Batch(torch.ones(1, COLUMNS)), enumerate_("z", from_posterior()))
    assert trace.sites["z"].z.shape == trace.weight.shape == trace.log_likelihood.shape == (4, 1)


@continuous
def test_the_centre_is_the_mean_and_repeats(case):
    model = case.make()
    trace, again = (model(case.batch, centre()) for _ in range(2))
    torch.testing.assert_close(trace.sites[case.site].z, trace.sites[case.site].posterior.mean)
    assert torch.equal(trace.elbo(), again.elbo())


@every
def test_given_values_are_taken(case):
    model = case.make()
    drawn = {name: site.z for name, site in model(case.batch, from_posterior(2)).sites.items()}
    trace = model(case.batch, fixed(drawn, centre()))
    assert all(trace.sites[name].z is z for name, z in drawn.items()) and trace.log_likelihood.shape == (2, 7)
    elsewhere = model(case.batch, fixed({"other": drawn[case.site]}, centre()))
    assert torch.equal(elsewhere.sites[case.site].z, model(case.batch, centre()).sites[case.site].z)


@every
def test_generation_looks_at_no_data(case):
    model, empty = case.make(), case.batch.without_x()
    trace = model(empty, from_prior(particles=2))
    assert trace.likelihood.sample().shape == (2, 7, COLUMNS) and trace.sites[case.site].posterior is None
    for ask in (lambda: trace.log_likelihood, lambda: trace.sites[case.site].kl(), lambda: model(empty, from_posterior())):
        with pytest.raises(ValueError, match=r"no x|no KL|without looking"):
            ask()
    assert not trace.sites[case.site].random


@continuous
def test_the_temperature_goes_from_the_centre_to_the_prior(case):
    model, empty = case.make(), case.batch.without_x()
    middle = model(empty, centre()).sites[case.site].z
    torch.manual_seed(0)
    spread = {t: (model(empty, from_prior(t, 2_000)).sites[case.site].z - middle).std(0).mean().item() for t in (0.0, 0.5, 1.0)}
    assert spread[0.0] < 1e-4
    assert spread[0.5] == pytest.approx(spread[1.0] / 2, rel=0.05)


def test_fantasies_are_draws_from_the_prior():
    torch.manual_seed(0)
    trace = linear()(Batch(torch.full((2_000, COLUMNS), 50.0)), from_posterior(), fantasies=True)
    assert trace.fantasy.batch_shape == (1, 2_000, COLUMNS)
    assert trace.fantasy.loc.abs().max() < 20 < trace.likelihood.loc.abs().max()
    assert linear()(Batch(x_of()), from_posterior()).fantasy is None


def test_encoding_does_not_decode():
    model, calls = linear(), []
    model.likelihood.register_forward_hook(lambda *_: calls.append(1))
    trace = model(CASES["linear"].batch, centre())
    trace.kl(), trace.sites["z"].kl_by_dimension()
    assert not calls
    trace.elbo(), trace.log_weight()
    assert len(calls) == 1


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), -1e30])
def test_what_stands_in_a_gap_changes_nothing(rubbish):
    model, batch = linear(gaps=True), CASES["gaps"].batch
    noise = RowNoise(x_of(seed=9))
    spoilt = replace(batch, x=torch.where(batch.observed, batch.x, torch.full((), rubbish)))
    numbers = []
    for given in (batch, spoilt):
        model.zero_grad()
        trace = model(given, from_posterior(3, noise))
        trace.elbo().sum().backward()
        numbers.append([trace.elbo(), trace.log_weight(), trace.kl(), trace.sites["z"].z, *(p.grad.clone() for p in model.parameters())])
    assert all(torch.equal(a, b) and bool(torch.isfinite(a).all()) for a, b in zip(*numbers))


@pytest.mark.parametrize("name", ["gaps", "real"])
def test_a_gap_is_told_from_a_zero(name):
    system, feed = made("gaps")
    batch = held_out(feed)
    hidden = replace(batch, observed=torch.ones_like(batch.observed)) if name == "real" else batch
    assert torch.equal(system.model(hidden, centre()).kl(), system.model(batch, centre()).kl()) == (name == "gaps")


@pytest.mark.parametrize("rows", [WIDTH, 1])
def test_a_condition_as_wide_as_the_batch_meets_its_own_rows(rows):
    """Axes that are equal by chance must not be taken for each other."""
    model = linear(WIDTH, learned_prior=True)
    batch = Batch(x_of(rows), condition=GIVEN[:rows])
    noise = partial(from_posterior, 2)
    whole = model(batch, noise(RowNoise(batch.x))).elbo()
    for row in range(rows):
        alone = Batch(batch.x[row : row + 1], condition=batch.condition[row : row + 1])
        torch.testing.assert_close(model(alone, noise(RowNoise(alone.x))).elbo()[0], whole[row])
    other = replace(batch, condition=torch.cat([batch.condition[:1] + 1, batch.condition[1:]]))
    changed = model(other, noise(RowNoise(batch.x))).elbo() != whole
    assert changed.tolist() == [True] + [False] * (rows - 1)


@pytest.mark.parametrize(("name", "condition"), list(product(DATA, (False, True))))
def test_a_score_depends_on_its_row_alone(name, condition):
    system, feed = made(name, condition=condition)
    system.model.eval()
    batch = held_out(feed)

    def score(given: Batch) -> Tensor:
        with torch.no_grad():
            return system.model(given, from_posterior(2, RowNoise(given.x))).elbo()

    whole, order = score(batch), torch.randperm(batch.rows, generator=torch.Generator().manual_seed(0))
    parts = torch.cat([score(_taken(batch, part)) for part in order.split(5)])
    torch.testing.assert_close(parts, whole[order], rtol=1e-4, atol=1e-3)


def _taken(batch: Batch, rows: Tensor) -> Batch:
    fields: dict[str, Any] = {n: getattr(batch, n) for n in ("x", "observed", "condition")}
    return replace(batch, **{n: t if t is None else t[rows] for n, t in fields.items()})


def test_weights_of_rows_are_kept_by_the_batch():
    batch = Batch(x_of(), condition=GIVEN, weight=torch.arange(7.0), label=torch.arange(7))
    empty = batch.without_x()
    assert empty.rows == 7 and empty.x is None and torch.equal(empty.condition, GIVEN) and torch.equal(empty.label, batch.label)
    assert batch.to("cpu").weight is not None
