"""Disentanglement: values worked out by hand, a perfect code, a code of noise, and other implementations."""

from itertools import product

import numpy as np
import pytest
from known import Map, latent, normal, system_of
from scipy.stats import spearmanr
from sklearn.metrics import mutual_info_score

from vaekit.core.errors import InputError
from vaekit.evaluation import disentanglement, measure_agreement, measure_disentanglement
from vaekit.evaluation.disentanglement import (
    beta_vae_score,
    dci_scores,
    entropies,
    explicitness,
    factor_vae_score,
    importance_scores,
    labelled,
    modularity,
    mutual_information,
    mutual_information_gap,
    rank_agreement,
    separated_attributes,
)
from vaekit.evaluation.disentanglement.agreement import rank_correlations

GRID = np.array(list(product(range(2), range(3), range(4), range(10)))).repeat(4, axis=0)
SCORES = {
    "mutual information gap", "DCI disentanglement", "DCI completeness", "DCI informativeness", "separated attribute predictability",
    "FactorVAE score", "beta-VAE score", "modularity", "explicitness",
}


def value(figures: list[dict]) -> float:
    return figures[0]["value"]


def by_name(figures: list[dict]) -> dict[str, float]:
    return {f["name"]: f["value"] for f in figures}


def two_bits(copies: int = 1) -> np.ndarray:
    return np.array(list(product((0, 1), (0, 1)))).repeat(copies, axis=0)


# A code beside the factors a and b, two even bits: MIG, modularity and SAP by hand. Of a code 2a + b, R^2 is 4/5 for a and 1/5 for b.
@pytest.mark.parametrize(("code", "gap", "modular", "apart"), [
    (lambda a, b: (a, b), 1.0, 1.0, 1.0),
    (lambda a, b: (b, a), 1.0, 1.0, 1.0),
    (lambda a, b: (a, a), 0.0, 1.0, 0.0),
    (lambda a, b: (2 * a + b, b), 0.5, 0.5, 0.8),
    (lambda a, b: (2 * a + b, 0 * b), 1.0, 0.0, 0.5),
    (lambda a, b: (2 * a + b, a + 2 * b), 0.0, 0.0, 0.6),
])
def test_tiny_cases_by_hand(code, gap, modular, apart):
    rows = labelled(np.stack(code(*two_bits().T), axis=1) + 7.3, two_bits())
    assert value(mutual_information_gap(rows)) == pytest.approx(gap)
    assert value(modularity(rows)) == pytest.approx(modular)
    assert value(separated_attributes(rows)) == pytest.approx(apart)


def test_information_is_that_of_scikit_learn_and_is_cut_into_bins():
    random = np.random.default_rng(0)
    factors = np.stack([random.integers(0, 3, 400), random.integers(0, 5, 400)], axis=1)
    codes = factors[:, :1] + random.normal(size=(400, 3))
    rows = labelled(codes, factors)
    found = mutual_information(rows, bins=8)
    for j, k in product(range(3), range(2)):
        low, high = codes[:, j].min(), codes[:, j].max()
        cut = np.digitize(codes[:, j], np.linspace(low, high, 9)[1:-1])
        assert found[j, k] == pytest.approx(mutual_info_score(cut, factors[:, k]), abs=1e-9)
    assert entropies(rows)[1] == pytest.approx(mutual_info_score(factors[:, 1], factors[:, 1]))


@pytest.mark.parametrize(("table", "disentangled", "complete"), [
    ([[1, 0], [0, 1]], 1.0, 1.0), ([[1, 1], [1, 1]], 0.0, 0.0), ([[3, 1], [0, 0], [0, 0]], 1 + 0.75 * np.log2(0.75) - 0.5, 1.0),
    ([[1, 0], [1, 0], [0, 2]], 1.0, 1 - 0.5 * np.log(2) / np.log(3)),
])
def test_importances_by_hand(table, disentangled, complete):
    assert importance_scores(np.array(table, dtype=float)) == pytest.approx((disentangled, complete))


def test_a_name_is_predicted_by_thresholds():
    shape, place = np.repeat([0, 1, 2], 200), np.tile(np.arange(4), 150)
    # The middle class lies lowest: no line tells it, two thresholds do.
    codes = np.stack([np.array([1.0, -1.0, 2.0])[shape], place], axis=1)
    factors = np.stack([shape, place], axis=1)
    named = value(separated_attributes(labelled(codes, factors, ("shape", "place"), ["shape"])))
    # Chance is a third where one threshold or none helps; place is told by its own coordinate alone.
    assert named == pytest.approx((1 - 1 / 3 + 1) / 2, abs=0.04)
    assert value(separated_attributes(labelled(codes, factors))) < named - 0.1


