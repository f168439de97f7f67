"""What every task promises: shapes and units, determinism, bounded chunks that change nothing, and a model left as it was."""

import numpy as np
import pytest
import torch

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, from_posterior
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks import decode, denoise, encode, generate, interpolate, reconstruct, score, traverse
from vaekit.tasks.score import Block
from vaekit.tasks.walk import VALUES, at_rest, batches, chunk, layout, noise_of

N = 40
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 17, (N, 8, 8)).astype(np.uint8)
NUMBERS = rng.normal(3, 2, (N, 5))
CLASS = rng.integers(0, 3, (N, 1))

CASES = {
    "levels": ("image", {}, Records(IMAGES)),
    "binarised": ("image", {"binarise": "dynamic"}, Records((IMAGES * 15).astype(np.uint8))),
    "numbers": ("vector", {}, Records(NUMBERS)),
    "gaps": ("vector", {"gaps": True}, Records(np.where(rng.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS))),
    "counts": ("vector", {}, Records(rng.poisson(3, (N, 4)).astype(np.int64))),
    "bits": ("vector", {}, Records(rng.integers(0, 2, (N, 6)).astype(np.int64))),
    "codes": ("vector", {"likelihood": {"name": "categorical", "classes": 4}}, Records(rng.integers(0, 4, (N, 3)))),
    "conditional": ("vector", {}, Records(NUMBERS, condition=CLASS, condition_columns=("kind",))),
}


def made(case: str, recipe: str = "vae", **arguments) -> tuple[System, dict[str, torch.Tensor]]:
    name, options, records = CASES[case]
    torch.manual_seed(0)
    modality = MODALITIES[name](**options).fit(records)
    return build(Book(RECIPES, MODALITIES), recipe, modality, **{"latent": 3, "hidden": [16], **arguments}), modality.store(records)


def part(rows: dict[str, torch.Tensor], index: slice | torch.Tensor) -> dict[str, torch.Tensor]:
    return {name: values[index] for name, values in rows.items()}


def given(case: str) -> dict[str, int]:
    return {"condition": 1} if case == "conditional" else {}


every = pytest.mark.parametrize("case", CASES)


@every
def test_a_task_gives_the_rows_in_their_own_shape_and_type(case):
    system, rows = made(case)
    raw = CASES[case][2].x
    drawn = generate(system, 7, **given(case))
    assert drawn.shape == (7, *raw.shape[1:]) and drawn.dtype == raw.dtype
    for values in (reconstruct(system, rows), reconstruct(system, rows, mean=False), denoise(system, rows, draws=3)):
        assert values.shape == raw.shape and values.dtype == raw.dtype and np.isfinite(values).all()
    found = encode(system, rows)
    assert found.mean.shape == found.spread.shape == found.sample.shape == (N, 3) and (found.spread > 0).all()
    assert interpolate(system, part(rows, slice(0, 2)), part(rows, slice(2, 4)), steps=5).shape == (2, 5, *raw.shape[1:])
    assert traverse(system, part(rows, slice(0, 2)), dimensions=[0, 2], steps=4).shape == (2, 2, 4, *raw.shape[1:])
    assert traverse(system, **given(case)).shape == (1, 3, 7, *raw.shape[1:])


@every
def test_the_same_seed_gives_the_same_and_another_seed_another(case):
    system, rows = made(case)
    for task in (
        lambda seed: generate(system, 20, seed=seed, **given(case)), lambda seed: encode(system, rows, seed).sample,
        lambda seed: score(system, rows, 4, seed).nats, lambda seed: reconstruct(system, rows, seed, mean=False),
    ):
        assert np.array_equal(task(1), task(1)) and not np.array_equal(task(1), task(2))


@every
def test_a_score_and_an_encoding_belong_to_the_row(case):
    system, rows = made(case)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    whole, mixed = score(system, rows, 70), score(system, part(rows, order), 70, values=1)
    pieces = [score(system, part(rows, slice(a, a + 11)), 70) for a in range(0, N, 11)]
    for name in ("nats", "distortion", "rate", "effective_sample_size", "bits_per_dimension"):
        assert np.allclose(getattr(whole, name)[order], getattr(mixed, name), rtol=1e-5, atol=1e-5), name
        assert np.allclose(getattr(whole, name), np.concatenate([getattr(p, name) for p in pieces]), rtol=1e-5, atol=1e-5), name
    codes, parts = encode(system, rows), [encode(system, part(rows, slice(a, a + 11))) for a in range(0, N, 11)]
    assert np.allclose(codes.sample, np.concatenate([p.sample for p in parts]), atol=1e-6)


