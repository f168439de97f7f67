r"""Training steps written by hand, in torch alone: the same losses on the same networks as a recipe's, and nothing around them.

They are given networks, so that both sides of a race have the same layers; what they leave out is what a trainer adds: readings, traces,
a choice of who draws, other likelihoods. Each is a function from rows `(B, 784)` to the losses that one backward is taken of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, layer_norm, softplus

__all__ = ["BY_HAND", "Layers"]


@dataclass(frozen=True)
class Layers:
    """The networks of both sides.

    Arguments:
        encoder: from rows to `(B, 2 latent)`.
        decoder: from latents to logits `(B, 784)`.
        critic: from rows to features, and from features to a logit `(B, 1)`; None = there is none.
        population: training rows.
        book: vectors `(K, width)` and how many rows each has, `(K,)`; None = there is none.
    """

    encoder: nn.Module
    decoder: nn.Module
    critic: tuple[nn.Module, nn.Module] | None
    population: int
    book: tuple[Tensor, Tensor] | None = None


def _encoded(layers: Layers, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, raw = layers.encoder(x).chunk(2, -1)
    # The same bound on the logarithm of the scale as the recipes' own posterior has.
    log_scale = raw * torch.rsqrt(1 + (raw / 6).square())
    return mean, log_scale, mean + log_scale.exp() * torch.randn_like(mean)


def _rate(mean: Tensor, log_scale: Tensor) -> Tensor:
    return 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)


def _distortion(logits: Tensor, x: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def beta_tc_vae(layers: Layers, x: Tensor, arguments: dict[str, Any]) -> Tensor:
    """-ELBO + (beta - 1) total correlation, stratified."""
    mean, log_scale, z = _encoded(layers, x)
    rows, population = len(x), layers.population
    offsets = ((z.unsqueeze(1) - mean) / log_scale.exp()).square()
    densities = -0.5 * (offsets + math.log(2 * math.pi)) - log_scale
    weights = torch.full((rows, rows), 1 / (rows - 1))
    place = torch.arange(rows)
    weights[place, (place + 1) % rows] = (population - rows + 1) / (population * (rows - 1))
    weights[place, place] = 1 / population
    weights = weights.log()
    together = (densities.sum(-1) + weights).logsumexp(-1)
    apart = (densities + weights.unsqueeze(-1)).logsumexp(-2).sum(-1)
    loss = _distortion(layers.decoder(z), x) + _rate(mean, log_scale) + (arguments["beta"] - 1) * (together - apart)
    return loss.mean()


def vae_gan(layers: Layers, x: Tensor, arguments: dict[str, Any]) -> Tensor:
    """The VAE-GAN's two sides; the critic's parameters are constants to the first and what is decoded is one to the second."""
    assert layers.critic is not None
    below, above = layers.critic

    def judged(rows: Tensor) -> tuple[Tensor, Tensor]:
        features = below((rows - arguments["location"]) / arguments["scale"])
        features = layer_norm(features, features.shape[-1:])
        return features, above(features).squeeze(-1)

    mean, log_scale, z = _encoded(layers, x)
    logits = layers.decoder(z)
    made = layers.decoder(torch.cat([torch.randn_like(z), z.detach()])).sigmoid()
    owned = [*below.parameters(), *above.parameters()]
    for p in owned:
        p.requires_grad_(False)
    with torch.no_grad():
        wanted, _ = judged(x)
    features, _ = judged(logits.sigmoid())
    _, false = judged(made)
    loss = 0.5 * (wanted - features).square().sum(-1) + _rate(mean, log_scale) + arguments["distortion"] * _distortion(logits, x)
    loss = loss.mean() + softplus(-false).mean() / arguments["gamma"]
    for p in owned:
        p.requires_grad_(True)
    real, false = judged(x)[1], judged(made.detach())[1]
    # The step is one in the space that the critic's first layer sees.
    nearby = judged(x + 0.1 * arguments["scale"] * torch.randn_like(x))[1]
    slope = ((nearby - real) / 0.1).square()
    return loss + softplus(-real).mean() + softplus(false).mean() + 0.5 * arguments["penalty"] * x.shape[-1] * slope.mean()


def vq_vae(layers: Layers, x: Tensor, arguments: dict[str, Any]) -> Tensor:
    """Distortion + commitment, with vectors that follow what is encoded as moving means."""
    assert layers.book is not None
    vectors, counts = layers.book
    h = layers.encoder(x).reshape(len(x), -1, vectors.shape[1])
    with torch.no_grad():
        flat = h.flatten(0, 1)
        codes = (0.5 * vectors.square().sum(-1) - flat @ vectors.T).argmin(-1)
        value = vectors[codes].reshape(h.shape)
    z = h + (value - h).detach()
    loss = _distortion(layers.decoder(z.flatten(1)), x) + arguments["commitment"] * (h - value).square().sum((1, 2))
    with torch.no_grad():
        found = torch.zeros(len(counts), 1 + vectors.shape[1]).index_add(0, codes, torch.cat([torch.ones(len(flat), 1), flat], -1))
        totals = (vectors * counts.unsqueeze(-1)).lerp_(found[:, 1:], 0.05)
        counts.lerp_(found[:, 0], 0.05)
        vectors.copy_(totals / counts.clamp(min=1e-9).unsqueeze(-1))
        dead = counts < 0.05 * counts.mean()
        if bool(dead.any()):
            taken = torch.randint(len(flat), (int(dead.sum()),))
            vectors[dead], counts[dead] = flat[taken], counts.mean()
    return loss.mean()


BY_HAND: dict[str, Callable[[Layers, Tensor, dict[str, Any]], Tensor]] = {"beta_tc_vae": beta_tc_vae, "vae_gan": vae_gan, "vq_vae": vq_vae}
