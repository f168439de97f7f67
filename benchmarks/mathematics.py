r"""Whether the likelihoods are right, where they are known.

    linear     x = W z + b + s e,  z, e ~ N(0, I)   so   log p(x) = log N(x; b, W W^T + s^2 I), minus the log of the data's own scales
    discrete   sum of p(x) over all 2^9 images of 3 x 3 bits = 1

Both models are trained by the project's own loop first; then its importance sampling is held against the closed form, which scipy
computes from the trained weights, and against one.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from record import Record, arguments, bar, figure, run
from scipy.stats import multivariate_normal
from torch import nn

from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.evaluation.likelihood import importance_nll
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks.score import score
from vaekit.training import Settings, fit

_COLUMNS, _LATENT, _SCALE = 8, 3, 0.5
_SIDE = 3


@dataclass(frozen=True)
class _Feed:
    train: Loader
    validation: Loader


def trained(system: System, records: Records, epochs: int, seed: int) -> System:
    """The system after training on the records, the last 500 of which are watched."""
    rows = system.modality.store(records)
    parts = ({name: values[part] for name, values in rows.items()} for part in (slice(-500), slice(-500, None)))
    train, watched = (Loader(part, system.modality, 128, seed) for part in parts)
    fit(system, _Feed(train, watched), Settings.checked(epochs=epochs, batch=128, rate=5e-3, validations=2, precision="32", seed=seed))
    return system


def linear(record: Record, particles: int, seed: int) -> None:
    """Importance sampling against the closed form, on held-out rows in their own units."""
    draw = np.random.default_rng(seed)
    mixing = draw.normal(size=(_COLUMNS, _LATENT))
    noise = draw.normal(size=(6_500, _COLUMNS))
    raw = 10 ** np.linspace(-2, 2, _COLUMNS) * (draw.normal(size=(6_500, _LATENT)) @ mixing.T + 0.5 * noise + 3)
    known, held_out = Records(raw[:-1_000]), Records(raw[-1_000:])
    modality = MODALITIES["vector"]().fit(known)
    torch.manual_seed(seed)
    writer = nn.Linear(_LATENT, _COLUMNS)
    likelihood = {"name": "normal", "scale": _SCALE}
    ends = {"reader": nn.Linear(_COLUMNS, 2 * _LATENT), "writer": writer}
    system = trained(build(Book(RECIPES, MODALITIES), "vae", modality, latent=_LATENT, likelihood=likelihood, **ends), known, 20, seed)
    found = importance_nll(system, modality.store(held_out), particles, seed)
    weight, bias = (p.detach().double().numpy() for p in (writer.weight, writer.bias))
    location, scale = known.x.mean(0), known.x.std(0)
    marginal = multivariate_normal(bias, weight @ weight.T + _SCALE**2 * np.eye(_COLUMNS))
    truth = -float(np.mean(marginal.logpdf((held_out.x - location) / scale) - np.log(scale).sum()))
    error, n = abs(found.nll - truth), found.rows
    how = f"linear Gaussian model of {_COLUMNS} columns, {_LATENT} latents, trained, then {particles:,} importance samples a row"
    record.add(
        figure("NLL by the closed form", truth, "nats", n, "scipy's multivariate normal, in the data's own units", seed),
        figure("NLL by importance sampling", found.nll, "nats", n, how, seed),
        figure("difference", error, "nats", n, "absolute", seed, at_most=0.02),
        figure("difference in standard errors", error / found.standard_error, "", n, "of the importance estimate", seed, at_most=3.0),
    )


def discrete(record: Record, particles: int, seed: int) -> None:
    """The probabilities of all states of a small binary model."""
    draw = np.random.default_rng(seed)
    patterns = draw.random((4, _SIDE, _SIDE)) < 0.5
    flipped = draw.random((4_000, _SIDE, _SIDE)) < 0.1
    seen = Records((patterns[draw.integers(4, size=4_000)] ^ flipped).astype(np.uint8))
    states = np.array(list(itertools.product((0, 1), repeat=_SIDE**2)), np.uint8).reshape(-1, _SIDE, _SIDE)
    modality = MODALITIES["image"]().fit(seen)
    torch.manual_seed(seed)
    # The importance-weighted bound leaves a posterior that is wide enough to sample rare states from.
    system = build(Book(RECIPES, MODALITIES), "iwae", modality, latent=2, hidden=[32], particles=10)
    found = score(trained(system, seen, 40, seed), modality.store(Records(states)), particles, seed)
    nats, n = found.nats, len(states)
    total = float(np.exp(nats).sum())
    error = float(np.sqrt((np.exp(2 * nats) * (1 / found.effective_sample_size - 1 / particles)).sum()))
    entropy = -float((np.exp(nats) * nats).sum())
    how = f"all {n} images of {_SIDE} x {_SIDE} bits, two latents, iwae with 10 particles, {particles:,} importance samples a state"
    record.add(
        figure("sum of all probabilities", total, "", n, how, seed),
        figure("standard error of the sum", error, "", n, "from the random latents", seed),
        figure("distance from 1", abs(total - 1), "", n, "absolute", seed, at_most=1e-3),
        figure("entropy of the model", entropy, "nats", n, f"uniform would be {np.log(n):.2f}: it has learned something", seed),
    )


def measure(options: Any, record: Record) -> None:
    """Both models, one after the other."""
    with bar("models", 2) as reach:
        linear(record, options.particles, options.seed)
        reach(1)
        discrete(record, options.state_particles, options.seed)
        reach(2)


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--particles", type=int, default=5_000, help="importance samples a row of the linear model")
    parser.add_argument("--state-particles", type=int, default=200_000, help="importance samples a state of the discrete model")
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, "Right mathematics", measure)


if __name__ == "__main__":
    raise SystemExit(main())