def test_what_stands_in_a_gap_reaches_neither_a_score_nor_an_encoding():
    system, rows = made("gaps")
    other = {**rows, "x": torch.where(rows["observed"], rows["x"], torch.full((), 77.0))}
    assert not torch.equal(rows["x"], other["x"])
    assert np.array_equal(score(system, rows, 5).nats, score(system, other, 5).nats)
    assert np.array_equal(encode(system, rows).sample, encode(system, other).sample)


def test_a_score_is_the_log_mean_of_its_weights_whatever_the_blocks():
    system, rows = made("numbers")
    found = score(system, rows, 70)
    log_weight = []
    with at_rest(system):
        for batch in batches(system, rows):
            for start, size in ((0, 50), (50, 20)):
                trace = system.model(batch, from_posterior(size, Block(noise_of(batch, 0), start)))
                log_weight.append(trace.log_weight().double())
    weights = torch.cat(log_weight)
    wanted = weights.logsumexp(0) - np.log(70) - np.log(CASES["numbers"][2].x.std(0)).sum()
    assert np.allclose(found.nats, wanted.numpy(), atol=1e-5)
    ratio = weights.softmax(0)
    assert np.allclose(found.effective_sample_size, (1 / ratio.square().sum(0)).numpy(), rtol=1e-6)
    assert np.allclose(found.bits_per_dimension, -found.nats / 5 / np.log(2))


@pytest.mark.parametrize("particles", [1, 16, 70])
@pytest.mark.parametrize("case", CASES)
def test_the_bound_of_every_row_is_no_lower_than_that_of_its_own_distortion_and_rate(case, particles):
    found = score(*made(case), particles)
    apart = found.nats + found.distortion + found.rate
    assert (apart >= -1e-9 * np.abs(found.nats)).all()
    # One draw has one weight: then all three say the same.
    assert np.allclose(apart, 0, atol=1e-6) if particles == 1 else apart.max() > 1e-4


def test_the_rate_of_a_score_is_the_exact_one_on_average():
    system, rows = made("numbers")
    with at_rest(system):
        exact = torch.cat([system.model(batch, from_posterior(1, noise_of(batch, 0))).kl()[0] for batch in batches(system, rows)]).numpy()
    assert np.allclose(score(system, rows, 4000).rate, exact, atol=0.1)


def test_bits_per_dimension_count_the_seen_values_alone():
    system, rows = made("gaps")
    found, seen = score(system, rows, 5), rows["observed"].sum(1).numpy()
    assert len(set(seen)) > 1
    assert np.allclose(found.bits_per_dimension * seen * np.log(2), -found.nats)


def test_a_density_is_quoted_in_the_data_s_own_units():
    (one, rows), scale = made("numbers"), 1000.0
    records = Records(NUMBERS * scale)
    torch.manual_seed(0)
    modality = MODALITIES["vector"]().fit(records)
    other = build(Book(RECIPES, MODALITIES), "vae", modality, latent=3, hidden=[16])
    before, after = score(one, rows, 200).nats.mean(), score(other, modality.store(records), 200).nats.mean()
    assert np.isclose(before - after, 5 * np.log(scale), atol=0.05)


def test_a_task_leaves_model_and_generator_as_they_were():
    system, rows = made("levels")
    system.model.train()
    system.model.posterior.eval()
    modes, state = [m.training for m in system.model.modules()], torch.get_rng_state()
    generate(system, 3), encode(system, rows), score(system, rows, 2), traverse(system), reconstruct(system, rows)
    assert [m.training for m in system.model.modules()] == modes and torch.equal(torch.get_rng_state(), state)
    with pytest.raises(InputError):
        score(system, rows, particles=0)
    assert [m.training for m in system.model.modules()] == modes


def test_a_task_runs_in_eval_mode():
    system, rows = made("levels", dropout=0.5)
    system.model.train()
    assert np.array_equal(encode(system, rows).mean, encode(system, rows).mean)


def test_generated_bits_are_draws_and_not_modes():
    system, _ = made("bits")
    drawn = generate(system, 4000)
    assert set(np.unique(drawn)) == {0, 1}
    probability = torch.sigmoid(torch.as_tensor(_mean_logits(system)))
    assert np.abs(drawn.mean(0) - probability.numpy()).max() < 0.05 and 0.05 < drawn.mean() < 0.95


def _mean_logits(system: System) -> np.ndarray:
    """Logits at the prior's centre; an untrained decoder hardly moves them."""
    with at_rest(system):
        return system.model(Batch(size=1), centre()).likelihood.logits[0, 0].numpy()


def test_temperature_zero_is_the_prior_s_centre():
    system, _ = made("numbers")
    cold = generate(system, 5, temperature=0.0, mean=True)
    assert np.allclose(cold, decode(system, np.zeros((1, 3))), atol=1e-4)
    assert generate(system, 200, mean=True).std(0).min() > 10 * cold.std(0).max()


