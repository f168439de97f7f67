"""The comparison of recipes with a GAN: runs are kept, shared and gone on with, and what has no likelihood is given none."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import comparison
import pytest
import stability
import torch
from comparison import diverged, measure
from outsider import Noiseless, gan
from PIL import Image
from record import Record, processor
from sharing import claimed

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.errors import InputError, WorkFailed
from vaekit.data import open_records
from vaekit.faces.preparing import prepare
from vaekit.tasks.generate import draw
from vaekit.training import Settings, fit


def asked(folder: Path, **other) -> Namespace:
    given = {
        "minutes": 0.002, "seeds": 1, "models": "autoencoder,cvae,gan", "page": folder / "docs" / "comparison.md", "data": "digits",
        "hidden": 8, "particles": 2,
    }
    return Namespace(**{**given, "results": folder / "found.jsonl", "runs": folder / "runs", **other})


def test_runs_are_made_once_measured_alike_and_shown(tmp_path, monkeypatch):
    with claimed(tmp_path / "runs" / "cvae-0.lock") as mine:
        # Another process has this one in hand.
        assert mine
        measure(asked(tmp_path, page=None), Record("trial"))
    held = (tmp_path / "found.jsonl").read_text()
    assert [json.loads(text)["model"] for text in held.splitlines()] == ["autoencoder", "gan"]
    record = Record("trial")
    measure(asked(tmp_path), record)
    text = (tmp_path / "found.jsonl").read_text()
    point, outsider, known = map(json.loads, text.splitlines())
    assert text.startswith(held) and known["model"] == "cvae" and known["told"]["particles"] == 2
    assert known["likelihood"]["bits per dimension"]["value"] > 0 and known["drawn"] != known["means"]
    assert outsider["likelihood"] == {} and outsider["drawn"] == outsider["means"] and point["means"] == {} and not point["judge"]
    # The same rows, the same judge, and so the same figures of training rows.
    assert outsider["judge"] == known["judge"] != ""
    for name in ("Frechet distance (FID)", "sharpness", "coverage"):
        assert outsider["means"][name]["ceiling"] == known["means"][name]["ceiling"]
    assert {f.name for f in record.figures if f.name.startswith("gan")} == {
        "gan, Frechet distance (FID)", "gan, coverage", "gan, sharpness", "gan, seeds that diverged"
    }
    page = (tmp_path / "docs" / "comparison.md").read_text()
    # After two steps it draws one image, which is told.
    assert "| gan | 1 | 1 | none | none | none | none | " in page and "| autoencoder | no prior to draw from |" in page
    assert "![cvae](images/comparison-cvae.png)" in page and "--set hidden=8,8" in page and "--set compile=false" in page
    for name in ("cvae", "gan", "held-out"):
        assert Image.open(tmp_path / "docs" / "images" / f"comparison-{name}.png").size == (16 * 16, 16)
    # What is finished leaves images behind and no checkpoints.
    assert {path.suffix for path in (tmp_path / "runs").iterdir()} == {".lock", ".png"}
    # Without the folder of runs, and with a line of another machine: the page keeps its images, and names both.
    shutil.rmtree(tmp_path / "runs")
    elsewhere = [{**point, "processor": "an abacus"}, outsider, known]
    (tmp_path / "found.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in elsewhere))
    measure(asked(tmp_path), Record("trial"))
    kept = (tmp_path / "docs" / "comparison.md").read_text()
    assert "![cvae](images/comparison-cvae.png)" in kept and f"an abacus: autoencoder; {processor()}: gan, cvae; threads" in kept
    with pytest.raises(InputError, match="give another --results"):
        measure(asked(tmp_path, minutes=1.0), Record("trial"))
    with pytest.raises(InputError, match="'vea' is none of"):
        measure(asked(tmp_path, models="vea"), Record("trial"))


@pytest.mark.parametrize("model", ["vae", "gan"])
def test_a_run_that_was_stopped_goes_on_and_one_that_broke_is_said(tmp_path, monkeypatch, model):
    seen = []

    class Stop:
        def validation(self, found):
            seen.append(found)
            if len(seen) == 2:
                raise KeyboardInterrupt

        def moment(self, moment):
            pass

        def note(self, text):
            pass

    monkeypatch.setitem(comparison.TRAINING, "epochs", 2)
    options, train = asked(tmp_path, minutes=10.0), comparison.fit
    place = (comparison, "fit") if model == "gan" else (comparison.api, "run_training")
    with monkeypatch.context() as patched:
        patched.setattr(*place, lambda *given: train(*given[:5], [Stop()]))
        with pytest.raises(KeyboardInterrupt):
            comparison.trained(model, 3, options, tmp_path / "run")
    # Then from the checkpoint, once it is finished from its folder, and all at once.
    ways = [tmp_path / "run", tmp_path / "run", tmp_path / "other"]
    gone_on, loaded, whole = (comparison.trained(model, 3, options, folder).history.validations for folder in ways)
    assert gone_on == loaded and gone_on[0] == seen[0] and gone_on[0] != whole[0]
    # The GAN learns in half the batch.
    assert gone_on[-1].step == whole[-1].step == {"vae": 22, "gan": 44}[model]
    assert gone_on[-1].held_out["loss"] == pytest.approx(whole[-1].held_out["loss"], rel=0.01)

    def broken(*given):
        raise WorkFailed("'loss' was not finite")

    monkeypatch.setattr(comparison, "trained", broken)
    line = comparison.result(model, 3, options, comparison.Judges())
    assert line["failed"] == "'loss' was not finite" and diverged([line]) == [3]


def test_a_seed_far_from_the_others_or_with_steps_taken_back_has_diverged():
    def line(seed, distance, note=""):
        return {
            "model": "vae", "seed": seed, "failed": "", "notes": [note] if note else [],
            "means": {"Frechet distance (FID)": {"value": distance}},
        }

    found = [line(0, 10.0), line(1, 19.0), line(2, 21.0), line(3, 9.0), line(4, 10.0, "'loss' was not finite at step 5: went back")]
    assert diverged(found) == [2, 4] and diverged([]) == []
    assert diverged([{**line(0, None), "means": {}}]) == []


def test_a_run_that_draws_a_few_images_again_and_again_has_diverged():
    shares = [0.04, 0.06, 0.04]
    lines = [{"model": "gan", "seed": n, "failed": "", "notes": [], "means": {"coverage": {"value": v}}} for n, v in enumerate(shares)]
    assert diverged(lines) == [0, 2]


def test_the_outsider_learns_with_its_critic_and_draws_without_noise():
    records = open_records("digits")
    modality = prepare(records, "image", {})
    torch.manual_seed(0)
    system = gan(modality, latent=4, hidden=[16])
    first = draw(system, 200, seed=1, mean=True)
    # Each latent has an image of its own from the start, within the pixels' range.
    assert 0 <= first.min() and first.max() <= 1 and first.std(0).mean() > 0.15
    (stage,) = system.stages
    sides = system.model, stage.objective
    before = [[p.detach().clone() for p in side.parameters()] for side in sides]
    rows = modality.store(records)
    parts = comparison.Parts(rows, rows, rows, {})
    settings = Settings(epochs=1, validations=1, compile=False)
    history = fit(system, parts.feed(modality, settings), settings)
    moved = [[float((p.detach() - q).abs().max()) for p, q in zip(side.parameters(), was)] for side, was in zip(sides, before)]
    assert all(max(found) > 1e-3 for found in moved)
    held = history.validations[-1].held_out
    # Fantasies and reconstructions are drawn alike, and no bound is read.
    assert "elbo" not in held and held["critic.drawn"] == pytest.approx(held["critic.rebuilt"], abs=0.2)
    system.model.likelihood = Noiseless(system.model.likelihood)
    assert torch.equal(draw(system, 5, seed=3), draw(system, 5, seed=3, mean=True))
    trace = system.model(Batch(size=7), from_prior())
    assert trace.likelihood.batch_shape == (1, 7, 8, 8, 1)
    with pytest.raises(TypeError, match="no density"):
        trace.likelihood.log_prob(torch.zeros(1, 7, 8, 8, 1))


def test_critics_are_trained_from_every_seed_and_their_ends_are_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(stability, "_RECIPES", ("aae",))
    record = Record("trial")
    options = Namespace(data="digits", seeds=2, epochs=1, particles=2, results=tmp_path / "found.jsonl", locks=tmp_path / "locks")
    stability.measure(options, record)
    found = {f.name: f for f in record.figures}
    assert {f.n for f in record.figures} == {2} and found["aae, seeds that diverged"].target == "<= 0"
    assert found["aae, Frechet distance (FID)"].value > 0 and "digits, 1 epochs" in found["aae, coverage"].protocol
    held = options.results.read_text()
    stability.measure(options, Record("trial"))
    assert options.results.read_text() == held and len(held.splitlines()) == 2, "what is finished is not made again"
