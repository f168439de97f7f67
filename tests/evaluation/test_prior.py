"""The prior's fit against closed forms: aggregate posteriors whose KL to the prior is known, and misfits made on purpose."""

import numpy as np
import pytest
import torch
from known import COLUMNS, LATENT, Map, latent, linear_gaussian, normal, system_of
from scipy.integrate import quad
from scipy.stats import norm

from vaekit.core.conditional import Conditional
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.evaluation import PriorFit, measure_latents, measure_prior
from vaekit.modalities import MODALITIES, Vector
from vaekit.models import VAE
from vaekit.parts.priors import Standard
from vaekit.recipes import RECIPES

ROWS = 2000
SHIFT = np.array([1.5, -1.0])


def fit_of(system: System, rows: dict[str, torch.Tensor], held: int = 1000) -> PriorFit:
    """The fit on the last rows, where other densities are fitted to the first."""
    test = {name: values[-held:] for name, values in rows.items()}
    return measure_prior(system, {name: values[:-held] for name, values in rows.items()}, test, measure_latents(system, test))


def more_of(found: PriorFit) -> dict[str, float]:
    return {other.name: other.more for other in found.others}


def kl_to_standard(mean: np.ndarray, covariance: np.ndarray) -> float:
    """KL(N(m, C) || N(0, I))."""
    return 0.5 * (np.trace(covariance) + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1])


def test_the_true_posterior_costs_nothing_above_the_prior():
    system, rows, *_ = linear_gaussian(ROWS, widened=1.0)
    found = fit_of(system, rows)
    assert found.at_least < 0.02 and -0.02 < found.at_most < 0.06
    assert all(abs(more) < 0.02 for more in more_of(found).values()) and abs(found.told - 0.5) < 0.05


def test_a_normal_aggregate_pays_its_closed_form():
    """z = W x + b + s e of standardised x: N(b, W C W' + s^2 I), against N(0, I) and against the same without correlations."""
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    weight, bias, spread = np.array([[0.9, 0.3, 0, 0, 0], [0.7, -0.2, 0.4, 0, 0]]), np.array([0.5, -1.0]), 0.5
    system, rows = system_of(Map(weight, bias, latent(spread)), Map(weight.T, np.zeros(COLUMNS), normal(1.0)), x)
    found, more = fit_of(system, rows), more_of(fit_of(system, rows))
    covariance = weight @ np.cov(rows["x"].numpy().T) @ weight.T + spread**2 * np.eye(2)
    known = kl_to_standard(bias, covariance)
    without = 0.5 * (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1])
    error = found.others[-1].standard_error
    assert list(more) == ["a normal without correlations", "a normal with correlations"]
    assert abs(found.at_least - known) < 4 * error < 0.25 and found.at_most == pytest.approx(known, abs=0.2)
    assert more["a normal without correlations"] == pytest.approx(without - known, abs=0.15)
    differ = more["a normal without correlations"] - more["a normal with correlations"]
    assert differ == pytest.approx(without, abs=0.03)
    assert found.told > 0.8 and abs(found.alike - 0.5) < 0.05


def test_what_a_mixture_saves_is_what_a_normal_lacks():
    """Two heaps: the KL of the aggregate to a normal with its moments, by quadrature, is what a mixture would pay less than that."""
    random = np.random.default_rng(0)
    x = np.where(random.random(ROWS) < 0.5, 1.0, -1.0) + 0.2 * random.normal(size=ROWS)
    system, rows = system_of(Map(np.eye(1), np.zeros(1), latent(0.2)), Map(np.eye(1), np.zeros(1), normal(1.0)), x[:, None])
    more = more_of(fit_of(system, rows))
    # The adapter makes the deviation 1; the posterior adds its own.
    scale = np.sqrt(1.04)
    middle, width = 1 / scale, np.hypot(0.2 / scale, 0.2)
    spread = np.hypot(middle, width)

    def density(z: float) -> float:
        return 0.5 * (norm.pdf(z, middle, width) + norm.pdf(z, -middle, width))

    lacking = quad(lambda z: density(z) * (np.log(density(z) + 1e-300) - norm.logpdf(z, 0, spread)), -4, 4)[0]
    assert list(more)[-1] == "a mixture of 2 normals"
    assert more["a normal with correlations"] - more["a mixture of 2 normals"] == pytest.approx(lacking, abs=0.05)


