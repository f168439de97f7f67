r"""Systems whose latents are codes, with a prior over the codes that is learned in a second stage.

| recipe | minimises first | paper |
| --- | --- | --- |
| `vq_vae` | distortion + commitment | van den Oord et al. 2017, arXiv:1711.00937 |
| `fsq_vae` | distortion | Mentzer et al. 2023, arXiv:2309.15505 |
| `gumbel_vae` | distortion + KL(q || uniform) | Jang et al. 2017, arXiv:1611.01144; Maddison et al. 2017, arXiv:1611.00712 |

Then, with all else frozen: -log p(k|c) of a causal transformer. Codes lie on the grid that the data's networks keep; where they keep none,
or where it is asked for by `latent`, a row has so many codes side by side.
"""

from math import prod
from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count, Part, Several
from vaekit.core.errors import InputError
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective, Term
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.networks import CausalTransformer
from vaekit.parts.objectives import KL, CodebookLoss, Commitment, Reconstruction
from vaekit.parts.posteriors import Grid, Quantised, Relaxed, vectors
from vaekit.parts.posteriors.quantised import Learning
from vaekit.parts.posteriors.relaxed import PositiveWeight
from vaekit.parts.priors import Autoregressive

__all__ = ["fsq_vae", "gumbel_vae", "vq_vae"]

# Codes of a row where nobody says how many; rows that a code should have to learn from.
_SIDE_BY_SIDE, _ROWS = 8, 8


def vq_vae(
    modality: Modality, latent: Count | None = None, codes: Several | None = None, width: Count = 16, codebook: Learning = "ema",
    commitment: NonNegativeWeight = 0.25, prior_width: Count = 128, prior_layers: Count = 2, share: Part = 0.4, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The VQ-VAE: -log p(x|e_k) + commitment |h - sg(e_k)|^2, where e_k is the nearest vector of a codebook; then -log p(k).

    Arguments:
        modality: fitted to the data.
        latent: codes of a row, side by side; left out, the grid that the networks keep, or 8 where they keep none.
        codes: K, vectors of the codebook; left out, 128, or one for every 8 rows where that is fewer.
        width: numbers of a vector.
        codebook: how the vectors learn: `ema` as moving means, `gradient` by a loss of their own.
        commitment: weight of the distance between what is encoded and its vector, a number or a schedule.
        prior_width: numbers a code in the prior's transformer.
        prior_layers: blocks of the prior's transformer.
        share: share of the training that learns the prior, in (0, 1).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937.
    """
    family = Quantised(vectors(codebook, _size(modality, codes, 128), width))
    terms = {"ema": (), "gradient": (CodebookLoss(),)}[codebook]
    objective = (Reconstruction(), Commitment(commitment), *terms)
    return _coded(modality, family, objective, latent, (prior_width, prior_layers), share, likelihood, reader, writer, network)


def fsq_vae(
    modality: Modality, latent: Count | None = None, levels: tuple[Several, ...] = (5, 5, 5), prior_width: Count = 128,
    prior_layers: Count = 2, share: Part = 0.4, likelihood: Any = "auto", reader: nn.Module | None = None,
    writer: nn.Module | None = None, **network: Any,
) -> System:
    """The VAE with finite scalar quantisation: -log p(x|z), where each number of z is rounded to a few levels; then -log p(k).

    Arguments:
        modality: fitted to the data.
        latent: codes of a row, side by side; left out, the grid that the networks keep, or 8 where they keep none.
        levels: of each number of a code; their product is how many codes there are.
        prior_width: numbers a code in the prior's transformer.
        prior_layers: blocks of the prior's transformer.
        share: share of the training that learns the prior, in (0, 1).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: Mentzer, Minnen, Agustsson, Tschannen 2023, arXiv:2309.15505.
    """
    family = Quantised(Grid(levels))
    return _coded(modality, family, (Reconstruction(),), latent, (prior_width, prior_layers), share, likelihood, reader, writer, network)


def gumbel_vae(
    modality: Modality, latent: Count | None = None, codes: Several | None = None,
    temperature: PositiveWeight | None = None, hard: bool = False, beta: NonNegativeWeight = 1.0, prior_width: Count = 128,
    prior_layers: Count = 2, share: Part = 0.4, likelihood: Any = "auto", reader: nn.Module | None = None,
    writer: nn.Module | None = None, **network: Any,
) -> System:
    """The VAE with categorical latents: -log p(x|z) + beta KL(q(z|x) || uniform), with draws relaxed while training; then -log p(k).

    Arguments:
        modality: fitted to the data.
        latent: categories of a row, side by side; left out, the grid that the networks keep, or 8 where they keep none.
        codes: K of each; left out, 32, or one for every 8 rows where that is fewer.
        temperature: of the relaxed draws, a number or a schedule; left out, from 1 down to 0.5 over the first half.
        hard: draws are one-hot while training too, with the relaxed draw's gradient.
        beta: weight of the rate, a number or a schedule.
        prior_width: numbers a code in the prior's transformer.
        prior_layers: blocks of the prior's transformer.
        share: share of the training that learns the prior, in (0, 1).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: Jang, Gu, Poole 2017, arXiv:1611.01144; Maddison, Mnih, Teh 2017, arXiv:1611.00712.
    """
    family = Relaxed(_size(modality, codes, 32), temperature, hard)
    objective = (Reconstruction(), KL(beta))
    return _coded(modality, family, objective, latent, (prior_width, prior_layers), share, likelihood, reader, writer, network)


def _size(modality: Modality, codes: int | None, most: int) -> int:
    """How many codes: as many as asked for, else as many as the rows can teach."""
    if codes is not None and codes > modality.rows:
        raise InputError(f"codes={codes} are more than there are rows to learn from ({modality.rows}): give fewer, or leave codes out")
    return codes or max(min(most, modality.rows // _ROWS), 2)


def _coded(
    modality: Modality, family: Quantised | Relaxed, terms: tuple[Term, ...], latent: int | None, prior: tuple[int, int], share: float,
    likelihood: Any, reader: nn.Module | None, writer: nn.Module | None, network: dict[str, Any],
) -> System:
    """A model of codes in two stages: the codes, then their prior."""
    kept = () if latent else modality.grid(own=reader, **network)
    features: Any = modality.reader(grid=bool(kept), own=reader, **network)
    grid, number = features.positions, latent or _SIDE_BY_SIDE
    beside = () if grid else (number,)
    head = None if grid else nn.Sequential(nn.Linear(features.width, number * family.size), nn.Unflatten(-1, (number, family.size)))
    positions, (width, layers) = grid or beside, prior
    transformer = CausalTransformer(family.book.size, prod(positions), modality.condition_width, width, layers, dropout=0.1)
    decoder = modality.writer(family.size * prod(beside), grid, likelihood, own=writer, **network)
    model = VAE(Neural(features, family, head), Autoregressive(family.book, positions, transformer), decoder)
    # What pulls codes and rows together grows as codes spread out, and says nothing of how good they are.
    first = Stage(Objective(*terms), learn=("posterior", "likelihood"), share=1 - share, watch="elbo")
    return System(model, [first, Stage(Objective(KL()), learn=("prior",), share=share)], modality)
