"""The table of disentanglement goes on from the runs that are finished, and says which methods come first."""

import json
from argparse import Namespace
from itertools import product
from pathlib import Path

import disentanglement
import numpy as np
import pytest
from record import Record, Skipped

from vaekit.core.errors import InputError


@pytest.fixture
def few_sprites(tmp_path, monkeypatch):
    """A folder like $VAEKIT_DATA that holds bars on a small grid in the place and format of dSprites."""
    grid = np.array(list(product(range(2), range(2), range(2), range(4), range(4))))
    images = np.zeros((len(grid), 12, 12), np.uint8)
    for image, (shape, scale, turned, x, y) in zip(images, grid):
        part = image.T if turned else image
        part[2 * x : 2 * x + 2 + 2 * scale, 2 * y : 2 * y + 4 - 2 * shape] = 1
    folder = tmp_path / "images" / "dsprites"
    folder.mkdir(parents=True)
    np.savez(folder / "dsprites_grid.npz", imgs=images, latents_classes=grid)
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path))
    return tmp_path


def asked(folder: Path, **other) -> Namespace:
    given = {"epochs": 1, "minutes": None, "methods": "beta_vae", "strengths": "0", "seeds": "0,1", "page": None, "every": 1}
    return Namespace(**{**given, "results": folder / "found.jsonl", "codes": folder / "codes", **other})


def test_finished_runs_are_kept_and_the_missing_ones_made(few_sprites):
    first = Record("trial")
    disentanglement.measure(asked(few_sprites, seeds="1"), first)
    held = (few_sprites / "found.jsonl").read_text()
    record = Record("trial")
    disentanglement.measure(asked(few_sprites, page=few_sprites / "page.md"), record)
    lines = (few_sprites / "found.jsonl").read_text()
    assert lines.startswith(held) and [json.loads(line)["seed"] for line in lines.splitlines()] == [1, 0]
    assert all(f.n == 1 for f in first.figures) and all(f.n == 2 for f in record.figures)
    page = (few_sprites / "page.md").read_text()
    assert "128 true dSprites images" in page and "| beta_vae | beta = 2 | 2 |" in page
    with pytest.raises(InputError, match="give another --results"):
        disentanglement.measure(asked(few_sprites, epochs=2), Record("trial"))


def line(recipe: str, gap: float) -> str:
    figures = dict.fromkeys(disentanglement.MEASURES, gap)
    told = {**disentanglement.TRAINING, "epochs": 1}
    return json.dumps({"recipe": recipe, "argument": "beta", "strength": 1.0, "seed": 0, "told": told, "figures": figures})


@pytest.mark.parametrize(("found", "met"), [(0.3, True), (0.1, False)])
def test_the_table_is_held_against_the_weaker_methods(tmp_path, found, met):
    gaps = {"vae": 0.1, "beta_vae": 0.2, "beta_tc_vae": found, "factor_vae": found}
    (tmp_path / "found.jsonl").write_text("\n".join(line(recipe, gap) for recipe, gap in gaps.items()))
    record = Record("trial")
    disentanglement.measure(asked(tmp_path, methods="vae", seeds="0"), record)
    judged = [f for f in record.figures if f.met is not None]
    assert [f.met for f in judged] == [met] * 2 and judged[0].value == pytest.approx(found - 0.2)


def test_a_wrong_method_is_said_and_an_absent_data_set_skipped(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="'vea' is none of"):
        disentanglement.measure(asked(tmp_path, methods="vea"), Record("trial"))
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path))
    with pytest.raises(Skipped, match="dsprites"):
        disentanglement.measure(asked(tmp_path), Record("trial"))
