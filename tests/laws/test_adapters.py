"""Laws of adapters and modalities: what goes in comes out, densities carry their Jacobian, and what cannot be used is named."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from systems import DATA, held_out, made, modality_of, records

from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.records import Records
from vaekit.modalities import MODALITIES
from vaekit.modalities.affine import Affine
from vaekit.modalities.conditions import Conditions
from vaekit.parts.networks import MLP, ConvolutionReader, ConvolutionWriter, Residual

RNG = np.random.default_rng(0)
IMAGES = records("grey", False).x
RAW = {
    "float32": RNG.normal(5, 3, (40, 4)).astype(np.float32),
    "float64": RNG.normal(-2, 0.1, (40, 4)),
    "int64": RNG.integers(-5, 90, (40, 4)),
    "uint8": RNG.integers(0, 256, (40, 4)).astype(np.uint8),
    "bool": RNG.random((40, 4)) < 0.5,
    "a large offset": 1.7e9 + RNG.normal(0, 60, (40, 4)),
}
ADAPTERS = {
    "standardised": lambda: Affine(standardise=True),
    "pooled": lambda: Affine(standardise=True, pooled=True),
    "divided": lambda: Affine(worth=255.0),
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
@pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)
def test_what_goes_in_comes_out(make, raw):
    adapter = make().fit(raw)
    stored = adapter.store(raw)
    x = adapter.batch(stored)["x"]
    assert x.dtype == torch.float32 and (stored["x"].dtype == torch.uint8) == (raw.dtype in (np.uint8, np.bool_))
    back = adapter.to_raw(x)
    assert back.dtype == raw.dtype and back.shape == raw.shape
    if raw.dtype.kind == "f":
        # Half a step of float32 in the model's space.
        np.testing.assert_allclose(back, raw, rtol=1e-6 if raw.dtype == np.float32 else 1e-7, atol=1e-5 * raw.std())
    else:
        assert np.array_equal(back, raw)
    again = make()
    again.state = json.loads(json.dumps(adapter.state))
    assert torch.equal(again.batch(again.store(raw))["x"], x) and np.array_equal(again.to_raw(x), back)


def test_columns_are_standardised():
    raw = RAW["float64"] * [1, 10, 100, 0] + [0, 5, -3, 7]
    x = Affine(standardise=True).fit(raw).store(raw)["x"].double().numpy()
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0), [1, 1, 1, 0], atol=1e-6)
    pooled = Affine(standardise=True, pooled=True).fit(raw)
    assert pooled.location.item() == pytest.approx(raw.mean()) and pooled.scale.item() == pytest.approx(raw.std())


def test_gaps_are_left_out_and_come_back_as_cells_not_observed():
    raw = RAW["float32"].copy()
    raw[::3, 1] = np.nan
    adapter = Affine(standardise=True).fit(raw)
    np.testing.assert_allclose(adapter.location, np.nanmean(raw, 0), rtol=1e-6)
    np.testing.assert_allclose(adapter.scale, np.nanstd(raw, 0), rtol=1e-6)
    stored = adapter.store(raw)
    assert np.array_equal(stored["observed"].numpy(), ~np.isnan(raw)) and bool(torch.isfinite(stored["x"]).all())


@pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)
def test_log_det_is_the_slope_of_the_map(make):
    raw = RAW["float64"]
    adapter, step = make().fit(raw), 1e-3
    slope = (adapter.store(raw + step)["x"] - adapter.store(raw - step)["x"]).double() / (2 * step)
    torch.testing.assert_close(adapter.log_det(adapter.store(raw)["x"]).double(), slope.log(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", DATA)
def test_a_modality_gives_back_what_it_was_given(name):
    modality, given = modality_of(name, True), records(name, True)
    back = modality.to_raw(modality.batch(modality.store(given)).x)
    assert back.shape == given.x.shape and back.dtype == given.x.dtype
    seen = ~np.isnan(given.x) if given.x.dtype.kind == "f" else np.full(given.x.shape, True)
    np.testing.assert_allclose(back[seen], given.x[seen], rtol=1e-5, atol=1e-3 if given.x.dtype.kind == "f" else 0)


@pytest.mark.parametrize("name", DATA)
def test_a_modality_comes_back_from_its_state(name):
    modality, given = modality_of(name, True), records(name, True)
    again = MODALITIES[modality.name](**json.loads(json.dumps(modality.arguments)))
    again.state = json.loads(json.dumps(modality.state))
    for stored, kept in ((again.store(given), modality.store(given)),):
        assert stored.keys() == kept.keys() and all(torch.equal(stored[n], kept[n]) for n in kept)
    assert (again.event, again.condition_width, again.likelihood, again.because) == (
        modality.event, modality.condition_width, modality.likelihood, modality.because
    )
    torch.manual_seed(0)
    one = modality.reader(**DATA[name].network).state_dict()
    torch.manual_seed(0)
    two = again.reader(**DATA[name].network).state_dict()
    assert all(torch.equal(one[n], two[n]) for n in one)


def test_a_density_is_quoted_in_the_datas_own_units():
    """Rows in other units have a density that differs by the units alone, and a probability that does not."""
    x = records("real", False).x
    scores = []
    for factor in (1.0, 1000.0):
        modality = MODALITIES["vector"]().fit(Records(x * factor))
        batch = modality.batch(modality.store(Records(x * factor)))
        scores.append(modality.log_det(batch))
    np.testing.assert_allclose((scores[0] - scores[1]).numpy(), 5 * np.log(1000), rtol=1e-4)
    system, feed = made("grey")
    assert not system.modality.log_det(held_out(feed)).any()
    gaps, feed = made("gaps")
    batch = held_out(feed)
    per_cell = -np.log(gaps.modality.adapter.scale)
    np.testing.assert_allclose(gaps.modality.log_det(batch).numpy(), batch.observed.double().numpy() @ per_cell, rtol=1e-5)


def test_dynamic_binarisation_is_drawn_anew_and_by_brightness():
    system, feed = made("dynamic")
    modality = system.modality
    batch = modality.batch(feed.train.rows)
    first, again, other = (modality.redraw(batch, RowNoise(batch.x, seed)).x for seed in (0, 0, 1))
    assert set(first.unique().tolist()) == {0.0, 1.0} and torch.equal(first, again) and not torch.equal(first, other)
    mean = torch.stack([modality.redraw(batch, RowNoise(batch.x, seed)).x for seed in range(200)]).mean(0)
    assert float((mean - batch.x).abs().mean()) < 0.05
    epochs = [torch.cat([b.x for b in feed.train.epoch(e)]).sum(0) for e in (0, 0, 1)]
    assert torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[0], epochs[2])


@pytest.mark.parametrize("likelihood", ["auto", "normal", "poisson", "categorical"])
@pytest.mark.parametrize("network", ["mlp", "convolution"])
def test_pixels_reach_the_first_layer_centred_and_at_about_one(likelihood, network):
    for images in (IMAGES, IMAGES * np.float32(0.37) - 9) if likelihood in ("auto", "normal") else (IMAGES,):
        modality = MODALITIES["image"](likelihood=likelihood).fit(Records(images))
        batch = modality.batch(modality.store(Records(images)))
        seen = modality.reader(network=network).embed(batch.x.unsqueeze(0), None)
        # A dense layer sees each pixel about its own mean, a convolution each channel about its own.
        offset = seen.mean(dim=(0, 1)) if network == "mlp" else seen.mean()
        assert torch.allclose(offset, torch.zeros(()), atol=1e-4) and 0.9 < float(seen.std()) < 1.5


@pytest.mark.parametrize(
    ("shape", "named", "built"),
    [
        ((8, 8), {}, MLP), ((15, 28), {}, MLP), ((16, 16), {}, ConvolutionReader), ((28, 28), {}, ConvolutionReader),
        ((28, 28, 3), {}, ConvolutionReader), ((64, 64), {}, ConvolutionReader), ((28, 28), {"gated": True}, MLP),
        ((28, 28), {"network": "residual"}, Residual), ((8, 8), {"network": "residual"}, Residual), ((64, 64), {"network": "mlp"}, MLP),
        ((28, 28), {"hidden": (9,)}, ConvolutionReader), ((8, 8), {"channels": (4, 8)}, ConvolutionReader),
        ((8, 8), {"blocks": 2}, ConvolutionReader), ((8, 8), {"norm": "none"}, ConvolutionReader),
        ((8, 8), {"bottleneck": 0.25}, ConvolutionReader),
    ],
)
def test_the_network_is_that_of_the_sizes_a_person_named_else_by_the_size_of_the_image(shape, named, built):
    modality = MODALITIES["image"]().fit(Records(np.random.default_rng(0).integers(0, 256, (6, *shape)).astype(np.uint8)))
    kinds = (MLP, Residual, ConvolutionReader, ConvolutionWriter)
    wanted = {built} if built is not ConvolutionReader else {ConvolutionReader, ConvolutionWriter}
    ends = modality.reader(**named), modality.writer(2, **named)
    assert {type(m) for end in ends for m in end.modules() if isinstance(m, kinds)} == wanted


@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_a_size_that_would_have_no_effect_is_refused(network):
    with pytest.raises(InputError, match=rf"channels=\(4, 8\) is of a convolution, but network='{network}': drop one of the two"):
        modality_of("grey").reader(network=network, channels=(4, 8))
    with pytest.raises(InputError, match="needs images; use 'mlp' or 'residual' for a table"):
        modality_of("real").reader(channels=(4, 8))


def test_a_bottleneck_without_blocks_is_refused():
    with pytest.raises(InputError, match=r"bottleneck=0.5 is of residual blocks, but blocks=0 leaves them out: drop one of the two"):
        modality_of("grey").reader(blocks=0, bottleneck=0.5)


def test_whole_numbers_of_few_kinds_are_classes_as_a_condition():
    kinds = np.arange(40) % 3
    for values in (kinds, kinds.astype(float), kinds.astype(object)):
        conditions = Conditions().fit(values.reshape(-1, 1), ("kind",))
        assert conditions.state[0]["names"] == ["0", "1", "2"]
    for values in (kinds + 0.5, np.arange(40)):
        assert Conditions().fit(values.reshape(-1, 1), ("kind",)).state[0]["names"] == []


@pytest.mark.parametrize("gone", [None, float("nan")])
def test_a_condition_that_is_missing_is_refused(gone):
    told = np.array(["a", "b", gone, "a"] * 10, dtype=object).reshape(-1, 1)
    with pytest.raises(InputError, match=r"condition 'kind', row .*is empty; fill or drop that row"):
        MODALITIES["vector"]().fit(Records(RAW["float64"], condition=told, condition_columns=("kind",)))


@pytest.mark.parametrize("pooled", [False, True])
def test_a_column_too_small_to_be_squared_is_scaled_all_the_same(pooled):
    raw = np.random.default_rng(0).normal(size=(50, 3)) * 1e-200
    adapter = Affine(standardise=True, pooled=pooled).fit(raw)
    stored = adapter.store(raw)["x"]
    assert 0.1 < float(stored.abs().max()) <= 1 and np.allclose(adapter.to_raw(stored), raw, rtol=1e-5, atol=1e-206)


def test_columns_are_matched_by_name():
    x = records("real", False).x
    modality = MODALITIES["vector"]().fit(Records(x, columns=tuple("abcde")))
    turned = modality.store(Records(x[:, ::-1].copy(), columns=tuple("edcba")))
    assert torch.equal(turned["x"], modality.store(Records(x))["x"])
    for wrong, words in (
        (Records(x, columns=tuple("abcdz")), "lacks 'e' and has in excess 'z'"),
        (Records(x[:, :3]), "has 3 columns, but the model was trained on 5"),
    ):
        with pytest.raises(InputError, match=words):
            modality.store(wrong)


def test_conditions_are_classes_and_numbers():
    values = np.array([["red", 1.0], ["blue", 3.0], ["red", 5.0]], dtype=object)
    conditions = Conditions().fit(values, ("colour", "age"))
    coded = conditions.encode(values, 3)
    assert conditions.width == 3 and coded[:, :2].sum(1).tolist() == [1, 1, 1] and torch.equal(coded[0, :2], coded[2, :2])
    torch.testing.assert_close(coded[:, 2], torch.tensor([-1.5**0.5, 0.0, 1.5**0.5]))
    torch.testing.assert_close(conditions.encode({"age": [1, 3], "colour": "red"}, 2)[:, 2], coded[:2, 2])
    again = Conditions()
    again.state = json.loads(json.dumps(conditions.state))
    assert torch.equal(again.encode(values, 3), coded)


@pytest.mark.parametrize(
    ("given", "rows", "words"),
    [
        (None, 2, "needs a condition: give condition colour .one of .*age"),
        ({"colour": "red"}, 2, "'age' is missing"),
        ({"colour": "red", "age": 1, "size": 2}, 2, "'size' is unknown"),
        ({"colour": "rad", "age": 1}, 2, "did you mean 'red'"),
        ({"colour": "red", "age": "old"}, 2, "'age' is a number"),
        ({"colour": ["red", "blue"], "age": 1}, 3, "has 2 rows, but 3 are wanted"),
    ],
)
def test_a_wrong_condition_is_named(given, rows, words):
    values = np.array([["red", 1.0], ["blue", 3.0], ["red", 5.0]], dtype=object)
    with pytest.raises(InputError, match=words) as caught:
        Conditions().fit(values, ("colour", "age")).encode(given, rows)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_condition_that_is_not_finite_is_named_by_its_row_in_the_source(wrong):
    rows = Records(RNG.normal(size=(6, 2)), condition=np.arange(6.0)[:, None], condition_columns=("age",), source="people.csv")
    modality = MODALITIES["vector"]().fit(rows)
    spoilt = replace(rows, condition=np.where(rows.condition == 4, wrong, rows.condition)).take(np.array([0, 4]))
    for refuse in (modality.check, modality.store, MODALITIES["vector"]().fit):
        with pytest.raises(InputError, match=r"people\.csv: condition 'age', row 5: not a finite number"):
            refuse(spoilt)
    with pytest.raises(InputError, match=r"condition 'age': value 2 is (nan|inf)"):
        modality.condition([1.0, wrong], 2)


@pytest.mark.parametrize(
    ("binarise", "fitted", "given", "words"),
    [
        ("", IMAGES, IMAGES / 255, "trained on 0..255: multiply"),
        ("dynamic", IMAGES, IMAGES / 255, "trained on 0..255: multiply"),
        ("threshold", IMAGES / 255, IMAGES, r"trained on \[0, 1\]: divide"),
    ],
)
def test_pixels_on_another_scale_are_refused(binarise, fitted, given, words):
    modality = MODALITIES["image"](binarise=binarise, likelihood="auto" if binarise else "continuous_bernoulli").fit(Records(fitted))
    modality.store(Records(fitted))
    with pytest.raises(InputError, match=words):
        modality.store(Records(given))


def _spoilt(value: float) -> Records:
    x = records("real", False).x.copy()
    x[6, 2] = value
    return Records(x, columns=tuple("abcde"))



@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MODALITIES["vector"]().fit(_spoilt(np.nan)), r"1 values are not finite.*row 7, column 'c'.*gaps=true"),
        (lambda: MODALITIES["vector"](gaps=True).fit(_spoilt(np.inf)), r"\(inf\) in row 7, column 'c'"),
        (lambda: MODALITIES["vector"]().fit(Records(np.full((9, 2), 2.5))), r"column 1 has one value only \(2.5\)"),
        (lambda: MODALITIES["vector"]().fit(Records(IMAGES)), "a table has rows and columns"),
        (lambda: MODALITIES["vector"](likelihood="bernoulli").fit(records("real", False)), "'bernoulli' needs 0/1 values"),
        (lambda: MODALITIES["vector"](likelihood="poison"), "did you mean 'poisson'"),
        (lambda: MODALITIES["image"](likelihood="bernoulli").fit(Records(IMAGES)), "binarise"),
        (lambda: MODALITIES["image"](binarise="dynamics"), "must be 'dynamic' or 'threshold'"),
        (lambda: MODALITIES["image"](binarise="dynamic", likelihood="normal"), "drop one of the two"),
        (lambda: modality_of("grey").store(Records(IMAGES[:, :5])), "5 x 8 in 1 channel, but the model was trained on 8 x 8"),
        (lambda: modality_of("grey").reader(network="convolution", channels=(4,) * 5), "halves the image 5 times.*give fewer channels="),
        (lambda: modality_of("real").reader(grid=True), "a vector has no positions"),
        (lambda: modality_of("real").condition("red", 1), "the model has no condition"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_new_rows_are_read_with_the_scale_that_was_fitted():
    modality = MODALITIES["image"]().fit(Records(IMAGES))
    dark = modality.store(Records((IMAGES // 8).astype(np.uint8)))
    x = modality.batch(dark).x
    assert float(x.max()) < 0.2 and bool(torch.equal(dark["x"], torch.from_numpy(IMAGES // 8).unsqueeze(-1)))


def test_conditions_go_by_name_where_both_sides_have_names():
    draw = np.random.default_rng(0)
    values = np.stack([draw.normal(50, 10, 40), draw.normal(1, 0.1, 40)], 1)
    conditions = Conditions().fit(values, ("age", "dose"))
    wanted = conditions.encode(values, 40)
    x = np.zeros((40, 1))
    swapped = Records(x, condition=values[:, ::-1], condition_columns=("dose", "age"))
    torch.testing.assert_close(conditions.of_records(swapped), wanted)
    torch.testing.assert_close(conditions.encode(pd.DataFrame({"dose": values[:, 1], "age": values[:, 0]}), 40), wanted)
    # Without names of its own, a condition goes by place.
    unnamed = Records(x, condition=values, condition_columns=("condition_0", "condition_1"))
    torch.testing.assert_close(conditions.of_records(unnamed), wanted)
    with pytest.raises(InputError, match=r"new.csv: condition has the columns height, dose; the model was trained with age, dose"):
        conditions.of_records(Records(x, condition=values, condition_columns=("height", "dose"), source="new.csv"))


def test_a_class_is_known_in_the_spelling_of_a_file_without_types():
    smoker = Conditions().fit(np.array([[0.0], [1.0]] * 10), ("smoker",))
    assert smoker.encode(np.array([["true"], ["0"], ["1.0"]], object), 3).argmax(1).tolist() == [1, 0, 1]
    department = Conditions().fit(np.array([["01"], ["2A"]] * 10, object), ("department",))
    assert department.encode("01", 1).argmax().item() == 0
    with pytest.raises(InputError, match="'1' was not in the training rows"):
        department.encode("1", 1)


def test_a_column_is_scaled_alike_whether_or_not_it_begins_with_a_gap():
    dates = 2459000.5 + np.random.default_rng(0).normal(0, 0.01, (500, 1))
    gaps = np.concatenate([[[np.nan]], dates])
    whole, gapped = Affine(standardise=True).fit(dates), Affine(standardise=True).fit(gaps)
    np.testing.assert_allclose(gapped.scale, whole.scale, rtol=1e-6)
    np.testing.assert_allclose(gapped.scale, dates.std(), rtol=1e-3)
