"""What is particular to one likelihood: digits kept in the tails, the scale at its optimum, domains, and the choice by the data."""

import copy

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor
from torch import distributions as D

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.errors import InputError
from vaekit.core.trace import Site, Trace
from vaekit.parts.distributions import ContinuousBernoulli, DiscretisedLogistic, soft_clamp
from vaekit.parts.likelihoods import LIKELIHOODS, Normal, domain
from vaekit.parts.likelihoods.choice import arguments_for, check, choose, facts
from vaekit.parts.likelihoods.scale import SharedScale

RANDOM = np.random.default_rng(0)


def test_a_soft_clamp_stays_inside_and_keeps_a_gradient() -> None:
    raw = torch.linspace(-1e3, 1e3, 2001, dtype=torch.float64, requires_grad=True)
    bounded = soft_clamp(raw, -7.0, 4.0)
    bounded.sum().backward()
    assert (bounded > -7).all() and (bounded < 4).all() and (bounded.diff() >= 0).all()
    assert (raw.grad > 0).all() and (raw.grad <= 1).all()


@pytest.mark.parametrize("logit", [0.0, 1e-6, -1e-3, 0.01, 0.3, 0.9999, -1.0001, 5.0, -40.0, 300.0])
def test_the_continuous_bernoulli_keeps_its_digits(logit: float) -> None:
    """Against quadrature in float64, at logits where the usual form divides zero by zero or overflows."""
    shift = max(logit, 0.0)
    mass, _ = integrate.quad(lambda x: np.exp(logit * x - shift), 0, 1, epsabs=0, epsrel=1e-12)
    mean, _ = integrate.quad(lambda x: x * np.exp(logit * x - shift) / mass, 0, 1, epsabs=0, epsrel=1e-12)
    parameter = torch.tensor(logit, requires_grad=True)
    d = ContinuousBernoulli(parameter)
    x = torch.tensor([0.0, 0.25, 0.5, 1.0])
    expected = logit * x.double() - shift - np.log(mass)
    torch.testing.assert_close(d.log_prob(x).double(), expected, rtol=1e-6, atol=1e-6)
    # d log p / d l = x - E[x]
    (gradient,) = torch.autograd.grad(d.log_prob(torch.tensor(0.25)), parameter, retain_graph=True)
    assert abs(gradient.item() - (0.25 - mean)) < 2e-6
    assert abs(d.mean.item() - mean) < 1e-6