class Told(Conditional):
    """N(m_c, s^2 I): a prior that knows where each class lies."""

    def __init__(self, places: np.ndarray, spread: float):
        super().__init__()
        self.around = Map(places, np.zeros(len(places)), latent(spread))

    def forward(self, *given: torch.Tensor | None):
        return self.around(given[0])


@pytest.fixture(scope="module")
def classes() -> tuple[System, System, dict[str, torch.Tensor]]:
    """One system with the standard prior and one whose prior is right, on rows of two classes: q(z|c) = N(+-SHIFT, I / 2)."""
    random = np.random.default_rng(0)
    told = random.integers(0, 2, (ROWS, 1)).astype(float)
    x = SHIFT * (2 * told - 1) + 0.5 * random.normal(size=(ROWS, 2))
    records = Records(x, condition=told, condition_columns=("c",))
    modality = Vector().fit(records)
    modality.adapter.state = {**modality.adapter.state, "location": [0.0] * 2, "scale": [1.0] * 2}
    rows = modality.store(records)
    # Two values are stored as two classes, one-hot.
    posterior, right = Map(np.eye(2), np.zeros(2), latent(0.5)), Told(np.stack([-SHIFT, SHIFT], axis=1), np.sqrt(0.5))
    likelihood = Map(np.eye(2), np.zeros(2), normal(1.0))
    systems = [System(VAE(posterior, prior, likelihood), [], modality) for prior in (Standard(2), right)]
    return *systems, rows


def test_under_a_condition_the_prior_is_compared_within_it(classes):
    standard, right, rows = classes
    found, known = fit_of(standard, rows), kl_to_standard(SHIFT, np.eye(2) / 2)
    assert found.conditional and found.at_least == pytest.approx(known, abs=0.15) and found.at_most == pytest.approx(known, abs=0.15)
    assert found.most_told == pytest.approx(np.log(500), abs=0.05)
    # Both classes together are nearer to the prior than either by itself, by what the latent tells of the class: all of it.
    together = measure_latents(standard, {name: values[-1000:] for name, values in rows.items()})
    assert found.at_most - (together.rate - together.mutual_information) == pytest.approx(np.log(2), abs=0.05)
    found = fit_of(right, rows)
    assert found.at_least < 0.02 and abs(found.at_most) < 0.05 and abs(found.told - 0.5) < 0.05


def test_a_prior_that_takes_one_class_for_the_other_is_told_by_the_condition_beside_it(classes):
    _, right, rows = classes
    turned = {**rows, "condition": rows["condition"].flip(1)}
    assert fit_of(right, turned).told > 0.7


@pytest.mark.parametrize(("recipe", "others"), [("vae", True), ("ladder_vae", True), ("sphere_vae", False), ("flow_vae", True)])
def test_a_normal_is_set_beside_a_prior_only_where_it_is_a_density_of_the_same_values(recipe, others):
    x = np.random.default_rng(0).normal(size=(90, 3))
    modality = MODALITIES["vector"]().fit(Records(x))
    torch.manual_seed(0)
    found = fit_of(build(Book(RECIPES, MODALITIES), recipe, modality, latent=3, hidden=[8]), modality.store(Records(x)), held=30)
    assert bool(found.others) == others and found.at_least <= found.at_most + 0.3 and 0 <= found.told <= 1
    assert (found.site == "") == (recipe != "ladder_vae") and all(f["value"] is not None for f in found.figures())


def test_the_same_twice_and_what_is_said_is_what_was_found():
    system, rows, *_ = linear_gaussian(120, widened=1.3)
    found, again = fit_of(system, rows, 40), fit_of(system, rows, 40)
    assert found == again
    told = {figure["name"]: figure for figure in found.as_json()["figures"]}
    assert told["KL of the aggregate posterior, at most"]["value"] == found.at_most
    assert told["KL of the aggregate posterior, at least"]["value"] == max(-found.others[-1].more, 0)
    assert {f["n"] for f in told.values()} == {40} and "3.69 nats of it at most" in str(told)
    assert found.others[0].name == "a normal without correlations" and LATENT == 2
