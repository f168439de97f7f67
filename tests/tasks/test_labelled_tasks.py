"""Verbs that tell or take a class, on values that a person has."""

import json

import numpy as np
import pytest
import torch

import vaekit as vk
from vaekit.core.choose import from_posterior
from vaekit.data import open_records, split
from vaekit.evaluation import measure_labels
from vaekit.tasks import decode, dimension_rates, encode, ranked_dimensions, traverse

ROWS = 120
RANDOM = np.random.default_rng(0)
CLASS = np.arange(ROWS) % 3
TABLE = 0.5 * RANDOM.normal(size=(ROWS, 4)) + 4 * np.eye(4)[CLASS]
# One row of a class of its own among a third that is labelled.
ONE_BIRCH = np.where(np.arange(ROWS) == 7, 1, np.where(CLASS == 0, 0, -1))
# Two of three rows are not labelled; a name in place of a number, as a person writes it.
NAMES = np.where(np.arange(ROWS) % 3 == RANDOM.integers(0, 3, ROWS), np.array(["ash", "birch", "cedar"])[CLASS], "")
BIRCH_IS_HELD_OUT = next(s for s in range(99) if 7 not in split(ROWS, ONE_BIRCH, 0.1, 0.6, s).train)
FEW = {"latent": 2, "hidden": [16], "progress": False, "validations": 1, "rate": 5e-3, "average": 0.0, "precision": "32", "compile": False}


@pytest.fixture(scope="module")
def m2() -> vk.FittedVAE:
    return vk.fit(TABLE, "m2", labels=NAMES, epochs=60, batch=32, **FEW)


@pytest.fixture(scope="module")
def plain() -> vk.FittedVAE:
    return vk.fit(TABLE, "vae", epochs=1, **FEW)


def test_classes_far_apart_are_told_by_name(m2):
    found = m2.predict(TABLE)
    assert found.classes == ("ash", "birch", "cedar") and found.probability.shape == (ROWS, 3)
    np.testing.assert_allclose(found.probability.sum(1), 1, rtol=1e-5)
    assert (found.label == CLASS).mean() > 0.9 and (found.names == np.array(found.classes)[found.label]).all()
    shuffled = RANDOM.permutation(ROWS)
    np.testing.assert_allclose(m2.predict(TABLE[shuffled]).probability, found.probability[shuffled], atol=1e-5)


def test_new_rows_are_of_the_class_that_was_asked_for(m2):
    """The model itself is asked, and the nearest centre of the true rows."""
    values, names = m2.augment(150, seed=1)
    assert names.tolist() == ["ash", "birch", "cedar"] * 50
    centres = np.stack([TABLE[k == CLASS].mean(0) for k in range(3)])
    nearest = np.square(values[:, None] - centres).sum(-1).argmin(1)
    assert (nearest == np.arange(150) % 3).mean() > 0.8
    one, named = m2.augment(20, "birch")
    assert set(named) == {"birch"} and np.array_equal(one, m2.generate(20, label="birch"))
    assert np.array_equal(m2.augment(150, seed=1)[0], values) and not np.array_equal(m2.augment(150, seed=2)[0], values)


