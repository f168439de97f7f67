"""Laws of every likelihood family, of the rules for torch's own distributions, and of the noise that belongs to a row.

A new family is tested by one line in `CASES`: its name, its own arguments, and its log-density by scipy.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit, log_softmax, softmax
from torch import Tensor
from torch import distributions as D

from vaekit.core import dispatch
from vaekit.core.noise import RowNoise
from vaekit.parts.distributions import Point
from vaekit.parts.likelihoods import LIKELIHOODS, Likelihood

Reference = Callable[[Any, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    name: str
    reference: Reference
    arguments: dict[str, Any] = field(default_factory=dict)

    def family(self, event: tuple[int, ...] = (3, 2)) -> Likelihood:
        torch.manual_seed(0)
        return LIKELIHOODS[self.name](event, **self.arguments)  # type: ignore[call-arg]

    @property
    def label(self) -> str:
        return "-".join([self.name, *map(str, self.arguments.values())])


def n(values: Tensor) -> np.ndarray:
    return values.detach().double().numpy()


def _continuous_bernoulli(d: Any, x: np.ndarray) -> np.ndarray:
    slope = np.abs(n(d.logits))
    return stats.truncexpon.logpdf(np.where(n(d.logits) < 0, x, 1 - x), b=slope, scale=1 / slope)


def _rounded_logistic(d: Any, x: np.ndarray) -> np.ndarray:
    half = 0.5 / (d.levels - 1)
    top = np.where(x > 1 - half, np.inf, x + half)
    bottom = np.where(x < half, -np.inf, x - half)
    return np.log(stats.logistic.cdf(top, n(d.location), n(d.scale)) - stats.logistic.cdf(bottom, n(d.location), n(d.scale)) + 1e-300)


def _mixture(d: Any, x: np.ndarray) -> np.ndarray:
    weights = softmax(n(d.mixture_distribution.logits), -1)
    return np.log((weights * np.exp(_rounded_logistic(d.component_distribution, x[..., None]))).sum(-1))


def _categorical(d: Any, x: np.ndarray) -> np.ndarray:
    logits = log_softmax(n(d.logits), -1)
    return np.take_along_axis(np.broadcast_to(logits, (*x.shape, logits.shape[-1])), x[..., None].astype(int), -1)[..., 0]


def _poisson(d: Any, x: np.ndarray) -> np.ndarray:
    return stats.poisson.logpmf(x, n(d.rate))


def _negative_binomial(d: Any, x: np.ndarray) -> np.ndarray:
    return stats.nbinom.logpmf(x, n(d.total_count), expit(-n(d.logits)))


def _inflated(base: Reference) -> Reference:
    return lambda d, x: np.log(expit(n(d.logits)) * (x == 0) + expit(-n(d.logits)) * np.exp(base(d.base, x)))


def _normal(d: Any, x: np.ndarray) -> np.ndarray:
    return stats.norm.logpdf(x, n(d.loc), n(d.scale))


def _beta(d: Any, x: np.ndarray) -> np.ndarray:
    mean = expit(n(d.logits))
    return stats.beta.logpdf(x, mean * n(d.concentration), (1 - mean) * n(d.concentration))


CASES = [
    Case("bernoulli", lambda d, x: stats.bernoulli.logpmf(x, n(d.probs))),
    Case("continuous_bernoulli", _continuous_bernoulli),
    Case("normal", _normal, {"scale": "network"}),
    Case("normal", _normal, {"scale": "dimension"}),
    Case("normal", _normal, {"scale": "shared"}),
    Case("normal", _normal, {"scale": 0.3}),
    Case("laplace", lambda d, x: stats.laplace.logpdf(x, n(d.loc), n(d.scale))),
    Case("student_t", lambda d, x: stats.t.logpdf(x, n(d.df), n(d.loc), n(d.scale))),
    Case("beta", _beta),
    Case("discretised_logistic", _rounded_logistic, {"levels": 256}),
    Case("discretised_logistic", _rounded_logistic, {"levels": 2}),
    Case("discretised_logistic_mixture", _mixture, {"levels": 17, "components": 3}),
    Case("categorical", _categorical, {"classes": 5}),
    Case("poisson", _poisson),
    Case("negative_binomial", _negative_binomial),
    Case("zero_inflated_poisson", _inflated(_poisson)),
    Case("zero_inflated_negative_binomial", _inflated(_negative_binomial)),
]

every = pytest.mark.parametrize("case", CASES, ids=lambda c: c.label)


def drawn(family: Likelihood, *lead: int, seed: int = 1) -> Tensor:
    return torch.randn(*lead, family.size, generator=torch.Generator().manual_seed(seed))


def those_with(table: dispatch.Table, at_least: int) -> pytest.MarkDecorator:
    """The cases whose law has a rule in a table; not every law can have one, but none may lose it."""
    cases = [case for case in CASES if (type(case.family()(drawn(case.family(), 1, 1))),) in table.rules]
    assert len(cases) >= at_least, f"a family has lost its rule '{table.name}'"
    return pytest.mark.parametrize("case", cases, ids=lambda c: c.label)


def support_of(case: Case) -> np.ndarray:
    """Every value that has a probability worth counting."""
    name = case.family().domain.name.split("(")[0]
    count = case.arguments.get("levels") or case.arguments.get("classes") or 4000
    whole = np.arange(float(count))
    return {"binary": whole[:2], "levels": whole / (count - 1), "codes": whole, "counts": whole}[name]


def test_every_family_is_listed() -> None:
    assert {case.name for case in CASES} == set(LIKELIHOODS)


@every
def test_the_head_makes_as_many_numbers_as_the_family_reads(case: Case) -> None:
    family = case.family()
    raw = family.head(7)(torch.randn(2, 5, 4, 7))
    assert raw.shape == (2, 5, 4, family.size)
    d = family(raw)
    assert (d.batch_shape, d.event_shape) == ((2, 5, 4, 3, 2), ())
    assert family.fits and family.domain.words


@every
def test_samples_lie_in_the_support_and_in_the_domain(case: Case) -> None:
    family = case.family()
    d = family(drawn(family, 2, 50))
    x = d.sample()
    assert x.shape == d.batch_shape
    assert d.support.check(x).all()
    assert family.domain.first_violation(x.numpy()) is None
    assert d.log_prob(x).shape == d.batch_shape
    assert d.log_prob(x).isfinite().all()
    assert d.expand((4, *d.batch_shape)).log_prob(x).shape == (4, *d.batch_shape)


@every
def test_the_gradient_reaches_every_number_of_the_network(case: Case) -> None:
    family = case.family()
    raw = drawn(family, 2, 50).requires_grad_()
    d = family(raw)
    d.log_prob(d.sample()).sum().backward()
    assert raw.grad is not None and raw.grad.isfinite().all()
    # a number at which a gradient vanishes by chance is another in the next row
    assert (raw.grad != 0).flatten(0, 1).any(0).all()
    assert all(p.grad is not None and (p.grad != 0).all() for p in family.parameters())


@every
@pytest.mark.parametrize("far", [-50.0, 50.0])
def test_extreme_numbers_stay_finite(case: Case, far: float) -> None:
    family = case.family()
    x = family(drawn(family, 1, 40)).sample()
    raw = drawn(family, 1, 40, seed=2)
    # each number in turn alone at the extreme, and all together
    raw = torch.where(torch.eye(40, family.size, dtype=torch.bool) | (torch.arange(40) == 39)[:, None], far, raw).requires_grad_()
    value = family(raw).log_prob(x)
    value.sum().backward()
    assert value.isfinite().all()
    assert raw.grad is not None and raw.grad.isfinite().all()
    assert family.domain.first_violation(family(raw).sample().numpy()) is None


@every
def test_the_law_sums_to_one(case: Case) -> None:
    family = case.family(event=(4,))
    d = family(drawn(family, 1, 6).double() / 2)
    if d.support.is_discrete:
        x = torch.as_tensor(support_of(case)).reshape(-1, 1, 1, 1)
        total = d.log_prob(x.expand(-1, 1, 6, 4)).exp().sum(0)
    else:
        t = torch.linspace(-34, 34, 60001, dtype=torch.float64)
        bounded = family.domain.name != "real"
        x, slope = (torch.sigmoid(t), torch.sigmoid(t) * torch.sigmoid(-t)) if bounded else (t.sinh(), t.cosh())
        density = d.log_prob(x.reshape(-1, 1, 1, 1).expand(-1, 1, 6, 4)).exp()
        total = (density * slope.reshape(-1, 1, 1, 1)).sum(0) * (t[1] - t[0])
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-3 if "beta" in case.name else 1e-5)


@every
def test_the_log_density_is_scipys(case: Case) -> None:
    family = case.family()
    d = family(drawn(family, 2, 30).double())
    x = d.sample()
    np.testing.assert_allclose(n(d.log_prob(x)), case.reference(d, n(x)), rtol=1e-6, atol=1e-6)


@every
def test_what_stands_in_a_gap_changes_nothing(case: Case) -> None:
    family = case.family()
    raw = drawn(family, 1, 20)
    x = family(raw).sample().float()
    observed = torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) > 0.4
    results = []
    for junk in (0.0, float("nan"), -1e9):
        given = raw.clone().requires_grad_()
        value = dispatch.log_likelihood(family(given), torch.where(observed, x, junk), observed)
        value.sum().backward()
        results.append((value.detach(), given.grad))
    for value, gradient in results[1:]:
        assert torch.equal(value, results[0][0]) and torch.equal(gradient, results[0][1])
    assert (results[0][0][~observed] == 0).all()
    torch.testing.assert_close(results[0][0][observed], family(raw).log_prob(x)[observed])
    done = dispatch.complete(family(raw), torch.where(observed, x, float("nan")), observed)
    assert torch.equal(done[observed], x[observed]) and family.domain.first_violation(done.numpy()) is None


@every
def test_centre_soft_and_stop(case: Case) -> None:
    family = case.family()
    raw = drawn(family, 1, 20).requires_grad_()
    d = family(raw)
    assert dispatch.dense(d)
    assert dispatch.centre(d).shape == d.batch_shape and dispatch.centre(d).isfinite().all()
    soft = dispatch.soft(d)
    (gradient,) = torch.autograd.grad(soft.square().sum(), raw, retain_graph=True)
    assert gradient.isfinite().all() and (gradient != 0).any()
    stopped = dispatch.stop(d)
    x = d.sample()
    assert type(stopped) is type(d) and not stopped.log_prob(x).requires_grad
    torch.testing.assert_close(stopped.log_prob(x), d.log_prob(x).detach())


@every
def test_the_mean_is_that_of_many_draws(case: Case) -> None:
    family = case.family()
    d = family(drawn(family, 1, 5) / 2)
    torch.manual_seed(4)
    x = d.sample((20_000,)).double()
    expected = (dispatch.soft(d) @ torch.arange(5.0) if case.name == "categorical" else d.mean).double()
    rounding = 0.5 / (case.arguments["levels"] - 1) if "levels" in case.arguments else 0.0
    assert ((x.mean(0) - expected).abs() < 5 * x.std(0) / 20_000**0.5 + rounding).all()


@those_with(dispatch.from_noise, at_least=11)
def test_noise_makes_the_same_draws_as_sampling(case: Case) -> None:
    family = case.family(event=(1,))
    d = family(drawn(family, 1, 1)).expand((1, 4000, 1))
    u = (torch.randperm(4000).reshape(1, -1, 1) + 0.5) / 4000
    torch.manual_seed(5)
    made, sampled = dispatch.from_noise(d, u).detach(), d.sample()
    assert made.shape == sampled.shape and family.domain.first_violation(made.numpy()) is None
    assert stats.ks_2samp(made.flatten().double(), sampled.flatten().double()).pvalue > 1e-3


@those_with(dispatch.temper, at_least=13)
def test_cold_draws_lie_nearer_to_each_other(case: Case) -> None:
    family = case.family()
    d = family(drawn(family, 1, 20))
    x = d.sample()
    torch.testing.assert_close(dispatch.temper(d, 1.0).log_prob(x), d.log_prob(x))
    torch.manual_seed(6)
    spreads = [dispatch.temper(d, t).sample((500,)).float().std(0) for t in (0.0, 0.5, 1.0)]
    assert (spreads[0] < 2e-2).float().mean() > 0.9
    assert spreads[0].mean() < spreads[1].mean() < spreads[2].mean()


@every
def test_a_likelihood_is_traced_whole(case: Case) -> None:
    family = case.family()
    raw = drawn(family, 1, 8)
    x = family(raw).sample().float()
    observed = torch.rand(x.shape) > 0.3

    def score(raw: Tensor, x: Tensor) -> Tensor:
        return dispatch.log_likelihood(family(raw), x, observed)

    torch._dynamo.reset()
    traced = torch.compile(score, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(raw, x), score(raw, x))


def test_a_traced_likelihood_has_the_same_gradients() -> None:
    family = LIKELIHOODS["discretised_logistic"]((6,))
    raw = drawn(family, 1, 16)
    x = family(raw).sample()

    def loss(raw: Tensor) -> Tensor:
        return family(raw).log_prob(x).sum()

    plain, compiled = raw.clone().requires_grad_(), raw.clone().requires_grad_()
    loss(plain).backward()
    torch.compile(loss, fullgraph=True, backend="aot_eager")(compiled).backward()
    torch.testing.assert_close(compiled.grad, plain.grad, rtol=1e-4, atol=1e-5)


PAIRS = {
    "normal": lambda: D.Normal(torch.randn(2, 3, 4), torch.rand(2, 3, 4) + 0.2),
    "categorical": lambda: D.Categorical(logits=torch.randn(2, 3, 4)),
    "bernoulli": lambda: D.Bernoulli(logits=torch.randn(2, 3, 4)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_divergence_is_torchs_and_that_of_many_draws(name: str) -> None:
    torch.manual_seed(0)
    q, p = PAIRS[name](), PAIRS[name]()
    exact = dispatch.divergence(q, p)
    torch.testing.assert_close(exact, D.kl_divergence(q, p))
    assert (exact >= 0).all()
    torch.testing.assert_close(dispatch.divergence(q, q), torch.zeros_like(exact), atol=1e-6, rtol=0)
    z = q.sample((40_000,))
    ratio = q.log_prob(z) - p.log_prob(z)
    assert ((ratio.mean(0) - exact).abs() < 5 * ratio.std(0) / 200 + 1e-6).all()
    if name != "categorical":
        joint = dispatch.divergence(D.Independent(q, 1), D.Independent(p, 1))
        torch.testing.assert_close(joint, exact)
        assert dispatch.divergence(D.Independent(q, 1), D.Independent(p, 2)) is None


def test_an_impossible_category_adds_nothing_to_a_divergence() -> None:
    q = D.Categorical(logits=torch.tensor([0.0, 0.0, float("-inf")]))
    p = D.Categorical(logits=torch.zeros(3))
    torch.testing.assert_close(dispatch.divergence(q, p), torch.tensor(np.log(1.5), dtype=torch.float32))


def test_where_no_divergence_stands_there_is_none() -> None:
    assert dispatch.divergence(D.Normal(0.0, 1.0), D.Laplace(0.0, 1.0)) is None
    with pytest.raises(NotImplementedError, match="'temper' for Cauchy"):
        dispatch.temper(D.Cauchy(0.0, 1.0), 0.5)


def test_a_point_is_a_value_without_density() -> None:
    value = torch.randn(1, 5, 3, requires_grad=True)
    point = Point(value)
    assert (point.batch_shape, point.event_shape) == ((1, 5), (3,))
    assert not dispatch.dense(point)
    assert dispatch.divergence(point, D.Independent(D.Normal(torch.zeros(1, 5, 3), 1.0), 1)) is None
    with pytest.raises(TypeError, match="Point is a point in a continuum"):
        point.log_prob(value)
    wide = point.expand((4, 5))
    assert wide.batch_shape == (4, 5) and torch.equal(wide.rsample(), value.expand(4, 5, 3))
    assert wide.rsample().requires_grad and not wide.sample().requires_grad
    assert torch.equal(dispatch.centre(point), value) and not dispatch.stop(point).value.requires_grad
    assert dispatch.temper(point, 0.5) is point
    assert torch.equal(dispatch.from_noise(point, torch.rand(4, 5, 3)), value.expand(4, 5, 3))
    assert Point(torch.randn(2, 5, 4, 4, 3), axes=3).event_shape == (4, 4, 3)


def test_row_noise_is_uniform_and_independent() -> None:
    x = torch.randn(500, 7, generator=torch.Generator().manual_seed(0))
    u = RowNoise(x)("z", torch.Size([4, 500, 10]))
    assert u.shape == (4, 500, 10) and (u > 0).all() and (u < 1).all()
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-3
    for axis in (0, 1, 2):
        first, second = u.narrow(axis, 0, u.shape[axis] - 1).flatten(), u.narrow(axis, 1, u.shape[axis] - 1).flatten()
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.04
    others = [RowNoise(x)("y", u.shape), RowNoise(x, seed=1)("z", u.shape)]
    assert all(abs(np.corrcoef(u.flatten(), other.flatten())[0, 1]) < 0.04 for other in others)


def test_row_noise_belongs_to_the_row() -> None:
    x = torch.randn(20, 3)
    shape = torch.Size([2, 20, 5])
    whole = RowNoise(x)("z", shape)
    order = torch.randperm(20)
    assert torch.equal(RowNoise(x[order])("z", shape), whole[:, order])
    assert torch.equal(RowNoise(x[4:9])("z", torch.Size([2, 5, 5])), whole[:, 4:9])
    assert torch.equal(RowNoise(x)("z", shape), whole)
    nudged = x.clone()
    nudged[0, 0] += 1e-6
    assert not torch.equal(RowNoise(nudged)("z", shape)[:, 0], whole[:, 0])
