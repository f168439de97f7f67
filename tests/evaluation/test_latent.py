"""The latent's measures against closed forms, and the verdict on models made to deserve each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from known import COLUMNS, LATENT, NOISE, WEIGHT, Map, latent, linear_gaussian, normal, system_of

from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.evaluation import Latents, Tried, measure_latents, verdict
from vaekit.modalities import MODALITIES
from vaekit.models import VAE
from vaekit.parts.posteriors import Point
from vaekit.recipes import RECIPES
from vaekit.tasks import encode


@pytest.fixture(scope="module")
def true() -> tuple[System, dict, Latents]:
    system, rows, *_ = linear_gaussian(rows=1500, widened=1.0)
    return system, rows, measure_latents(system, rows)


def test_a_true_posterior_has_the_known_information(true):
    _, _, found = true
    information = 0.5 * np.linalg.slogdet(np.eye(LATENT) + WEIGHT.T @ WEIGHT / NOISE**2)[1]
    assert abs(found.mutual_information - information) < 0.1
    # q(z) is the prior when the posterior is true.
    assert abs(found.marginal_kl) < 0.05 and found.mismatch.sum() < 0.01
    assert np.abs(found.aggregate_mean).max() < 0.1 and np.abs(found.aggregate_spread - 1).max() < 0.05


def test_kl_by_dimension_is_the_closed_form(true):
    system, rows, found = true
    codes = encode(system, rows)
    mean, spread = codes.mean.astype(float), codes.spread.astype(float)
    each = 0.5 * (spread**2 + mean**2 - 1) - np.log(spread)
    assert np.allclose(found.kl, each.mean(0), atol=1e-4) and found.rate == pytest.approx(each.sum(1).mean(), abs=1e-3)
    assert np.allclose(found.variance_of_means, mean.var(0), atol=1e-4)


def test_use_is_what_another_row_s_latent_costs(true):
    _, _, found = true
    assert found.use == pytest.approx(np.trace(WEIGHT.T @ WEIGHT) / NOISE**2, rel=0.1)


def test_mutual_information_is_at_most_the_log_of_the_rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 3))
    system, rows = system_of(Map(np.eye(3), np.zeros(3), latent(1e-4)), Map(np.eye(3), np.zeros(3), normal(0.1)), x)
    assert measure_latents(system, rows).mutual_information == pytest.approx(np.log(64), abs=1e-3)


def collapsed(width: int = 4) -> tuple[System, dict]:
    x, nothing = np.random.default_rng(0).normal(size=(200, 3)), np.zeros((width, 3))
    return system_of(Map(nothing, np.zeros(width), latent(1.0)), Map(nothing.T, np.zeros(3), normal(1.0)), x)


def test_the_healthy_is_called_healthy(true):
    judged = verdict(true[2])
    assert (judged.name, judged.state, judged.remedy) == ("healthy", "good", None)
    assert judged.sentences[0].startswith("2 of 2 latent dimensions carry information")


def test_the_collapsed_is_called_collapsed():
    system, rows = collapsed()
    found = measure_latents(system, rows)
    judged = verdict(found)
    assert judged.name == "collapsed" and "free_bits" in judged.remedy and found.active.sum() == 0
    assert abs(found.rate) < 1e-6 and abs(found.use) < 1e-6


def with_rate(rate: float, width: int = 4, active: int = 4) -> Latents:
    """Measures of a latent whose units all count as active, at this rate in all."""
    used = np.arange(width) < active
    return Latents(
        kl=np.where(used, max(rate / active, 0.011), 0.0), variance_of_means=np.where(used, 0.02, 0.0), aggregate_mean=np.zeros(width),
        aggregate_spread=np.ones(width), rate=rate, mutual_information=rate, use=rate, dense=True, rows=100, seed=0,
    )


@pytest.mark.parametrize(("rate", "told", "name"), [(0.01, "0.010", "collapsed"), (0.09, "0.090", "collapsed"), (0.11, "0.11", "healthy")])
def test_a_rate_of_next_to_nothing_is_a_collapse_whatever_the_units_count(rate, told, name):
    judged = verdict(with_rate(rate))
    assert judged.name == name and f"{told} nats a row" in " ".join(judged.sentences)
    assert judged.sentences[0].startswith("4 of 4 latent dimensions carry information")


def test_what_free_bits_hold_up_is_told_apart():
    level = with_rate(0.4)
    held = replace(level, kl=np.array([0.1, 0.105, 0.099, 3.0]), rate=3.3, use=3.3)
    (first, *_), tried = verdict(held, Tried({"free_bits": 0.1})).sentences, Tried({"free_bits": 0.0})
    assert "4 of 4 latent dimensions carry information (3 of them no more than free_bits=0.1 gives away)" in first
    assert "gives away" not in verdict(held, tried).sentences[0] + verdict(level, Tried({"free_bits": 0.01})).sentences[0]


def test_a_remedy_says_what_becomes_of_a_weight_above_one():
    collapsed = with_rate(0.01)
    heavy, usual = (verdict(collapsed, Tried({"free_bits": 0.0, "beta": beta})).remedy for beta in (20.0, 1.0))
    assert "a warm-up of the rate to a weight of 1, not 20, with free bits" in heavy and "a warm-up of the rate with free bits" in usual


def test_a_rate_is_told_to_two_digits_below_one_and_to_a_tenth_above():
    assert [f"rate of {told} nats a row" in verdict(with_rate(rate)).sentences[0]
            for rate, told in ((0.5, "0.50"), (0.996, "1.0"), (12.34, "12.3"))] == [True] * 3


def test_half_collapsed_is_told_with_its_number():
    back, spread = np.zeros((5, 3)), np.ones(5)
    # One coordinate in use, and its posterior the true one of x_1 = z_1 + 0.5 e.
    back[0, 0], spread[0] = 0.8, np.sqrt(0.2)
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3)) * [np.sqrt(1.25), 0.5, 0.5]
    system, _ = system_of(Map(back, np.zeros(5), latent(spread)), Map(np.eye(3, 5) * [1, 0, 0, 0, 0], np.zeros(3), normal(0.5)), x)
    system.modality.adapter.state = {**system.modality.adapter.state, "location": [0.0], "scale": [1.0]}
    found = measure_latents(system, {"x": torch.as_tensor(x, dtype=torch.float32)})
    judged = verdict(found, Tried({"latent": 5}))
    assert judged.name == "partly collapsed" and "1 of 5" in judged.sentences[0] and "latent=1" in judged.remedy
    assert [u["value"] for u in found.figures() if u["name"].startswith("active")] == [1, 1]


def test_a_decoder_that_does_not_listen_is_named():
    system, rows, *_ = linear_gaussian(rows=300)
    deaf = system.replace(model=VAE(system.model.posterior, system.model.prior, Map(WEIGHT * 0, np.zeros(COLUMNS), normal(1.0))))
    judged = verdict(measure_latents(deaf, rows))
    assert judged.name == "ignores the latent" and judged.state == "bad" and "smaller decoder" in judged.remedy


def test_an_encoder_off_the_prior_is_overspent():
    x = np.random.default_rng(0).normal(size=(300, 3))
    system, rows = system_of(Map(np.eye(3) * 6, np.zeros(3), latent(0.2)), Map(np.eye(3) / 6, np.zeros(3), normal(0.1)), x)
    judged = verdict(measure_latents(system, rows))
    assert judged.name == "overspent" and "beta" in judged.remedy


def test_a_point_code_has_no_rate():
    system, rows, *_ = linear_gaussian(rows=100)
    point = Map(np.linalg.pinv(WEIGHT), np.zeros(LATENT), Point(LATENT))
    found = measure_latents(system.replace(model=VAE(point, system.model.prior, system.model.likelihood)), rows)
    assert np.isnan(found.rate) and np.isnan(found.kl).all() and found.active.all() and found.use > 1
    assert verdict(found).name == "point code"
    assert {f["name"] for f in found.figures()} == {"active units by variance", "use of the latent"}


def test_several_latents_are_measured_each_by_itself():
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    modality = MODALITIES["vector"]().fit(Records(random.normal(size=(300, 3))))
    system = build(Book(RECIPES, MODALITIES), "ladder_vae", modality, levels=3, latent=2, hidden=[8])
    rows = modality.store(Records(random.normal(size=(300, 3))))
    # The second says nothing: its change is none.
    for values in system.model.levels[1].posterior.away.head.parameters():
        torch.nn.init.zeros_(values)
    torch.nn.init.normal_(system.model.levels[0].posterior.away.head.weight, std=2.0)
    torch.nn.init.normal_(system.model.levels[2].posterior.away.head.weight, std=2.0)
    found = measure_latents(system, rows)
    levels = found.levels
    assert [level.name for level in levels] == ["level1", "level2", "level3"] and [level.width for level in levels] == [2, 2, 2]
    assert sum(level.rate for level in levels) == pytest.approx(found.rate, rel=1e-5)
    assert levels[1].rate == pytest.approx(0, abs=1e-6) and levels[1].active == 0 and found.variance_of_means[2:4].max() < 1e-6
    assert min(levels[0].active, levels[2].active) == 2
    # A latent that says nothing lies where its prior does, wherever that is.
    assert np.abs(found.aggregate_mean[2:4]).max() < 1e-5 and np.abs(found.aggregate_spread[2:4] - 1).max() < 1e-5
    assert found.marginal_kl == pytest.approx(levels[0].rate - found.mutual_information)
    assert [f["value"] for f in found.figures() if f["name"].startswith("rate of")] == [level.rate for level in levels]
    settled = replace(found, use=found.rate, aggregate_mean=np.zeros(6), aggregate_spread=np.ones(6))
    judged = verdict(settled, Tried({"levels": 3, "latent": 2}))
    assert judged.name == "unused levels" and judged.state == "warn" and "1 of 3 latents" in judged.sentences[0]
    assert "levels=2" in judged.remedy


def test_a_class_that_is_read_from_a_latent_is_no_latent_of_its_own():
    random = np.random.default_rng(0)
    records = Records(random.normal(size=(90, 3)), label=np.arange(90) % 3, classes=("a", "b", "c"))
    torch.manual_seed(0)
    modality = MODALITIES["vector"]().fit(records)
    system = build(Book(RECIPES, MODALITIES), "m1", modality, latent=2, hidden=[8])
    # So sure of every class that the probability of another is zero to the bit.
    for values in system.model.classifier.parameters():
        values.data.mul_(1e6)
    found = measure_latents(system, modality.store(records))
    assert found.width == 2 and found.levels == [] and np.isfinite(found.mismatch).all() and np.isfinite(found.kl).all()


def test_of_rows_in_an_order_the_latent_is_used_no_less():
    x = np.repeat([-1.0, 1.0], 200)[:, None]
    system, rows = system_of(Map(np.eye(1), np.zeros(1), latent(0.1)), Map(np.eye(1), np.zeros(1), normal(0.1)), x)
    # Half of all pairs are of both kinds: 2^2 / (2 0.1^2) nats each.
    assert measure_latents(system, rows).use == pytest.approx(100, rel=0.2)


def test_fewer_dimensions_are_those_of_one_latent():
    active = np.concatenate([np.arange(8) < count for count in (5, 4, 2)])
    found = replace(
        with_rate(12.0, 24, 11), kl=np.where(active, 1.0, 0.0), variance_of_means=np.where(active, 0.5, 0.0),
        rates={"level1": 5.0, "level2": 4.0, "level3": 3.0}, widths={"level1": 8, "level2": 8, "level3": 8},
    )
    judged = verdict(found, Tried({"latent": 8}))
    assert judged.name == "partly collapsed" and "11 of 24" in judged.sentences[0] and "latent=5" in judged.remedy
    # A class is a latent too, and none that can be made narrower; nor can one be asked for that is wider than it is.
    kl = np.concatenate([np.full(8, np.nan), found.kl[8:]])
    assert "latent=4" in verdict(replace(found, kl=kl), Tried({"latent": 8})).remedy
    assert "latent=" not in verdict(found, Tried({"latent": 5})).remedy