def test_accuracy_is_measured_on_rows_held_out(m2):
    told = measure_labels(m2.system, m2.parts["test"])
    accuracy = {f["name"]: f for f in told["figures"]}["accuracy"]
    confusion = np.array(told["confusion"])
    assert accuracy["n"] == confusion.sum() and accuracy["value"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert told["classes"] == ["ash", "birch", "cedar"] and json.dumps(told)


def test_m1_labels_what_it_drew():
    m1 = vk.fit(TABLE, "m1", labels=NAMES, epochs=200, batch=32, vae_share=0.7, **{**FEW, "rate": 1e-2})
    values, names = m1.augment(150)
    centres = np.stack([TABLE[k == CLASS].mean(0) for k in range(3)])
    nearest = np.array(["ash", "birch", "cedar"])[np.square(values[:, None] - centres).sum(-1).argmin(1)]
    assert set(names) == {"ash", "birch", "cedar"} and (nearest == names).mean() > 0.6
    with pytest.raises(vk.InputError, match="reads the class from a row that is made already"):
        m1.augment(3, "ash")


def test_a_conditional_model_makes_labelled_rows_too():
    made = vk.fit(TABLE, "cvae", labels=CLASS, condition="label", epochs=1, **FEW)
    values, names = made.augment(7)
    assert values.shape == (7, 4) and names.tolist() == ["0", "1", "2", "0", "1", "2", "0"]
    assert np.array_equal(made.augment(3, "2")[0], made.generate(3, condition="2"))
    # A class is told as the data spell it, however it is asked for.
    assert made.augment(2, [1.0, np.int64(2)])[1].tolist() == ["1", "2"] and set(made.augment(3, 2.0)[1]) == {"2"}
    for asked, words in (([], "has 0 rows, but 3"), (["0", "1"], "has 2 rows, but 3"), ("3", "'3' was not in the training rows")):
        with pytest.raises(vk.InputError, match=words):
            made.augment(3, asked)


@pytest.mark.parametrize(("ask", "words"), [
    (lambda model: model.predict(TABLE), "vae knows no classes: fit m1, m2 or m1_m2 with labels"),
    (lambda model: model.generate(3, label="ash"), "vae knows no classes"),
    (lambda model: model.augment(3), "knows no classes, so that new rows would have none"),
])
def test_a_model_without_classes_says_so(plain, ask, words):
    with pytest.raises(vk.InputError, match=words) as caught:
        ask(plain)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("ask", "words"), [
    (lambda model: model.generate(3, label="brich"), "'brich' is not one that the model was trained with: did you mean 'birch'"),
    (lambda model: model.generate(3, label=["ash", "birch"]), "2 classes do not fit 3 rows"),
    (lambda model: model.augment(0), "count must be 1 or more"),
    (lambda model: model.augment(3, []), "0 classes do not fit 3 rows"),
    (lambda model: model.augment(3, temperature=np.inf), "temperature must be 0 or more and finite, not inf"),
])
def test_a_class_that_is_none_is_named(m2, ask, words):
    with pytest.raises(vk.InputError, match=words) as caught:
        ask(m2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("labels", "words"), [
    (None, "learns from labels, but no row has one: give labels=, not all blank"),
    (np.where(CLASS == 0, "ash", ""), "all labels are 'ash'"),
    (np.array(["ash", "birch", ""])[ONE_BIRCH], "class 'birch' has no label among"),
    (NAMES[:-1], "119 values, but data has 120 rows"),
    (np.full(ROWS, ""), "but no row has one"),
])
@pytest.mark.parametrize("recipe", ["m2", "m1_m2"])
def test_labels_that_cannot_be_learnt_from_are_refused(recipe, labels, words):
    with pytest.raises(vk.InputError, match=words) as caught:
        vk.fit(TABLE, recipe, labels=labels, epochs=1, seed=BIRCH_IS_HELD_OUT, test=0.6, **FEW)
    assert "\n" not in str(caught.value)


def test_rows_of_other_classes_are_refused_where_classes_are_told_and_numbered_after_them_elsewhere(m2):
    rows = m2.system.modality.store(open_records(TABLE, np.where(CLASS == 1, "willow", "cedar")))
    assert set(rows["label"].tolist()) == {2, 3}
    with pytest.raises(vk.InputError, match=r"40 of 120 rows have a label that is none of the model's 3 classes \(ash, birch, cedar\)"):
        measure_labels(m2.system, rows)


def test_a_class_is_traversed_from_the_rows_own_to_each_and_ranks_by_what_it_carries(m2):
    rows = m2.system.modality.store(open_records(TABLE[:6]))
    walked = traverse(m2.system, rows, dimensions=[0, 1, 2], span=(-9.0, 9.0), steps=3)
    codes = encode(m2.system, rows).mean
    for k in range(3):
        own, other = codes.copy(), codes.copy()
        other[:, :3] = np.eye(3)[k]
        for step, z in ((0, own), (1, 0.5 * (own + other)), (2, other)):
            np.testing.assert_allclose(walked[:, k, step], decode(m2.system, z), rtol=1e-5, atol=1e-5)
    rates = dimension_rates(m2.system, rows)
    assert np.isnan(rates[:3]).all() and np.isfinite(rates[3:]).all(), "the KL of a class has no coordinates"
    with torch.no_grad():
        sites = m2.system.model(m2.system.modality.batch(rows), from_posterior(1)).sites
    whole = float(sites["y"].kl().mean())
    before = [d for d in range(3, 5) if rates[d] > whole]
    assert ranked_dimensions(m2.system, rows)[len(before) : len(before) + 3] == [0, 1, 2]
