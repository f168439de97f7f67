"""Directions of attributes, edits along them, and coordinates ranked by rate: against affine systems whose latents are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch import distributions as D
from torch.distributions import Distribution, Independent, Normal

from vaekit.core.conditional import Conditional
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.core.system import System
from vaekit.modalities import Vector
from vaekit.models import VAE
from vaekit.parts.priors import Standard
from vaekit.tasks import Direction, dimension_rates, direction, edit, encode, ranked_dimensions, reconstruct, traverse
from vaekit.tasks.decode import write

SPREAD = np.array([0.5, 1.0, 0.1])


class Affine(Conditional):
    """z or x around a matrix times what is given."""

    def __init__(self, matrix: np.ndarray, spread: np.ndarray, joined: int):
        super().__init__()
        self.matrix, self.spread = (torch.as_tensor(values, dtype=torch.float32) for values in (matrix, spread))
        self.joined = joined

    def forward(self, *given: Tensor | None) -> Distribution:
        centre = given[0] @ self.matrix.T
        return Independent(Normal(centre, self.spread.expand_as(centre)), self.joined) if self.joined else Normal(centre, self.spread)


def system_of(raw: np.ndarray) -> tuple[System, dict[str, Tensor]]:
    """z = the columns in another order, the second of them held at the prior; x = the way back."""
    read = np.array([[0.0, 1, 0], [0, 0, 0], [1, 0, 0]])
    modality = Vector().fit(Records(raw))
    model = VAE(Affine(read, SPREAD, 1), Standard(3), Affine(read.T, np.ones(3), 0))
    return System(model, [], modality), modality.store(Records(raw))


rng = np.random.default_rng(0)
THERE = rng.random(400) < 0.4
RAW = rng.normal(size=(400, 3)) * [2.0, 10.0, 1.0] + [5.0, 0.0, 1.0]
RAW[:, 0] += 6 * THERE
WIDE, ROWS = system_of(RAW)


@pytest.mark.parametrize("method", ["means", "probe"])
@pytest.mark.parametrize(("labels", "told"), [
    (THERE, {}), (THERE.astype(int), {}), (np.where(THERE, "yes", "no"), {}), (np.where(THERE, "cat", "dog"), {"towards": "cat"}),
    (np.where(THERE, "b", rng.choice(["a", "c"], 400)), {"towards": "b"}), (THERE.astype(object), {"towards": True}),
    (RAW[:, 0], {}), (np.round(RAW[:, 0]).astype(int), {}),
])
def test_a_direction_points_to_more_of_the_attribute(method, labels, told):
    found = direction(WIDE, ROWS, labels, method, **told)
    assert found.vector.shape == (3,) and np.linalg.norm(found.vector) == pytest.approx(1)
    # The attribute moves the first column, which is the last coordinate.
    assert found.vector[2] > 0.97 and found.attribute
    assert found.spread == pytest.approx((encode(WIDE, ROWS).mean @ found.vector).std(), rel=1e-5)


def test_the_difference_of_means_is_worked_out_by_hand():
    z = encode(WIDE, ROWS).mean
    wanted = z[THERE].mean(0) - z[~THERE].mean(0)
    np.testing.assert_allclose(direction(WIDE, ROWS, THERE).vector, wanted / np.linalg.norm(wanted), atol=1e-5)
    above = RAW[:, 1] > np.median(RAW[:, 1])
    wanted = z[above].mean(0) - z[~above].mean(0)
    np.testing.assert_allclose(direction(WIDE, ROWS, RAW[:, 1]).vector, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_probe_leaves_out_what_only_goes_along():
    raw = RAW.copy()
    raw[:, 1] = raw[:, 0] * 3 + rng.normal(size=400) * 4
    system, rows = system_of(raw)
    means, probe = (direction(system, rows, raw[:, 0], method).vector for method in ("means", "probe"))
    assert abs(means[0]) > 0.6 and abs(probe[0]) < 0.05 and probe[2] > 0.99


def test_an_edit_is_a_step_in_deviations_in_the_data_s_own_units():
    along = direction(WIDE, ROWS, THERE)
    z = torch.from_numpy(encode(WIDE, ROWS).mean)
    for strength in (-1.5, 0.0, 2.0):
        wanted = WIDE.modality.to_raw(write(WIDE, z + strength * along.spread * torch.from_numpy(along.vector)))
        np.testing.assert_allclose(edit(WIDE, ROWS, along, strength), wanted, rtol=1e-5)
    np.testing.assert_allclose(edit(WIDE, ROWS, along, 0.0), reconstruct(WIDE, ROWS), rtol=1e-5)
    only = Direction(np.array([0, 0, 1], np.float32), along.spread)
    moved = edit(WIDE, ROWS, only, 2.0) - reconstruct(WIDE, ROWS)
    # One deviation of the coordinate is one deviation of its column.
    np.testing.assert_allclose(moved, np.tile([2 * along.spread * RAW[:, 0].std(), 0, 0], (400, 1)), atol=1e-3)


def test_rows_without_a_label_are_left_out():
    labels = np.where(THERE, 1.0, 0.0)
    labels[:100] = np.nan
    rest = {name: values[100:] for name, values in ROWS.items()}
    np.testing.assert_allclose(direction(WIDE, ROWS, labels).vector, direction(WIDE, rest, THERE[100:]).vector, atol=1e-6)
    words = np.where(THERE, "yes", "no").astype(object)
    words[:100] = None
    np.testing.assert_allclose(direction(WIDE, ROWS, words).vector, direction(WIDE, rest, THERE[100:]).vector, atol=1e-6)
    table = pd.Series(THERE.astype(int), dtype="Int64")
    table[:100] = pd.NA
    np.testing.assert_allclose(direction(WIDE, ROWS, table).vector, direction(WIDE, rest, THERE[100:]).vector, atol=1e-6)


@pytest.mark.parametrize(("labels", "told", "words"), [
    (THERE[:9], {}, "give one value a row"), (THERE, {"method": "mean"}, "did you mean 'means'"), (THERE * 0, {}, "one value in all rows"),
    (np.full(400, np.nan), {}, "no value"), (np.where(THERE, "a", "b"), {"towards": "c"}, "label of no row"),
    (rng.choice(["a", "b", "c"], 400), {}, "which of them is more"),
])
def test_wrong_labels_are_said_in_one_line(labels, told, words):
    with pytest.raises(InputError, match=words) as caught:
        direction(WIDE, ROWS, labels, **told)
    assert "\n" not in str(caught.value)


def test_a_direction_of_another_model_is_refused():
    with pytest.raises(InputError, match="latent has width 3"):
        edit(WIDE, ROWS, Direction(np.ones(2, np.float32), 1.0))
    with pytest.raises(InputError, match="finite"):
        edit(WIDE, ROWS, direction(WIDE, ROWS, THERE), float("nan"))
    still, rows = system_of(RAW * [1, 1, 0] + np.outer(THERE, [0, 0, 1.0]))
    constant = {**rows, "x": rows["x"] * torch.tensor([0.0, 0.0, 1.0])}
    with pytest.raises(InputError, match="same latents"):
        direction(still, constant, THERE)


def test_coordinates_are_ranked_by_their_rate():
    mean = encode(WIDE, ROWS).mean
    wanted = (0.5 * (SPREAD**2 + mean**2 - 1) - np.log(SPREAD)).mean(0)
    np.testing.assert_allclose(dimension_rates(WIDE, ROWS), wanted, rtol=1e-4, atol=1e-6)
    assert ranked_dimensions(WIDE, ROWS) == [2, 0, 1]
    one = {name: values[:2] for name, values in ROWS.items()}
    np.testing.assert_array_equal(traverse(WIDE, ROWS, dimensions="ranked")[:2], traverse(WIDE, one, dimensions=[2, 0, 1]))


def test_coordinates_whose_rate_is_of_all_together_are_ranked_by_their_moments():
    """A mixture of one component is the standard normal, and no rule says so: the order is that of the rates in closed form."""
    standard = Independent(Normal(torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 1, 3)), 1)
    one = D.MixtureSameFamily(D.Categorical(torch.ones(1, 1, 1)), standard, validate_args=False)

    class Mixed(Conditional):
        def forward(self, *given: Tensor | None) -> Distribution:
            return one

    system = WIDE.replace(model=VAE(WIDE.model.posterior, Mixed(), WIDE.model.likelihood))
    assert np.isnan(dimension_rates(system, ROWS)).all()
    assert ranked_dimensions(system, ROWS) == [2, 0, 1]


def test_what_cannot_be_ranked_is_said():
    with pytest.raises(InputError, match="give rows, or numbers"):
        traverse(WIDE, dimensions="ranked")
    with pytest.raises(InputError, match="neither a list"):
        traverse(WIDE, ROWS, dimensions="kl")
