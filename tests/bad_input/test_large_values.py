"""Values that no arithmetic here can square are refused by file, column and row; just below the limit, everything is finite."""

import warnings

import numpy as np
import pandas as pd
import pytest

import vaekit as vk
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.modalities import MODALITIES

RNG = np.random.default_rng(0)
GOOD = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["height", "width", "depth"])
FIT = ("--run", "r", "--epochs", 2, "--set", "latent=2", "--set", "hidden=8")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def spoilt(value: float) -> pd.DataFrame:
    frame = GOOD.copy()
    frame.loc[40, "width"] = value
    return frame


@pytest.mark.parametrize("value", [1e300, -1e300, 1.01e150])
def test_values_that_cannot_be_squared_are_refused(vae, value):
    for column, number in ((spoilt(value), "1 values"), (GOOD.assign(width=GOOD.depth * 1e300), "60 values")):
        column.to_csv("data.csv", index=False)
        row = "row 41" if number == "1 values" else "row 1,"
        vae.refused("fit", "data.csv", *FIT, names=("data.csv", number, "too large", "column 'width'", row, "rescale"))


def test_values_just_below_are_learnt_from_and_given_back(vae):
    GOOD.assign(width=GOOD.width * (0.99e150 / GOOD.width.abs().max())).to_csv("data.csv", index=False)
    vae.done("fit", "data.csv", *FIT)
    vae.done("generate", "r", "-n", 20, "--out", "new.csv")
    vae.done("score", "r", "data.csv", "--out", "scores.csv")
    for name in ("new.csv", "scores.csv"):
        assert np.isfinite(pd.read_csv(name).to_numpy()).all()
    assert pd.read_csv("new.csv")["width"].abs().max() > 1e148


LIKELIHOODS = [*("normal", "laplace", "student_t"), *({"name": "normal", "scale": scale} for scale in ("shared", "dimension"))]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_new_rows_are_refused_from_the_first_deviation_that_float32_cannot_sum(likelihood):
    fitted = vk.fit(GOOD, likelihood=likelihood, epochs=30, latent=2, hidden=[8], validations=1, progress=False)
    adapter = fitted.system.modality.adapter
    away = {share: spoilt(adapter.location[1] - share * 1e15 * adapter.scale[1]) for share in (0.99, 1.01)}
    scores = fitted.score(away[0.99])
    assert np.isfinite(scores.nats).all() and scores.nats[40] < -1e12 and np.isfinite(fitted.reconstruct(away[0.99])).all(axis=None)
    for use in (fitted.score, fitted.reconstruct, fitted.encode):
        with pytest.raises(InputError, match=r"row 41, column 'width' is more than 1e\+15 deviations .*: rescale") as caught:
            use(away[1.01])
        assert "\n" not in str(caught.value)


def test_a_held_out_row_that_is_too_far_is_refused_before_any_training(vae):
    # Nobody knows beforehand which rows are held out: one that is learnt from widens the scale, one that is not lies too far.
    outcomes = set()
    for row in range(12):
        GOOD.assign(width=np.where(np.arange(60) == row, 1e40, GOOD.width)).to_csv("data.csv", index=False)
        # The first that is learnt from is measured too.
        unmeasured = ["--no-report"] if 0 in outcomes else []
        outcome = vae("fit", "data.csv", "--run", f"r{row}", *unmeasured, *FIT[2:])
        outcomes.add(outcome.code)
        assert outcome.code == 0 or (outcome.code, f"row {row + 1}, column 'width'" in outcome.error) == (2, True), outcome.error
    assert outcomes == {0, 2}


def test_counts_end_where_float32_has_no_log_gamma_for_them():
    counts = RNG.poisson(30, (60, 3)).astype(float)
    counts[7, 1] = 1e6
    fitted = vk.fit(counts, likelihood="negative_binomial", epochs=2, latent=2, hidden=[8], validations=1, progress=False)
    assert np.isfinite(fitted.score(counts).nats).all()
    counts[7, 1] = 1e6 + 1
    with pytest.raises(InputError, match=r"counts 0, 1, 2, ... 1,000,000, but data has 1000001 in row 8"):
        fitted.score(counts)
    # What a law of counts could not reach is no count to `auto`.
    people = RNG.negative_binomial(1, 1e-7, (60, 2))
    modality = MODALITIES["vector"]().fit(Records(people))
    assert people.max() > 1e6 and modality.likelihood == "normal" and "larger" in modality.because


def test_conditions_have_the_same_limits():
    ages = RNG.normal(size=(60, 1))
    records = Records(GOOD.to_numpy(), condition=ages, condition_columns=("age",), source="people.csv")
    modality = MODALITIES["vector"]().fit(records)
    far = np.where(np.arange(60)[:, None] == 3, 1e151, ages)
    with pytest.raises(InputError, match=r"people\.csv: condition 'age', row 4: too large; rescale it or drop that row"):
        modality.check(Records(GOOD.to_numpy(), condition=far, condition_columns=("age",), source="people.csv"))
    assert float(modality.condition(0.9e15 * ages.std(), 1).abs()) < 1e15
    with pytest.raises(InputError, match=r"condition 'age': value 1 .* more than 1e\+15 deviations .*: give a nearer one"):
        modality.condition(1.1e15 * ages.std(), 1)
