"""The Python face: runs begin whole, go on with the same data alone, and are replaced only when told."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import vaekit
from vaekit.core.errors import InputError
from vaekit.data import split
from vaekit.faces.describing import as_svg

QUICK = {"latent": 2, "hidden": [8], "epochs": 2, "progress": False}
ROWS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.arange(80) % 2


def test_a_run_in_memory_goes_on_with_the_same_data_alone(tmp_path):
    whole = vaekit.fit(ROWS, labels=LABELS, run=tmp_path / "r", **QUICK)
    with pytest.raises(InputError, match="values in memory"):
        vaekit.resume(tmp_path / "r", progress=False)
    # Other labels would hold other rows out, and so let the test rows into training.
    for data, labels in ((ROWS + 1, LABELS), (ROWS, None), (ROWS, 1 - LABELS)):
        with pytest.raises(InputError, match="not the data of this run"):
            vaekit.resume(tmp_path / "r", data, labels=labels, progress=False)
    again = vaekit.resume(tmp_path / "r", ROWS, labels=LABELS, progress=False)
    for name, weights in whole.system.model.state_dict().items():
        assert torch.equal(weights, again.system.model.state_dict()[name]), name


def test_a_loaded_model_gives_the_same_numbers(tmp_path):
    fitted = vaekit.fit(ROWS, run=tmp_path / "r", **QUICK)
    loaded = vaekit.load(tmp_path / "r")
    np.testing.assert_array_equal(fitted.generate(5, seed=1), loaded.generate(5, seed=1))
    np.testing.assert_array_equal(fitted.score(ROWS).nats, loaded.score(ROWS).nats)
    fitted.save(tmp_path / "s")
    saved = vaekit.load(tmp_path / "s")
    np.testing.assert_array_equal(fitted.encode(ROWS).mean, saved.encode(ROWS).mean)
    assert saved.history == fitted.history == loaded.history


def test_a_model_is_not_saved_over_another(tmp_path):
    vaekit.fit(ROWS, run=tmp_path / "r", **QUICK)
    before = (tmp_path / "r" / "system.json").read_bytes()
    with pytest.raises(InputError, match="holds something already; give another folder for the model"):
        vaekit.fit(ROWS, **{**QUICK, "latent": 1}).save(tmp_path / "r")
    assert (tmp_path / "r" / "system.json").read_bytes() == before


def test_a_model_is_shown_in_two_lines(tmp_path):
    fitted = vaekit.fit(ROWS, run=tmp_path / "r", **QUICK)
    size = sum(p.numel() for p in fitted.system.model.parameters())
    assert repr(fitted) == (
        f"FittedVAE: vae on 80 rows of 3 numbers (values in memory)\n    latent 2, normal, {size:,} parameters, on cpu, in {tmp_path / 'r'}"
    )
    assert repr(vaekit.load(tmp_path / "r")) == repr(fitted)
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 5)).astype(np.uint8)
    shown = repr(vaekit.fit(images, "autoencoder", **QUICK))
    assert "autoencoder on 40 images of 6 × 5 × 1" in shown and shown.endswith("held in memory") and shown.count("\n") == 1
    fitted.system = fitted.system.replace()
    assert "composed by hand" in str(fitted)


def test_a_folder_is_replaced_only_when_told_and_only_if_it_is_a_run(tmp_path):
    vaekit.fit(ROWS, run=tmp_path / "r", **QUICK)
    with pytest.raises(InputError, match="already holds a run"):
        vaekit.fit(ROWS, run=tmp_path / "r", **QUICK)
    vaekit.fit(ROWS, run=tmp_path / "r", replace=True, **{**QUICK, "latent": 1})
    assert json.loads((tmp_path / "r" / "system.json").read_text())["arguments"]["latent"] == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        vaekit.fit(ROWS, run=tmp_path / "mine", replace=True, **QUICK)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "mine"


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path):
    class Broken:
        def moment(self, moment):
            raise OSError("the watcher fell asleep")

        validation = note = moment

    with pytest.raises(OSError, match="asleep"):
        vaekit.fit(ROWS, run=tmp_path / "deep" / "r", hooks=[Broken()], **QUICK)
    assert not list(tmp_path.iterdir())


def test_columns_come_in_any_order_and_the_condition_by_name(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(kind=np.where(LABELS, "x", "y"))
    model = vaekit.fit(frame, condition="kind", **QUICK)
    expected = model.score(frame).nats
    np.testing.assert_allclose(model.score(frame[["kind", "c", "a", "b"]]).nats, expected, rtol=1e-6)
    np.testing.assert_allclose(model.score(frame.drop(columns="kind"), condition=frame["kind"].to_numpy()).nats, expected, rtol=1e-6)
    told = model.score(frame, condition={"kind": "x"}).nats
    np.testing.assert_allclose(told[LABELS == 1], expected[LABELS == 1], rtol=1e-6)
    with pytest.raises(InputError, match="no column 'kind'"):
        model.score(frame.drop(columns="kind"))
    with pytest.raises(InputError, match="one row of shape"):
        model.score(ROWS[0])


def test_a_condition_that_is_missing_is_asked_for_by_its_names():
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(kind=np.where(LABELS, "x", "y"), age=np.arange(80.0))
    model = vaekit.fit(frame, condition=["kind", "age"], **QUICK)
    for data in (frame[["a", "b", "c"]], ROWS):
        with pytest.raises(InputError, match=r"^data: has no columns 'kind', 'age', .* give condition={'kind': \.\.\., 'age': \.\.\.}"):
            model.score(data)
    with pytest.raises(InputError, match="no column 'age'"):
        model.score(frame.drop(columns="age"))
    assert model.score(ROWS, condition={"kind": "x", "age": 3.0}).nats.shape == (80,)
    by_class = vaekit.fit(ROWS, labels=LABELS, condition="label", **QUICK)
    with pytest.raises(InputError, match=r"has no column 'label', .* give condition={'label': \.\.\.}"):
        by_class.score(ROWS)
    assert by_class.score(ROWS, condition={"label": 1}).nats.shape == (80,)
    in_memory = vaekit.fit(ROWS, condition=np.arange(80.0), **QUICK)
    with pytest.raises(InputError, match="which the model is told of each row"):
        in_memory.score(ROWS)
    assert in_memory.score(ROWS, condition=np.arange(80.0)).nats.shape == (80,)


def test_a_rare_value_of_a_condition_is_told_with_what_to_do():
    kind = np.where(LABELS, "oak", "elm").astype(object)
    kind[7] = "yew"
    seed = next(s for s in range(99) if 7 not in split(80, None, 0.1, 0.1, s).train)
    with pytest.raises(InputError, match=r"condition 'condition.*'yew' was not in the training rows: .*drop them, or merge it"):
        vaekit.fit(ROWS, condition=kind, seed=seed, **QUICK)


def own(reader: int = 20, writer: int = 63, first: int = 3, bias: bool = True) -> dict[str, nn.Module]:
    return {
        "reader": nn.Sequential(nn.Flatten(), nn.Linear(first, reader, bias=bias)),
        "writer": nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, writer)),
    }


def test_an_own_network_of_another_size_is_named_by_its_weight(tmp_path):
    vaekit.fit(ROWS, run=tmp_path / "r", latent=2, epochs=1, progress=False, **own())
    vaekit.load(tmp_path / "r", **own())
    for given, words in (
        (own(reader=21), r"weight '1.weight' of the reader is \(20, 3\) in the file, but \(21, 3\) in the one given"),
        (own(first=4), r"weight '1.weight' of the reader is \(20, 3\) in the file, but \(20, 4\) in the one given"),
        (own(writer=64), r"weight '2.weight' of the writer is \(63, 8\) in the file, but \(64, 8\) in the one given"),
        (own(bias=False), r"weight 'posterior.network.network.1.bias' has shape \(20,\) in the file, but is missing in a network"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            vaekit.load(tmp_path / "r", **given)
        assert "\n" not in str(caught.value) and "torch" not in str(caught.value).replace(str(tmp_path), "")


def test_a_head_behind_an_own_writer_is_told_of(tmp_path):
    seen = []

    class Listening:
        note = seen.append

        def moment(self, moment):
            """Nothing to say."""

        validation = moment

    images = np.random.default_rng(0).integers(0, 2, (40, 8, 8)).astype(np.uint8)
    told = "your own writer gives 63 numbers and the likelihood bernoulli needs 64: a linear head 63 -> 64 was added"
    model = vaekit.fit(images, latent=2, epochs=1, progress=False, hooks=[Listening()], run=tmp_path / "r", writer=own()["writer"])
    assert model.history.notes == [told] == seen and told in " ".join(model.describe().split())
    assert "head 63 -> 64" in re.sub(r"<[^>]*>", " ", as_svg(model.system)).replace("&gt;", ">").replace("  ", " ")
    assert vaekit.load(tmp_path / "r", writer=own()["writer"]).history.notes == [told]
    fits = vaekit.fit(images, latent=2, epochs=1, progress=False, writer=own(writer=64)["writer"])
    assert fits.history.notes == [] and "head" not in fits.describe()


def test_the_message_speaks_of_the_whole_data():
    rows = ROWS.copy()
    rows[[3, 40, 79], 1] = np.nan
    with pytest.raises(InputError, match=r"3 values are not finite, the first \(nan\) in row 4"):
        vaekit.fit(rows, **QUICK)
    counts = np.random.default_rng(0).poisson(30, (80, 2)).astype(float)
    counts[60, 1] = 3.5
    with pytest.raises(InputError, match=r"3\.5 in row 61, column 2"):
        vaekit.fit(counts, likelihood="poisson", **QUICK)
