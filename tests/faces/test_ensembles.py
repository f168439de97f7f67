"""An ensemble from Python and from the command: one split, seeds of its own, kept and loaded as a folder of runs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import vaekit as vk
from vaekit.core.errors import InputError
from vaekit.faces.cli.app import main
from vaekit.faces.ensembles import Ensemble

TABLE = np.random.default_rng(0).normal(size=(120, 3)) @ np.array([[1, 1, 0], [0, 2, 0], [1, 0, 3.0]])
SMALL = {"latent": 2, "hidden": 8, "epochs": 2, "batch": 32}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    pd.DataFrame(TABLE, columns=["a", "b", "c"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(table, tmp_path_factory):
    return vk.ensemble(str(table), members=3, seed=4, run=tmp_path_factory.mktemp("runs") / "three", progress=False, **SMALL)


def test_members_hold_out_the_same_rows_and_have_weights_of_their_own(made):
    first, second, third = made.members
    assert all(torch.equal(first.parts["test"]["x"], other.parts["test"]["x"]) for other in (second, third))
    weights = [next(iter(m.system.model.parameters())) for m in made.members]
    assert not torch.equal(weights[0], weights[1]) and "Ensemble of 3" in repr(made)
    assert [m.data["settings"]["seed"] for m in made.members] == [4, 5, 6] and second.data["seed"] == 4
    alone = vk.fit(TABLE, seed=5, split_seed=4, progress=False, **SMALL)
    assert torch.equal(alone.parts["test"]["x"], second.parts["test"]["x"])


def test_values_that_are_classes_are_measured_without_a_spread():
    answers = np.random.default_rng(0).integers(1, 4, (80, 3))
    asked = {"likelihood": "categorical", "members": 2, "progress": False, **SMALL, "epochs": 1}
    names = {f["name"] for f in vk.ensemble(answers, **asked).evaluate(particles=2)["figures"]}
    assert "negative log-likelihood, all members" in names and "agreement of the latent spaces" in names and "epistemic share" not in names


def test_a_folder_of_runs_is_loaded_as_the_same_ensemble(made, tmp_path):
    rows = TABLE[:20]
    loaded = vk.load(made.folder)
    assert isinstance(loaded, Ensemble) and np.array_equal(loaded.score(rows).members, made.score(rows).members)
    made.save(tmp_path / "copy")
    assert np.array_equal(vk.load(tmp_path / "copy").score(rows).nats, made.score(rows).nats)
    with pytest.raises(InputError, match="holds something already"):
        made.save(tmp_path / "copy")
    single = vk.load(made.folder / "member-2")
    assert np.array_equal(single.score(rows).nats, made.score(rows).members[1])


def test_what_is_measured_together_is_plain_json(made):
    found = {f["name"]: f for f in json.loads(json.dumps(made.evaluate(particles=8)))["figures"]}
    assert found["negative log-likelihood, all members"]["value"] < found["negative log-likelihood, one member"]["value"]
    assert 0 <= found["epistemic share"]["value"] <= 1 and 0 <= found["agreement of the latent spaces"]["value"] <= 1
    assert found["disagreement on a row"]["within_a_member"] > 0


def test_measuring_together_tells_how_far_it_is(made):
    told: list[tuple[str, float]] = []
    made.evaluate(particles=8, progress=lambda doing, share: told.append((doing, share)))
    for doing in ("measuring: likelihood", "measuring: reconstructions"):
        shares = [share for what, share in told if what == doing]
        assert len(shares) >= 3 and shares == sorted(shares) and shares[0] < 1 == shares[-1]


def test_the_command_s_verbs_tell_each_member(made, table, tmp_path, capsys):
    run = str(made.folder)
    for verb, name in (("score", "s.csv"), ("encode", "e.csv"), ("reconstruct", "r.csv")):
        assert main([verb, run, str(table), "--out", str(tmp_path / name)]) == 0
    scores, codes, rows = (pd.read_csv(tmp_path / f"{name}.csv") for name in "ser")
    wanted = made.score(TABLE)
    assert np.allclose(scores["nats"], wanted.nats, atol=1e-4) and np.allclose(scores["member_3"], wanted.members[2], atol=1e-4)
    assert {"between_members", "within_a_member", "bits_per_dimension"} <= set(scores)
    assert list(codes) == [f"member_{m}_mean_{d}" for m in (1, 2, 3) for d in (0, 1)]
    assert list(rows) == ["a", "b", "c", "epistemic_share"] and rows["epistemic_share"].between(0, 1).all()
    assert main(["evaluate", run]) == 0 and (made.folder / "metrics.json").is_file()
    assert "epistemic share" in capsys.readouterr().out
    for arguments, words in (
        (["generate", run, "--out", str(tmp_path / "g.csv")], "for all else give"), (["evaluate", run, "--ais", "5"], "anneal a member"),
        (["encode", run, str(table), "--out", str(tmp_path / "x.csv"), "--values", "mode"], "must be any of"),
    ):
        assert main(arguments) == 2 and words in capsys.readouterr().err


def test_the_command_trains_an_ensemble_and_replaces_it(table, tmp_path, capsys):
    words = ["fit", str(table), "--run", str(tmp_path / "two"), "--members", "2", "--epochs", "1", "--set", "hidden=8", "--set", "latent=1"]
    assert main(words) == 0 and len(vk.load(tmp_path / "two").members) == 2
    assert "negative log-likelihood, all members" in capsys.readouterr().out
    assert main(words) == 2 and "holds something already" in capsys.readouterr().err
    # What would fail is seen before the old ensemble is removed.
    for wrong in (["--set", "latnt=1"], ["--recipe", "vea"], ["--labels", str(tmp_path / "nowhere.csv")], ["--set", "test=0"]):
        assert main([*words, "--replace", *wrong]) == 2 and len(vk.load(tmp_path / "two").members) == 2, wrong
    assert "test must be above 0 for a report" in capsys.readouterr().err
    assert main([*words, "--replace", "--no-report"]) == 0
    assert main([*words, "--resume", "--replace"]) == 2 and "leave replace out" in capsys.readouterr().err
    assert main([*words[:4], "--members", "0"]) == 2 and "members must be" in capsys.readouterr().err
    (tmp_path / "two" / "ensemble.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match="another version"):
        vk.load(tmp_path / "two")


def test_an_ensemble_that_was_stopped_is_gone_on_with(table, tmp_path):
    told = {"members": 3, "epochs": 3, "hidden": [8], "latent": 1, "progress": False, "validations": 3}

    class Stop:
        """Presses the keys in the middle of a training."""

        def moment(self, moment):
            """Not then."""

        def note(self, text):
            """Nor then."""

        def validation(self, validation):
            if validation.progress < 1:
                raise KeyboardInterrupt

    def watching(member):
        return (Stop(),) if member == 1 else ()

    with pytest.raises(KeyboardInterrupt):
        vk.ensemble(table, run=tmp_path / "stopped", watching=watching, **told)
    before = (tmp_path / "stopped/member-1/weights.safetensors").stat().st_mtime_ns
    with pytest.raises(InputError, match="another argument"):
        vk.ensemble(table, run=tmp_path / "stopped", resume=True, **{**told, "latent": 2})
    with pytest.raises(InputError, match="give run"):
        vk.ensemble(table, resume=True, **told)
    vk.ensemble(table, run=tmp_path / "stopped", resume=True, **told)
    vk.ensemble(table, run=tmp_path / "whole", **told)
    assert (tmp_path / "stopped/member-1/weights.safetensors").stat().st_mtime_ns == before
    for name in ("member-1", "member-2", "member-3"):
        found, wanted = ((tmp_path / run / name / "weights.safetensors").read_bytes() for run in ("stopped", "whole"))
        assert found == wanted, name
    assert len(vk.load(tmp_path / "stopped").members) == 3