@pytest.mark.parametrize("logit", [-200.0, -3.0, 0.0, 1e-4, 2.0, 200.0])
def test_the_continuous_bernoullis_quantiles_invert_its_distribution(logit: float) -> None:
    u = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    x = ContinuousBernoulli(torch.full_like(u, logit)).icdf(u)
    cumulative = x if logit == 0 else (torch.exp(logit * (x - 1)) - np.exp(-logit)) / (1 - np.exp(-logit))
    if logit < 0:
        cumulative = torch.expm1(logit * x) / np.expm1(logit)
    torch.testing.assert_close(cumulative, u, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("location", [-30.0, -0.2, 0.5, 31.0])
def test_no_level_is_impossible_however_far(scale: float, location: float) -> None:
    x = torch.arange(256) / 255
    parameters = torch.tensor([location, scale], requires_grad=True)
    value = DiscretisedLogistic(parameters[0], parameters[1]).log_prob(x)
    value.sum().backward()
    assert value.isfinite().all() and parameters.grad is not None and parameters.grad.isfinite().all()
    double = DiscretisedLogistic(torch.tensor(location).double(), torch.tensor(scale).double()).log_prob(torch.arange(256).double() / 255)
    assert abs(double.logsumexp(0).item()) < 1e-9


def test_the_mean_of_a_rounded_logistic_is_within_half_a_level() -> None:
    d = DiscretisedLogistic(torch.linspace(-1, 2, 31).double(), torch.logspace(-4, 1, 12).double()[:, None], levels=16)
    x = (torch.arange(16) / 15).double()
    exact = (d.expand((16, 12, 31)).log_prob(x[:, None, None]).exp() * x[:, None, None]).sum(0)
    assert ((d.mean - exact).abs() <= 0.5 / 15 + 1e-9).all()
    wide = d.scale > 0.1
    assert ((d.mean - exact).abs()[wide] < 1e-2).all()


def _trace(batch: Batch, location: Tensor, scale: Tensor, weight: Tensor | None = None) -> Trace:
    z = torch.zeros(location.shape[0], batch.rows, 1)
    return Trace(batch, {"z": Site(z, D.Normal(0.0, 1.0))}, lambda: D.Normal(location, scale), weight)


def test_the_shared_scale_is_the_residuals_optimum_from_the_first_step() -> None:
    torch.manual_seed(0)
    x, location = torch.randn(40, 6), 0.3 * torch.randn(1, 40, 6)
    observed = torch.rand(40, 6) > 0.3
    row = torch.rand(40) + 0.5
    family = Normal((6,), scale="shared")
    raw = torch.randn(1, 40, 6)
    before = family(raw).scale
    batch = Batch(torch.where(observed, x, float("nan")), observed=observed, weight=row)
    family.scale.after_step(family.scale.observe(_trace(batch, location, before)))
    squared = (x - location[0]).square() * observed
    best = ((row[:, None] * squared).sum() / (row[:, None] * observed).sum()).sqrt()
    scale = family(raw).scale
    torch.testing.assert_close(scale, best.expand_as(scale))
    assert torch.equal(family(raw).scale, scale)

    def score(s: Tensor) -> Tensor:
        return (row[:, None] * dispatch.log_likelihood(D.Normal(location, s), batch.x[None], observed[None])[0]).sum()

    assert score(best) > score(best * 1.02) and score(best) > score(best * 0.98)


def test_the_shared_scale_follows_its_batches() -> None:
    torch.manual_seed(0)
    scale = SharedScale(momentum=0.9)
    scale.start(_trace(Batch(5 + 3 * torch.randn(5000, 4)), torch.full((1, 5000, 4), 5.0), scale()))
    assert abs(scale().item() - 3) < 0.05
    for _ in range(200):
        scale.after_step(scale.observe(_trace(Batch(0.2 * torch.randn(500, 4)), torch.zeros(1, 500, 4), scale())))
    assert abs(scale().item() - 0.2) < 0.002
    assert not any(p.requires_grad for p in scale.parameters())
    assert set(scale.state_dict()) == {"log_scale", "moments"}
    assert torch.equal(copy.deepcopy(scale)(), scale())


def test_the_shared_scale_weighs_its_particles() -> None:
    x, location = torch.zeros(3, 2), torch.tensor([1.0, 2.0]).reshape(2, 1, 1).expand(2, 3, 2)
    for weight, expected in ((None, 2.5), (torch.tensor([[0.25], [0.75]]).expand(2, 3), 3.25)):
        scale = SharedScale()
        scale.after_step(scale.observe(_trace(Batch(x), location, scale(), weight)))
        torch.testing.assert_close(scale().square(), torch.tensor(expected))


def test_the_shared_scale_is_one_over_all_processes() -> None:
    scale, sums = SharedScale(), []
    for rows, value in ((10, 1.0), (20, 2.0)):
        sums.append(scale.observe(_trace(Batch(torch.full((rows, 2), value)), torch.zeros(1, rows, 2), scale())))
    scale.after_step(torch.stack(sums).mean(0))
    torch.testing.assert_close(scale().square(), torch.tensor((10 * 1.0 + 20 * 4.0) / 30))


def test_a_batch_in_which_nothing_was_seen_leaves_the_shared_scale() -> None:
    scale = SharedScale()
    unseen = Batch(torch.full((4, 2), float("nan")), observed=torch.zeros(4, 2, dtype=torch.bool))
    scale.after_step(scale.observe(_trace(unseen, torch.zeros(1, 4, 2), scale())))
    assert scale().item() == 1


@pytest.mark.parametrize("scale", ["wide", 0, -1.0, float("nan"), True])
def test_a_scale_that_is_none_is_refused(scale: object) -> None:
    with pytest.raises(InputError, match="scale"):
        Normal((2,), scale=scale)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "event", "arguments"),
    [
        ("categorical", (1,), {"classes": 1}),
        ("discretised_logistic", (1,), {"levels": 1}),
        ("discretised_logistic_mixture", (1,), {"components": 0}),
        ("bernoulli", (0,), {}),
        ("normal", (1,), {"scale": "shared", "momentum": 1.0}),
    ],
)
def test_a_family_of_nothing_is_refused(name: str, event: tuple[int, ...], arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        LIKELIHOODS[name](event, **arguments)  # type: ignore[arg-type]


def test_a_students_variance_is_finite_and_its_freedom_learned() -> None:
    family = LIKELIHOODS["student_t"]((3,))
    d = family(torch.randn(1, 4, 6))
    assert (d.df > 2).all() and d.variance.isfinite().all()
    with torch.no_grad():
        family.log_excess.fill_(-1e4)  # type: ignore[operator,union-attr]
    assert (family(torch.randn(1, 4, 6)).df > 2).all()


DOMAINS = [
    (domain.real, [-1e30, 0, 3.5], [np.inf, -np.inf]),
    (domain.binary, [0, 1], [0.5, 2, -1]),
    (domain.unit, [0, 0.5, 1], [-1e-6, 1.0001, np.inf]),
    (domain.open_unit, [1e-6, 0.5], [0, 1]),
    (domain.levels(256), [0, np.float32(131) / np.float32(255), 1], [0.5, -1 / 255, 256 / 255]),
    (domain.codes(3), [0, 1, 2], [3, -1, 0.5]),
    (domain.counts, [0, 7, 1e6], [-1, 0.5, np.inf]),
]


@pytest.mark.parametrize(("of", "inside", "outside"), DOMAINS, ids=lambda v: getattr(v, "name", ""))
def test_a_domain_finds_the_first_value_outside(of: domain.Domain, inside: list[float], outside: list[float]) -> None:
    assert of.first_violation(np.array(inside)) is None
    assert of.first_violation(np.array([*inside, np.nan])) is None
    for wrong in outside:
        values = np.resize(inside, (5, 4, 3)).astype(float)
        values[3, 1, 2] = values[4, 0, 0] = wrong
        assert of.first_violation(values) == (3, 1, 2)
        assert of.first_violation(np.asfortranarray(values)) == (3, 1, 2)


def test_a_domain_reads_long_arrays_in_pieces() -> None:
    values = np.zeros((3_000_000,), np.uint8)
    values[2_900_001] = 7
    assert domain.binary.first_violation(values) == (2_900_001,)
    assert domain.binary.first_violation(values, worth=7) is None


def test_facts_are_those_of_numpy() -> None:
    values = RANDOM.poisson(30, (4000, 300)).astype(float)
    values[5, 7] = np.nan
    found = facts(values)
    assert (found.minimum, found.maximum) == (np.nanmin(values), np.nanmax(values))
    assert found.gaps == 1 and found.integer
    assert found.zeros == np.mean(values == 0)
    np.testing.assert_allclose(found.mean, np.nanmean(values, 0))
    np.testing.assert_allclose(found.variance, np.nanvar(values, 0))
    for wrong in (np.array([["a"]]), np.array([[np.nan]])):
        with pytest.raises(InputError):
            facts(wrong)


GREY = RANDOM.integers(0, 256, (20, 6, 6)).astype(np.uint8)
COUNTS = RANDOM.negative_binomial(3, 0.05, (500, 4))

CHOICES = [
    ("image", GREY > 127, "bernoulli", {}, 1),
    ("image", (GREY > 127) * np.uint8(255), "bernoulli", {}, 255),
    ("image", np.zeros((3, 2, 2), np.uint8), "bernoulli", {}, 1),
    ("image", GREY, "discretised_logistic", {"levels": 256}, 255),
    ("image", GREY // 3, "discretised_logistic", {"levels": 256}, 255),
    ("image", GREY // 16, "discretised_logistic", {"levels": 16}, 15),
    ("image", GREY.astype(np.uint16) * 16 + 15, "discretised_logistic", {"levels": 4096}, 4095),
    ("image", GREY / np.float32(255), "discretised_logistic", {"levels": 256}, 1),
    ("image", GREY // 16 / 15, "discretised_logistic", {"levels": 16}, 1),
    ("image", RANDOM.random((9, 4, 4)), "continuous_bernoulli", {}, 1),
    ("image", RANDOM.normal(size=(9, 4, 4)), "normal", {"scale": "shared"}, 1),
    ("vector", COUNTS > 30, "bernoulli", {}, 1),
    ("vector", RANDOM.poisson(15, (500, 4)), "poisson", {}, 1),
    ("vector", RANDOM.poisson([3, 40, 900], (500, 3)), "poisson", {}, 1),
    ("vector", COUNTS, "negative_binomial", {}, 1),
    ("vector", COUNTS.astype(float), "negative_binomial", {}, 1),
    ("vector", COUNTS * (RANDOM.random(COUNTS.shape) > 0.5), "zero_inflated_negative_binomial", {}, 1),
    ("vector", np.repeat([0, 0, 0, 20], 50)[:, None] + np.zeros((1, 3), int), "zero_inflated_negative_binomial", {}, 1),
    ("vector", RANDOM.poisson(0.02, (5000, 1)) + np.eye(5000, 1, dtype=int) * 20, "negative_binomial", {}, 1),
    ("vector", RANDOM.normal(2000, 3, (200, 2)).round(), "normal", {"scale": "dimension"}, 1),
    ("vector", RANDOM.integers(0, 8, (200, 2)), "normal", {"scale": "dimension"}, 1),
    ("vector", GREY.reshape(20, 36), "normal", {"scale": "dimension"}, 1),
    ("vector", np.c_[RANDOM.normal(size=(50, 2)), RANDOM.random(50) > 0.5], "normal", {"scale": "dimension"}, 1),
    ("vector", RANDOM.beta(2, 2, (200, 3)), "beta", {}, 1),
    ("vector", RANDOM.beta(0.2, 0.2, (200, 3)).round(2), "continuous_bernoulli", {}, 1),
    ("vector", 0.01 * RANDOM.random((200, 3)), "normal", {"scale": "dimension"}, 1),
]


@pytest.mark.parametrize(("kind", "values", "name", "arguments", "worth"), CHOICES, ids=lambda v: v if isinstance(v, str) else "")
def test_the_choice_fits_the_data_and_says_why(kind: str, values: np.ndarray, name: str, arguments: dict, worth: float) -> None:
    seen = facts(values, kind)  # type: ignore[arg-type]
    chosen = choose(seen)
    assert (chosen.name, chosen.arguments, seen.worth) == (name, arguments, worth)
    assert chosen.because and "\n" not in chosen.because
    check(chosen.name, chosen.arguments, seen, "data")
    assert LIKELIHOODS[name]((1,), **arguments_for(name, arguments, seen)).domain.first_violation(values, worth) is None  # type: ignore[call-arg]


def test_zeros_that_the_law_explains_are_no_inflation() -> None:
    values = RANDOM.negative_binomial(0.3, 0.02, (4000, 5))
    assert values.max() > 20 and (values == 0).mean() > 0.2
    assert choose(facts(values)).name == "negative_binomial"


REFUSED = [
    ("bernoulli", {}, facts(GREY, "image"), ["0/1", "train.npy has", "row 1", "of 0..255", "binarise='dynamic'", "'continuous_bernoulli'"]),
    ("bernoulli", {}, facts(np.array([[0.0, 1.0], [1.0, 0.2]]), columns=("a", "b")), ["has 0.2 in row 2, column 'b'"]),
    ("discretised_logistic", {}, facts(GREY // 8, "image"), ["256 levels", "give levels=32"]),
    ("poisson", {}, facts(np.array([[1.0], [-2.0]])), ["counts 0, 1, 2", "has -2 in row 2, column 1", "'normal'"]),
    ("beta", {}, facts(np.array([[0.5], [1.0]])), ["strictly between 0 and 1", "move the ends inside", "'continuous_bernoulli'"]),
    ("normal", {}, facts(np.array([[0.5], [np.inf]])), ["finite", "inf in row 2", "correct or remove"]),
    ("categorical", {"classes": 3}, facts(np.array([[2], [3]])), ["whole codes 0..2", "has 3"]),
    ("categorical", {}, facts(np.array([[2], [3]])), ["'classes'"]),
    ("bernouli", {}, facts(GREY, "image"), ["did you mean 'bernoulli'"]),
    ("normal", {"skale": 1}, facts(GREY, "image"), ["skale"]),
]


@pytest.mark.parametrize(("name", "arguments", "seen", "said"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_a_likelihood_that_does_not_fit_is_refused_with_the_fixes(name: str, arguments: dict, seen: object, said: list[str]) -> None:
    with pytest.raises(InputError) as error:
        check(name, arguments, seen, "train.npy")  # type: ignore[arg-type]
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in said), message


def test_arguments_that_the_data_decides_are_filled_in() -> None:
    seen = facts(GREY // 16, "image")
    assert arguments_for("discretised_logistic_mixture", {"components": 2}, seen) == {"levels": 16, "components": 2}
    assert arguments_for("discretised_logistic", {"levels": 4}, seen) == {"levels": 4}
    assert arguments_for("categorical", {}, facts(np.array([[0], [6]]))) == {"classes": 7}
    assert arguments_for("normal", {}, seen) == {}