def test_a_perfect_code_scores_one_whatever_the_order_sign_and_scale():
    codes = GRID[:, [2, 0, 3, 1]] * [3.0, -1.0, 0.1, 50.0] + [0, 5, 0, 1e3]
    found = by_name(disentanglement(codes, GRID, seed=1, most=600))
    assert set(found) >= SCORES and len(found) == len(SCORES) + 4
    assert all(found[name] == pytest.approx(1, abs=1e-9) for name in SCORES - {"explicitness"})
    # A line through ordered values tells the ends from the rest, and of the middle little.
    assert 0.4 < found["explicitness"] < 0.9


def test_a_code_of_noise_scores_nothing():
    random = np.random.default_rng(0)
    factors = np.stack([random.integers(0, n, 4000) for n in (2, 3, 4)], axis=1)
    found = disentanglement(random.normal(size=(4000, 4)), factors, most=1500)
    scores = by_name(found)
    assert abs(scores["mutual information gap"]) < 0.01 and abs(scores["separated attribute predictability"]) < 0.01
    assert scores["DCI disentanglement"] < 0.1 and scores["DCI completeness"] < 0.1 and abs(scores["explicitness"]) < 0.1
    floors = {f["name"]: f["floor"] for f in found if "floor" in f}
    assert set(floors) == {"DCI informativeness", "FactorVAE score", "beta-VAE score"}
    assert all(abs(scores[name] - floor) < 0.1 for name, floor in floors.items())


def test_values_that_lie_apart_in_the_code_are_explicit():
    shape = np.repeat([0, 1, 2], 100)
    codes = np.eye(3)[shape] + 0.01 * np.random.default_rng(0).normal(size=(300, 3))
    rows = labelled(codes, np.stack([shape, shape], axis=1))
    assert value(explicitness(rows)) == pytest.approx(1)


def test_a_rotated_code_is_informative_and_not_disentangled():
    plane = np.array(list(product(range(12), range(12)))).repeat(5, axis=0)
    turned = (plane - 5.5) @ np.array([[1.0, 1.0], [-1.0, 1.0]])
    straight, mixed = (by_name(disentanglement(z, plane, most=700)) for z in (plane, turned))
    assert straight["DCI disentanglement"] > 0.99 and mixed["DCI disentanglement"] < 0.3
    assert mixed["mutual information gap"] < 0.05 and mixed["DCI informativeness"] > 4 / 12
    assert straight["FactorVAE score"] == 1 and mixed["FactorVAE score"] < 0.8


def test_draws_depend_on_the_seed_alone():
    random = np.random.default_rng(0)
    rows = labelled(GRID[:, :3] + random.normal(size=(len(GRID), 3)), GRID)
    for measure in (beta_vae_score, factor_vae_score, dci_scores):
        assert measure(rows, seed=1) == measure(rows, seed=1) != measure(rows, seed=2)


def test_a_coordinate_that_never_moves_tells_nothing():
    codes = np.concatenate([GRID[:, :2], np.full((len(GRID), 1), 0.1)], axis=1)
    found = by_name(disentanglement(codes, GRID[:, :2], most=600))
    assert all(found[name] == pytest.approx(1) for name in SCORES - {"explicitness"})
    nothing = by_name(disentanglement(np.full((len(GRID), 2), 0.1), GRID[:, :2], most=600))
    assert nothing["mutual information gap"] == 0 and nothing["modularity"] is None and nothing["DCI disentanglement"] is None


def test_words_and_quantities_are_numbered():
    random = np.random.default_rng(0)
    kind, size = random.choice(["oval", "square"], 500), random.normal(size=500)
    rows = labelled(np.stack([kind == "oval", size], axis=1), np.array([kind, size], dtype=object).T)
    assert rows.values.tolist() == [2, len(np.unique(np.floor((size - size.min()) / np.ptp(size) * 20).clip(max=19)))]
    assert rows.named.tolist() == [True, False] and np.array_equal(rows.amounts[:, 1], size)
    assert value(mutual_information_gap(rows)) > 0.9 and value(separated_attributes(rows)) > 0.7


def test_few_rows_of_quantities_are_cut_as_many_are():
    factors = np.random.default_rng(0).normal(size=(60, 2))
    rows = labelled(factors, factors)
    assert max(rows.values) <= 20 and value(mutual_information_gap(rows)) > 0.3
    few = np.array(list(product(range(3), range(2))))
    assert labelled(few, few).values.tolist() == [3, 2]


