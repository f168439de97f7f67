"""Measures of a latent of codes, against what is worked out by hand, and what they come to in words and pictures."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import vaekit as vk
from vaekit.evaluation import CodeUse, Tried, measure_codes
from vaekit.evaluation.report import page
from vaekit.evaluation.report.sections import sections
from vaekit.evaluation.verdict_of_codes import verdict_of_codes
from vaekit.faces.measuring import measured
from vaekit.tasks.walk import codes_a_row

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(200, 1)) @ RANDOM.normal(size=(1, 4)) + 0.2 * RANDOM.normal(size=(200, 4))
FOUND = CodeUse(
    shares=np.full(16, 1 / 16), information=np.full(3, 2.0), rate=6.0, prior=2.0, use=20.0, rows=100, seed=0,
)
QUICK = {"epochs": 2, "validations": 1, "progress": False, "prior_width": 16, "prior_layers": 1, "hidden": 16, "latent": 3}


@pytest.fixture(scope="module")
def models():
    return {recipe: vk.fit(TABLE, recipe, **QUICK) for recipe in ("vq_vae", "fsq_vae", "gumbel_vae")}


@pytest.fixture(params=["vq_vae", "fsq_vae", "gumbel_vae"])
def model(models, request):
    return models[request.param]


def test_the_measures_of_codes_are_counts_of_what_is_encoded(model):
    rows = model.store(TABLE)
    found, codes = measure_codes(model.system, rows), model.encode(TABLE).codes
    book = model.system.model.posterior.family.book
    assert codes.shape == (200, 3) and codes.dtype == np.int64 and codes_a_row(model.system) == 3
    assert found.codes == book.size and found.width == 3
    if model.system.recipe != "gumbel_vae":
        shares = np.bincount(codes.ravel(), minlength=book.size) / codes.size
        np.testing.assert_allclose(found.shares, shares)
        assert found.used == len(np.unique(codes)) and found.prior * 3 == pytest.approx(found.rate, rel=1e-4)
        by_place = [np.bincount(codes[:, p], minlength=book.size) / 200 for p in range(3)]
        wanted = [-(m[m > 0] * np.log(m[m > 0])).sum() for m in by_place]
        np.testing.assert_allclose(found.information, wanted, atol=1e-6)
    scores = model.score(TABLE, particles=1)
    assert found.rate == pytest.approx(float(scores.rate.mean()), rel=0.05, abs=0.2)


def test_the_codes_are_those_that_are_decoded(model):
    code = model.encode(TABLE[:20])
    book = model.system.model.posterior.family.book
    np.testing.assert_array_equal(book.values(torch.from_numpy(code.codes)).flatten(1).numpy(), code.mean)
    np.testing.assert_allclose(model.decode(code.mean), model.reconstruct(TABLE[:20]), rtol=1e-4, atol=1e-5)
    ways = model.interpolate(TABLE[:2], TABLE[2:4], steps=5)
    np.testing.assert_allclose(ways[:, 0], model.reconstruct(TABLE[:2]), rtol=1e-4, atol=1e-5)
    with pytest.raises(vk.InputError, match="no latent coordinates to move along, because its latent is one of codes") as caught:
        model.traverse()
    assert "\n" not in str(caught.value)
    with pytest.raises(vk.InputError, match="codes="):
        vk.fit(TABLE, "vq_vae", codes=500, epochs=1, progress=False)


@pytest.mark.parametrize(("changed", "name", "words"), [
    ({}, "healthy", ""),
    ({"information": np.full(3, 0.01)}, "collapsed", "codebook=gradient"),
    ({"shares": np.array([1.0] + [0.0] * 15)}, "collapsed", "codebook=gradient"),
    ({"use": 0.1}, "ignores the latent", "hidden=64"),
    ({"shares": np.array([0.25] * 4 + [0.0] * 12)}, "few codes used", "codes=4"),
    ({"prior": math.log(16) + 0.1}, "prior not learned", "share=0.7"),
])
def test_a_verdict_names_what_is_wrong_and_what_to_try(changed, name, words):
    tried = Tried({"codebook": "ema", "codes": 16, "hidden": (128,), "share": 0.4})
    judged = verdict_of_codes(replace(FOUND, **changed), tried)
    assert judged.name == name and (words in judged.remedy if words else judged.remedy is None)


def test_the_entropy_of_few_rows_is_no_reason_to_call_a_prior_unlearned():
    few = np.random.default_rng(0).multinomial(300, np.full(128, 1 / 128)) / 300
    found = replace(FOUND, shares=few, prior=math.log(128), information=np.full(3, 4.0))
    assert found.entropy < math.log(128) - 0.25 and abs(found.corrected_entropy - math.log(128)) < 0.12
    assert verdict_of_codes(replace(found, prior=found.corrected_entropy)).name == "healthy"


def test_fewer_levels_are_named_where_codes_are_arithmetic():
    few = replace(FOUND, shares=np.array([0.25] * 4 + [0.0] * 12))
    assert "levels=[2, 2]" in verdict_of_codes(few, Tried({"levels": (4, 4)})).remedy


def test_the_report_shows_codes_and_says_nothing_that_is_no_number(models, tmp_path):
    model = models["vq_vae"]
    metrics, gallery = measured(model, particles=1, baseline=False)
    text = page(metrics, gallery, model.history.to_json())
    assert "codes used" in text.lower() and "share of each of 20 codes" in text and re.search(r"\bnan\b", text, re.IGNORECASE) is None
    titles = [section.title for section in sections(metrics, gallery, model.history.to_json())]
    assert "Codes" in titles and "Rate by dimension" not in titles
    assert metrics["latent"]["dimensions"]["shares"] == sorted(metrics["latent"]["dimensions"]["shares"], reverse=True)
    assert all(figure["value"] is not None for figure in metrics["latent"]["figures"])
