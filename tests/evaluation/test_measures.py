"""Reconstruction, representation and samples: against hand-worked values, plain loops, and data made perfect or broken."""

import numpy as np
import pytest
import torch
from known import Map, latent, normal, system_of
from sklearn.metrics import mean_poisson_deviance, r2_score

from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.evaluation import measure_reconstruction, measure_representation, measure_samples
from vaekit.evaluation.classical import told_apart
from vaekit.evaluation.figure import figure
from vaekit.evaluation.neighbourhoods import neighbourhoods
from vaekit.evaluation.reconstruction import ssim
from vaekit.evaluation.samples import compare
from vaekit.evaluation.values import kind_of, rebuilt
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks import reconstruct

rng = np.random.default_rng(0)


def untrained(modality: str, x: np.ndarray, label: np.ndarray | None = None, **options) -> tuple[System, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    records = Records(x, label=label)
    fitted = MODALITIES[modality](**options).fit(records)
    return build(Book(RECIPES, MODALITIES), "vae", fitted, latent=3, hidden=[16]), fitted.store(records)


def by_name(section: dict) -> dict[str, dict]:
    return {f["name"]: f for f in section["figures"]}


def test_ssim_of_flat_images_is_its_luminance_term():
    a, b = torch.full((1, 16, 16, 1), 0.2), torch.full((1, 16, 16, 1), 0.6)
    assert float(ssim(a, b)) == pytest.approx((2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4), abs=1e-4)
    assert float(ssim(a, a)) == pytest.approx(1)


def test_ssim_is_the_mean_over_windows_by_hand():
    side, sigma = 7, 1.5
    a, b = rng.random((8, 9, 2)), rng.random((8, 9, 2))
    line = np.exp(-((np.arange(side) - 3) ** 2) / (2 * sigma**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    found = []
    for c in range(2):
        for i in range(8 - side + 1):
            for j in range(9 - side + 1):
                p, q = a[i : i + side, j : j + side, c], b[i : i + side, j : j + side, c]
                m, n = (window * p).sum(), (window * q).sum()
                u, v, w = (window * (p - m) ** 2).sum(), (window * (q - n) ** 2).sum(), (window * (p - m) * (q - n)).sum()
                found.append((2 * m * n + 4e-4) * (2 * w + 3.6e-3) / ((m * m + n * n + 4e-4) * (u + v + 3.6e-3)))
    pair = (torch.as_tensor(v[None]) for v in (a, b))
    assert float(ssim(*pair, span=2.0)) == pytest.approx(np.mean(found), abs=1e-9)


def test_numbers_are_measured_as_scikit_learn_would():
    x = rng.normal(3, [1, 10, 100], (80, 3))
    system, rows = untrained("vector", x)
    section, made = measure_reconstruction(system, rows), reconstruct(system, rows)
    assert section["kind"] == "numbers"
    assert np.allclose(section["columns"]["r2"], r2_score(x, made, multioutput="raw_values"), atol=1e-4)
    assert np.allclose(section["columns"]["mean_absolute_error"], np.abs(x - made).mean(0), rtol=1e-4)
    found, scaled = by_name(section), (x - made) / x.std(0)
    assert found["variance explained"]["value"] == pytest.approx(r2_score(x, made), abs=1e-4)
    assert found["root mean squared error"]["value"] == pytest.approx(np.sqrt((scaled**2).mean()), rel=1e-4)
    assert found["root mean squared error"]["unit"] == "column deviations"


def test_gaps_do_not_count():
    x = rng.normal(size=(60, 3))
    x[:20, 0] = np.nan
    system, rows = untrained("vector", x, gaps=True)
    made = reconstruct(system, rows)
    wanted = r2_score(x[20:, 0], made[20:, 0])
    assert measure_reconstruction(system, rows)["columns"]["r2"][0] == pytest.approx(wanted, abs=1e-4)


def test_counts_are_measured_by_deviance():
    x = rng.poisson(4, (60, 3))
    system, rows = untrained("vector", x, likelihood="poisson")
    found = by_name(measure_reconstruction(system, rows))
    made = rebuilt(system, rows).centre.numpy()
    assert found["Poisson deviance"]["value"] == pytest.approx(mean_poisson_deviance(x.ravel(), made.ravel()), rel=1e-4)


@pytest.mark.parametrize(("modality", "x", "options", "kind", "names"), [
    ("image", rng.integers(0, 17, (30, 8, 8)).astype(np.uint8), {}, "pixels", {"mean squared error", "structural similarity"}),
    ("image", rng.integers(0, 255, (30, 8, 8)).astype(np.uint8), {"binarise": "dynamic"}, "binary", {"accuracy"}),
    ("image", rng.normal(size=(30, 8, 8)), {}, "pixels", {"peak signal-to-noise ratio"}),
    ("vector", rng.integers(0, 2, (30, 4)), {}, "binary", {"accuracy", "Brier score"}),
    ("vector", rng.integers(0, 4, (30, 4)), {"likelihood": {"name": "categorical", "classes": 4}}, "classes", {"accuracy"}),
    ("vector", rng.random((30, 4)), {"likelihood": "continuous_bernoulli"}, "numbers", {"variance explained"}),
])
def test_measures_fit_the_kind_of_value(modality, x, options, kind, names):
    system, rows = untrained(modality, x, **options)
    section = measure_reconstruction(system, rows)
    assert kind_of(system).name == section["kind"] == kind and names <= set(by_name(section))
    assert all(np.isfinite(f["value"]) and f["n"] == 30 for f in section["figures"])


def test_the_floor_of_an_accuracy_is_the_commonest_value():
    x = (rng.random((500, 3)) < 0.2).astype(int)
    system, rows = untrained("vector", x)
    assert by_name(measure_reconstruction(system, rows))["accuracy"]["floor"] == pytest.approx(1 - x.mean(), abs=1e-6)


def test_gaps_do_not_count_for_the_commonest_value():
    x = np.repeat([[1.0], [2.0], [np.nan]], [40, 10, 50], axis=0)
    system, rows = untrained("vector", x, likelihood="categorical", gaps=True)
    assert by_name(measure_reconstruction(system, rows))["accuracy"]["floor"] == pytest.approx(0.8)


def test_separated_classes_are_found_and_shuffled_labels_are_not():
    label = np.repeat([0, 1, 2], 100)
    x = rng.normal(size=(300, 6)) * 0.3 + np.eye(3, 6)[label] * 6
    system, rows = system_of(Map(np.eye(6), np.zeros(6), latent(0.1)), Map(np.eye(6), np.zeros(6), normal(0.1)), x)
    rows["label"] = torch.from_numpy(label)
    order = torch.from_numpy(rng.permutation(300))
    train, test = ({n: v[part] for n, v in rows.items()} for part in (order[:200], order[200:]))
    found = by_name(measure_representation(system, train, test))
    assert all(f["pca"] > 0.95 and f["value"] > 0.95 for f in found.values()) and found["linear probe"]["floor"] < 0.5
    lost = {**train, "label": torch.from_numpy(rng.permutation(train["label"].numpy()))}
    assert by_name(measure_representation(system, lost, test))["linear probe"]["value"] < 0.6


def test_without_labels_there_is_no_representation_to_measure():
    system, rows = untrained("vector", rng.normal(size=(30, 3)))
    assert measure_representation(system, rows, rows) is None
    one = {**rows, "label": torch.zeros(30, dtype=torch.int64)}
    assert measure_representation(system, one, one) is None
    none = {**rows, "label": torch.full((30,), -1)}
    assert measure_representation(system, none, none) is None


def test_neighbourhoods_by_plain_loops():
    real, made, k = rng.normal(size=(25, 2)), rng.normal(0.5, 1, (20, 2)), 3

    def radius(p, points):
        return np.sort(np.linalg.norm(points - p, axis=1))[k]

    inside = [[np.linalg.norm(g - r) <= radius(r, real) for g in made] for r in real]
    around = [[np.linalg.norm(g - r) <= radius(g, made) for g in made] for r in real]
    wanted = {
        "precision": np.any(inside, 0).mean(), "recall": np.any(around, 1).mean(), "density": np.sum(inside, 0).mean() / k,
        "coverage": np.any(inside, 1).mean(),
    }
    assert neighbourhoods(real, made, k, k) == pytest.approx(wanted)


def test_rows_far_from_zero_have_the_neighbours_that_they_have():
    real, made = np.log1p(rng.poisson(1e5, (2, 60, 4))).astype(np.float32)
    moved = real.mean(0, dtype=np.float64)
    assert neighbourhoods(real, made) == neighbourhoods(1e3 * (real - moved), 1e3 * (made - moved))


def test_perfect_samples_score_as_real_rows_do_and_broken_ones_do_not():
    real, perfect = rng.normal(size=(2, 300, 4)).astype(np.float32)
    good = compare(real, perfect)
    assert good["precision"] > 0.8 and good["recall"] > 0.8 and good["coverage"] > 0.9 and abs(good["density"] - 1) < 0.25
    assert all(abs(v - 0.5) < 0.1 for n, v in good.items() if n.startswith("two-sample"))
    shifted = compare(real, perfect + 6)
    assert shifted["precision"] < 0.2 and shifted["coverage"] < 0.2 and shifted["two-sample test, logistic regression"] > 0.95
    fallen = compare(real, perfect * 0.05)
    assert fallen["precision"] > 0.8 and fallen["recall"] < 0.2 and fallen["coverage"] < 0.3
    assert fallen["two-sample test, gradient boosting"] > 0.9


def test_samples_stand_between_floor_and_ceiling():
    z = rng.normal(size=(400, 1))
    x = z * [1, -1, 2] + 0.1 * rng.normal(size=(400, 3))
    system, rows = untrained("vector", x)
    train, test = ({n: v[part] for n, v in rows.items()} for part in (slice(0, 200), slice(200, 400)))
    section = measure_samples(system, train, test)
    found = by_name(section)
    assert section["space"] == "3 values in the model's space" and section["absent"] is None
    trees = found["two-sample test, gradient boosting"]
    assert abs(trees["ceiling"] - 0.5) < 0.1 and trees["floor"] > 0.8 and trees["value"] > 0.6
    assert found["coverage"]["ceiling"] > 0.9 > found["coverage"]["floor"]


def test_gaps_do_not_tell_samples_apart():
    x = rng.normal(size=(600, 2))
    x[:, 0][rng.random(600) < 0.5] = np.nan
    system, rows = untrained("vector", x, gaps=True)
    train, test = ({n: v[part] for n, v in rows.items()} for part in (slice(0, 300), slice(300, 600)))
    found = by_name(measure_samples(system, train, test))
    assert abs(found["two-sample test, gradient boosting"]["ceiling"] - 0.5) < 0.1


def test_too_few_rows_to_compare_are_said():
    system, rows = untrained("vector", rng.normal(size=(8, 3)))
    section = measure_samples(system, rows, rows)
    assert section["figures"] == [] and "there are 8" in section["absent"]


def test_large_images_are_compared_by_their_components():
    system, rows = untrained("image", rng.integers(0, 255, (90, 12, 12)).astype(np.uint8))
    section = measure_samples(system, rows, rows)
    assert section["space"] == "first 64 principal components of the training rows"


def test_components_come_from_other_rows_than_the_ceilings():
    # More pixels than rows: components of the ceiling's own rows would tell them from any others.
    system, rows = untrained("image", np.random.default_rng(3).integers(0, 255, (540, 12, 12)).astype(np.uint8))
    train, test = ({n: v[part] for n, v in rows.items()} for part in (slice(0, 480), slice(480, 540)))
    found = by_name(measure_samples(system, train, test))
    for name in ("two-sample test, gradient boosting", "two-sample test, logistic regression"):
        assert abs(found[name]["ceiling"] - 0.5) < 0.2, name


def test_few_rows_that_differ_are_told_apart():
    random = np.random.default_rng(0)
    told = told_apart(random.normal(size=(30, 2)), random.normal(size=(30, 2)) + 2, 0)
    assert min(told.values()) > 0.85


def test_a_column_of_next_to_nothing_with_one_row_apart_is_no_trouble():
    random = np.random.default_rng(0)
    real, made = random.normal(size=(2, 60, 2)).astype(np.float32)
    real[:, 0], made[:, 0] = 0, 1e-40 * random.random(60)
    made[7, 0] = 1e-1
    assert all(0 <= value <= 1 for value in told_apart(real, made, 0).values())


def test_a_figure_that_is_not_finite_is_null():
    assert figure("a", float("nan"), "1", "none", "p", 1, 0, floor=float("inf")) | {"value": None, "floor": None} == figure(
        "a", float("inf"), "1", "none", "p", 1, 0, floor=float("nan")
    )
    with pytest.raises(ValueError, match="better"):
        figure("a", 1.0, "1", "up", "p", 1, 0)