def test_ranks_correlate_as_spearman_would():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (60, 2)), random.normal(size=(60, 2))
    whole = spearmanr(np.concatenate([first, second], axis=1)).statistic
    assert np.allclose(rank_correlations(first, second), whole[:2, 2:])


def test_agreement_by_hand():
    a, b = (two_bits(5) * 1.0).T
    same = rank_agreement([np.stack([a, b], 1), np.stack([-b, 5 * a], 1)])
    assert value(same) == pytest.approx(1)
    # One model has both bits, the other one of them: of three coordinates two are matched.
    assert value(rank_agreement([np.stack([a, b], 1), np.stack([a, 0 * a], 1)])) == pytest.approx(2 / 3)
    # Halfway turned, each coordinate is correlated 1 / sqrt 2 with both: r^2 / sum = (1 / 2) / sqrt 2.
    plane = np.random.default_rng(0).normal(size=(20_000, 2))
    turned = plane @ np.array([[1.0, 1.0], [-1.0, 1.0]])
    assert value(rank_agreement([plane, turned])) == pytest.approx(0.5**1.5, abs=0.02)
    three = by_name(rank_agreement([plane, plane[:, ::-1], turned]))
    assert three["unsupervised disentanglement ranking, model 0"] > three["unsupervised disentanglement ranking, model 2"] + 0.2


def system_with_a_dead_coordinate():
    random = np.random.default_rng(0)
    factors = np.stack([random.integers(0, 4, 300), random.integers(0, 5, 300)], axis=1)
    x = (factors - [1.5, 2.0]) / [1.0, 1.3]
    # The third coordinate is the prior, but for a mean that follows the first factor by thousandths.
    read = np.array([[1.0, 0.0], [0.0, 1.0], [0.001, 0.0]])
    spread = np.array([0.05, 0.05, 1.0])
    return *system_of(Map(read, np.zeros(3), latent(spread)), Map(read.T, np.zeros(2), normal(0.1)), x), factors


def test_a_system_is_measured_and_its_dead_coordinates_are_left_out():
    system, rows, factors = system_with_a_dead_coordinate()
    found = measure_disentanglement(system, rows, factors, ("width", "height"))
    assert by_name(found)["mutual information gap, width"] > 0.95 and "2 of 3 coordinates" in found[0]["protocol"]
    leaking = rows["x"].numpy() @ np.array([[1.0, 0.0, 0.001], [0.0, 1.0, 0.0]])
    assert by_name(disentanglement(leaking, factors, ("width", "height")))["mutual information gap, width"] < 0.05
    assert value(measure_agreement([system, system], rows)) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("codes", "factors", "told", "words"), [
    (np.zeros((9, 2)), np.zeros((8, 2)), {}, "8 rows, but the codes have 9"),
    (np.zeros((9, 1)), np.zeros((9, 2)), {}, "latent=2 or more"),
    (np.zeros((9, 2)), np.zeros((9, 1)), {}, "give 2 or more"),
    (np.zeros(9), np.zeros((9, 2)), {}, "shapes"),
    (np.full((4, 2), np.nan), two_bits(), {}, "row 1"),
    (np.zeros((4, 2)), np.array([[0, 1], [0, 2], [0, 3], [0, 4]]), {}, "'factor 0' has one value"),
    (np.zeros((4, 2)), np.array([[0, 1], [1, np.nan], [0, 3], [0, 4]]), {}, "'factor 1' is not finite in row 2"),
    (np.zeros((4, 2)), two_bits(), {"names": ["a"]}, "1 names do not name 2"),
    (np.zeros((4, 2)), two_bits(), {"categorical": ["shape"]}, "is no factor"),
    (np.zeros((4, 2)), two_bits(), {}, "4 rows are too few"),
    (np.zeros((70, 2)), np.array([[f"n{i}", i] for i in range(70)], dtype=object), {}, "70 names"),
    (np.zeros((70, 2)), np.arange(70)[:, None].repeat(2, 1), {"categorical": [0]}, "70 names"),
])
def test_bad_input_is_said_in_one_line(codes, factors, told, words):
    with pytest.raises(InputError, match=words) as caught:
        disentanglement(codes, factors, **told)
    assert "\n" not in str(caught.value)


def test_bad_models_to_compare_are_said():
    z = np.zeros((5, 2))
    for given in ([z], [z, z[:4]], [z, z * np.nan]):
        with pytest.raises(InputError):
            rank_agreement(given)
    with pytest.raises(InputError, match="for each model"):
        rank_agreement([z, z], [[True, True]])
    with pytest.raises(InputError, match="bins"):
        mutual_information(labelled(np.zeros((4, 2)), two_bits()), bins=1)
