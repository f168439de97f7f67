"""Labels and factors as a person has them: columns, files and values, from Python and from the command."""

import json

import numpy as np
import pandas as pd
import pytest

import vaekit
from vaekit.core.errors import InputError
from vaekit.evaluation import measure_agreement, measure_disentanglement
from vaekit.faces.fitted import FittedVAE

rng = np.random.default_rng(0)
FACTORS = np.stack([rng.integers(0, 3, 120), rng.integers(0, 4, 120)], axis=1)
X = (FACTORS @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(120, 4))).astype(np.float32)
WORDS = np.where(FACTORS[:, 0] > 0, "large", "little")
TABLE = pd.DataFrame(X, columns=list("abcd")).assign(size=WORDS, kind=FACTORS[:, 1])
QUICK = {"latent": 2, "hidden": [8], "epochs": 8, "progress": False}


@pytest.fixture(scope="module")
def of_table(tmp_path_factory) -> FittedVAE:
    return vaekit.fit(TABLE.drop(columns="size"), labels="kind", run=tmp_path_factory.mktemp("table") / "r", **QUICK)


def test_labels_are_a_column_a_file_or_values(of_table, tmp_path):
    plain = TABLE.drop(columns=["size", "kind"])
    wanted = of_table.direction(plain, WORDS == "little").vector
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    # The column that was the label in training is passed over where another one is asked for.
    for data, labels in ((TABLE, "size"), (tmp_path / "t.csv", "size"), (plain, tmp_path / "words.txt"), (plain, WORDS)):
        np.testing.assert_allclose(of_table.direction(data, labels).vector, wanted, atol=1e-5)
    known = of_table.direction(TABLE.drop(columns="size"), towards="2").vector
    np.testing.assert_allclose(known, of_table.direction(plain, FACTORS[:, 1] == 2).vector, atol=1e-5)
    for data, labels, words in ((plain, None, "comes without labels"), (plain, WORDS[:5], "give one a row"), (plain, FACTORS, "2 columns")):
        with pytest.raises(InputError, match=words):
            of_table.direction(data, labels)


def test_an_edited_frame_is_a_frame_like_the_given(of_table):
    plain = TABLE.drop(columns=["size", "kind"]).set_index(np.arange(120) + 1000)
    made = of_table.edit(plain, of_table.direction(plain, WORDS == "large"), 1.0)
    assert list(made.columns) == list("abcd") and list(made.index) == list(plain.index)
    probed = of_table.edit(plain, of_table.direction(plain, WORDS == "large", "probe"), -1.0)
    moved = made.to_numpy() - probed.to_numpy()
    towards = X[WORDS == "large"].mean(0) - X[WORDS == "little"].mean(0)
    assert (moved @ towards > 0).mean() > 0.95


def test_a_command_edits_rows(of_table, vae, tmp_path):
    of_table.save(tmp_path / "r")
    TABLE.to_csv("t.csv", index=False)
    outcome = vae.done("edit", "r", "t.csv", "--labels", "size", "--towards", "large", "--strength", 1.5, "--out", "e.csv")
    assert "1.5 deviations" in outcome.out and "towards large" in outcome.out
    plain = TABLE.drop(columns=["size", "kind"])
    wanted = of_table.edit(plain, of_table.direction(plain, WORDS == "large"), 1.5)
    np.testing.assert_allclose(pd.read_csv("e.csv"), wanted, rtol=1e-4, atol=1e-5)
    plain[:7].to_csv("new.csv", index=False)
    told = ("--labels", "size", "--towards", "large", "--to", "new.csv", "--strength", 1.5, "--out", "n.npy")
    assert vae.done("edit", "r", "t.csv", *told, "--json").json["attribute"] == "large"
    np.testing.assert_allclose(np.load("n.npy"), wanted[:7], rtol=1e-4, atol=1e-5)
    assert vae("edit", "r", "t.csv", "--labels", "size", "--towards", "huge", "--out", "e.csv").code == 2


def test_ranked_dimensions_are_numbered_by_their_place(of_table, vae, tmp_path):
    of_table.save(tmp_path / "r")
    TABLE.drop(columns="size").to_csv("t.csv", index=False)
    order = vaekit.tasks.ranked_dimensions(of_table.system, of_table.store(TABLE.drop(columns="size")))
    vae.done("traverse", "r", "t.csv", "--dimensions", "ranked", "--steps", 3, "--out", "walked.csv")
    assert list(dict.fromkeys(pd.read_csv("walked.csv")["dimension"])) == order
    refused = vae("traverse", "r", "--dimensions", "ranked", "--out", "walked.csv")
    assert refused.code == 2 and "give DATA" in refused.error


def test_factors_are_measured_by_file_array_and_frame(of_table, vae, tmp_path):
    of_table.save(tmp_path / "r")
    plain, known = TABLE.drop(columns=["size", "kind"]), pd.DataFrame({"size": WORDS, "kind": FACTORS[:, 1]})
    plain.to_csv("t.csv", index=False)
    known.to_csv("f.csv", index=False)
    wanted = measure_disentanglement(of_table.system, of_table.store(plain), known.to_numpy(), ("size", "kind"), ["kind"])
    assert of_table.disentanglement(plain, known, categorical=["kind"]) == wanted
    answer = vae.done("disentanglement", "r", "t.csv", "--factors", "f.csv", "--categorical", "kind", "--out", "d.json", "--json").json
    assert answer["figures"] == wanted == json.loads((tmp_path / "d.json").read_text())["figures"]
    both = of_table.disentanglement(plain, known.to_numpy(), others=[of_table])
    alike = measure_agreement([of_table.system] * 2, of_table.store(plain))
    assert both[-3:] == alike and "factor" in both[1]["name"]
    refused = vae("disentanglement", "r", "t.csv", "--factors", "d.json")
    assert refused.code == 2 and len(refused.error.splitlines()) == 1


def test_a_quantity_may_be_a_column(of_table):
    plain = TABLE.drop(columns=["size", "kind"])
    height = np.random.default_rng(3).normal(1.7, 0.1, 120)
    wanted = of_table.direction(plain, height).vector
    np.testing.assert_allclose(of_table.direction(plain.assign(height=height), "height").vector, wanted, atol=1e-6)