@every
def test_decoding_the_means_is_reconstructing(case):
    system, rows = made(case)
    condition = CASES[case][2].condition
    assert np.allclose(decode(system, encode(system, rows).mean, condition), reconstruct(system, rows), atol=1e-5)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_path_goes_from_one_reconstruction_to_the_other(path):
    system, rows = made("numbers")
    starts, ends = part(rows, slice(0, 6)), part(rows, slice(6, 12))
    way = interpolate(system, starts, ends, steps=5, path=path)
    assert np.allclose(way[:, 0], reconstruct(system, starts), atol=1e-4)
    assert np.allclose(way[:, -1], reconstruct(system, ends), atol=1e-4)
    a, b = (encode(system, r).mean.astype(float) for r in (starts, ends))
    t = 0.25
    if path == "linear":
        z = (1 - t) * a + t * b
    else:
        angle = np.arccos((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))[:, None]
        z = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    assert np.allclose(way[:, 1], decode(system, z), atol=1e-3)


def test_a_spherical_path_between_equal_rows_stays_there():
    system, rows = made("numbers")
    same = part(rows, slice(0, 3))
    way = interpolate(system, same, same, steps=4, path="spherical")
    assert np.allclose(way, reconstruct(system, same)[:, None], atol=1e-4)


def test_a_traverse_moves_one_coordinate_alone():
    system, rows = made("numbers")
    one = part(rows, slice(0, 1))
    z = encode(system, one).mean.repeat(3, 0)
    z[:, 1] = [-2, 0, 2]
    assert np.allclose(traverse(system, one, dimensions=[1], span=(-2, 2), steps=3)[0, 0], decode(system, z), atol=1e-5)


def test_denoising_averages_the_posterior():
    system, rows = made("numbers")
    found = encode(system, rows)
    rng = np.random.default_rng(0)
    draws = [decode(system, found.mean + found.spread * rng.standard_normal((N, 3))) for _ in range(300)]
    assert np.abs(denoise(system, rows, draws=300) - np.mean(draws, 0)).max() < 0.25 * np.std(draws, 0).max()


def test_the_plain_autoencoder_has_neither_prior_nor_bound_and_says_so():
    system, rows = made("numbers", "autoencoder")
    with pytest.raises(InputError, match=r"autoencoder has no prior to draw from.*use vae"):
        generate(system, 3)
    with pytest.raises(InputError, match=r"autoencoder has no likelihood bound.*use vae"):
        score(system, rows)
    found = encode(system, rows)
    assert (found.spread == 0).all() and np.array_equal(found.mean, found.sample)
    assert np.allclose(denoise(system, rows), reconstruct(system, rows), atol=1e-5)


@pytest.mark.parametrize(("words", "task"), [
    ("count must be 1", lambda s, r: generate(s, 0)),
    ("temperature must be 0", lambda s, r: generate(s, 1, temperature=-1)),
    ("has no condition", lambda s, r: generate(s, 1, condition=2)),
    ("there are no rows", lambda s, r: encode(s, part(r, slice(0, 0)))),
    ("particles must be 1", lambda s, r: score(s, r, 0)),
    ("draws must be 1", lambda s, r: denoise(s, r, 0)),
    ("path 'linaer' is unknown: did you mean 'linear'", lambda s, r: interpolate(s, r, r, path="linaer")),
    ("steps must be 2", lambda s, r: interpolate(s, r, r, steps=1)),
    ("40 start rows do not pair with 3", lambda s, r: interpolate(s, r, part(r, slice(0, 3)))),
    ("dimension 3 is not one of the latent's 0..2", lambda s, r: traverse(s, r, dimensions=[3])),
    ("latents have 4 numbers a row, but the model has 3", lambda s, r: decode(s, np.zeros((2, 4)))),
    ("latents must have shape", lambda s, r: decode(s, np.zeros(3))),
    ("not finite in row 2", lambda s, r: decode(s, [[0, 0, 0], [0, np.nan, 0]])),
])
def test_a_wrong_argument_is_one_clear_line(words, task):
    system, rows = made("numbers")
    with pytest.raises(InputError, match=words) as caught:
        task(system, rows)
    assert "\n" not in str(caught.value)


def test_a_conditional_model_asks_for_its_condition():
    system, _ = made("conditional")
    with pytest.raises(InputError, match="needs a condition: give condition kind"):
        generate(system, 2)
    assert generate(system, 3, condition=[0, 1, 2]).shape == (3, 5)


def test_chunks_are_bounded():
    system, _ = made("levels")
    assert chunk(system, particles=50) * 50 * 64 <= VALUES and chunk(system, 1 << 30) == 1 and chunk(system) <= 8192
    assert layout(system).width == 3
