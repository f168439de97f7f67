r"""q(z|x) that puts all its mass on a value of a codebook.

    vectors  z = e_k,  k = argmin_j |h - e_j|^2                              (van den Oord et al. 2017, arXiv:1711.00937)
    grid     z_i = (2 floor(L_i (tanh h_i + 1) / 2) + 1) / L_i - 1           (after Mentzer et al. 2023, arXiv:2309.15505)

The vectors begin as the centres of k-means on the first batch, seeded as k-means++ seeds (Arthur, Vassilvitskii 2007), and then follow
what is encoded, as moving means or by gradient:

    n_k <- g n_k + (1 - g) |{h: k(h) = k}|,   m_k <- g m_k + (1 - g) sum_{h: k(h) = k} h,   e_k = m_k / n_k

A code that has fallen below a share of what an equal split would give it is revived: it goes to the code with the largest squared error,
one deviation of that code's own rows away, and the two share its mass.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, Several, conform
from vaekit.core.learned import Follows
from vaekit.core.trace import Trace
from vaekit.parts.distributions import Codebook
from vaekit.parts.distributions import Quantised as _Quantised

__all__ = ["Grid", "Learning", "MovingVectors", "Quantised", "Vectors", "vectors"]

Learning = Literal["ema", "gradient"]

_DEAD, _ROUNDS, _SEEDED = 0.05, 10, 8192


class Quantised(Family):
    """A latent of one code at each position.

    Arguments:
        book: the codes and their values; owned by this family.
    """

    def __init__(self, book: Codebook):
        super().__init__()
        self.book, self.size = book, book.width

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(*positions, width)`."""
        return _Quantised(self.book.encoded(raw), self.book)


class Grid(Codebook):
    """Codes by arithmetic: each number of a value is the middle of one of L_i equal parts of (-1, 1); nothing is learned.

    Arguments:
        levels: L_i of each number.

    Raises:
        InputError: where a number has fewer than two levels.
    """

    levels: Tensor
    worth: Tensor

    def __init__(self, levels: Sequence[int]):
        conform("levels", tuple(levels), tuple[Several, ...])
        super().__init__(prod(levels), len(levels))
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("worth", torch.tensor([prod(levels[:i]) for i in range(len(levels))]), persistent=False)

    def encoded(self, raw: Tensor) -> Tensor:
        """An encoder's numbers brought into (-1, 1)."""
        return raw.tanh()

    def codes(self, z: Tensor) -> Tensor:
        """The part that each number falls into, counted up over the numbers."""
        part = ((z + 1) / 2 * self.levels).floor().long()
        return (part.clamp(min=0).minimum(self.levels - 1) * self.worth).sum(-1)

    def values(self, codes: Tensor) -> Tensor:
        """The middle of each part."""
        part = codes.unsqueeze(-1) // self.worth % self.levels
        return (2 * part + 1) / self.levels - 1


class Vectors(Codebook, Follows):
    """Vectors that a loss moves; which codes are used is counted, and those that are not are revived.

    Arguments:
        size: K.
        width: numbers of a vector.
        momentum: g, how much of the counts each step keeps.
    """

    vectors: Tensor
    counts: Tensor
    errors: Tensor
    revived: Tensor

    def __init__(self, size: int, width: int, momentum: float = 0.95):
        conform("codes", size, Several)
        conform("width", width, Count)
        super().__init__(size, width)
        self.momentum = momentum
        self.own(torch.randn(size, width))
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("errors", torch.zeros(size, width))
        self.register_buffer("revived", torch.zeros((), dtype=torch.int64))

    def own(self, first: Tensor) -> None:
        """Keep the vectors, as what learns them needs."""
        self.vectors = nn.Parameter(first)

    def codes(self, z: Tensor) -> Tensor:
        """The nearest vector of each value."""
        # |z|^2 is the same for all codes. A product in half precision would mistake neighbours.
        with torch.autocast(z.device.type, enabled=False):
            e = self.vectors.detach().float()
            distances = torch.addmm(0.5 * e.square().sum(-1), z.detach().float().flatten(0, -2), e.T, alpha=-1)
            return distances.argmin(-1).reshape(z.shape[:-1])

    def values(self, codes: Tensor) -> Tensor:
        """The vectors."""
        return self.vectors[codes]

    @torch.no_grad()
    def start(self, trace: Trace) -> None:
        """Centres of k-means over what the first batch encodes."""
        rows = torch.cat([q.encoded.reshape(-1, self.width) for q in self._found(trace)]).float()
        self.vectors.copy_(_seeds(rows, self.size))
        for _ in range(_ROUNDS):
            self._become(self._statistics(rows))
        found = self._statistics(rows)
        self.counts.copy_(found[:, 0])
        self.errors.copy_(self._errors(found))

    @torch.no_grad()
    def observe(self, trace: Trace) -> Tensor:
        """Of each code how many rows, their sum and their sum of squares, `(K, 1 + 2 width)`."""
        return torch.stack([self._statistics(q.encoded.reshape(-1, self.width), q.codes.flatten()) for q in self._found(trace)]).sum(0)

    @torch.no_grad()
    def after_step(self, observed: Tensor) -> None:
        """Move what is counted by a step's statistics, and revive the codes that are not used."""
        self._follow(observed)
        dead = self.counts < _DEAD * self.counts.mean()
        if bool(dead.any()):
            self._revive(dead)

    def _follow(self, observed: Tensor) -> None:
        self.counts.lerp_(observed[:, 0], 1 - self.momentum)
        self.errors.lerp_(self._errors(observed), 1 - self.momentum)

    def _become(self, observed: Tensor) -> None:
        """Each vector the mean of its rows; one without rows stays."""
        counts = observed[:, :1]
        self.vectors.copy_(torch.where(counts > 0, observed[:, 1 : 1 + self.width] / counts.clamp(min=1e-9), self.vectors))

    def _revive(self, dead: Tensor) -> None:
        """Put each dead code beside the code with the largest error that has none beside it yet."""
        order = torch.where(dead, -1.0, self.errors.sum(-1)).argsort(descending=True)
        places = (dead.cumsum(0) - 1).clamp(min=0)
        shared = dead & (places < (~dead).sum())
        beside = order[places]
        # Drawn alike in every process, whatever their own generators stand at.
        noise = torch.randn(self.vectors.shape, generator=torch.Generator().manual_seed(int(self.revived))).to(self.vectors)
        deviation = (self.errors[beside] / self.counts[beside].clamp(min=1e-9).unsqueeze(-1)).sqrt()
        self.vectors.copy_(torch.where(shared.unsqueeze(-1), self.vectors[beside] + deviation * noise, self.vectors))
        halved = torch.ones_like(self.counts).index_fill_(0, beside[shared], 0.5)
        self.counts.copy_(torch.where(shared, self.counts[beside] / 2, self.counts * halved))
        self.errors.copy_(torch.where(shared.unsqueeze(-1), self.errors[beside] / 2, self.errors * halved.unsqueeze(-1)))
        self.revived += 1

    def _statistics(self, rows: Tensor, codes: Tensor | None = None) -> Tensor:
        rows = rows.detach().float()
        found = torch.cat([torch.ones_like(rows[:, :1]), rows, rows.square()], dim=-1)
        empty = torch.zeros(self.size, found.shape[-1], device=rows.device)
        return empty.index_add(0, self.codes(rows) if codes is None else codes, found)

    def _errors(self, observed: Tensor) -> Tensor:
        """Squared distances of the rows from their code, by coordinate: sum h^2 - 2 e sum h + n e^2."""
        count, total, squares = observed.split([1, self.width, self.width], dim=-1)
        return (squares - 2 * self.vectors * total + count * self.vectors.square()).clamp(min=0)

    def _found(self, trace: Trace) -> list[_Quantised]:
        return [s.posterior for s in trace.sites.values() if isinstance(s.posterior, _Quantised) and s.posterior.book is self]


class MovingVectors(Vectors):
    """Vectors that are moving means of what is encoded as them.

    Arguments:
        size: K.
        width: numbers of a vector.
        momentum: g, how much of the means each step keeps.
    """

    def own(self, first: Tensor) -> None:
        """Keep the vectors as buffers."""
        self.register_buffer("vectors", first)

    def _follow(self, observed: Tensor) -> None:
        totals = self.vectors * self.counts.unsqueeze(-1)
        super()._follow(observed)
        totals.lerp_(observed[:, 1 : 1 + self.width], 1 - self.momentum)
        known = self.counts.unsqueeze(-1)
        self.vectors.copy_(torch.where(known > 0, totals / known.clamp(min=1e-9), self.vectors))


def vectors(learning: Learning, size: int, width: int) -> Vectors:
    """A codebook of vectors.

    Arguments:
        learning: `ema` = moving means, `gradient` = by a loss.
        size: K.
        width: numbers of a vector.

    Raises:
        InputError: where the way of learning is unknown, or a size is out of range.
    """
    conform("codebook", learning, Learning)
    return {"ema": MovingVectors, "gradient": Vectors}[learning](size, width)


def _seeds(rows: Tensor, size: int) -> Tensor:
    """Rows that lie far apart, as k-means++ draws them; where there are too few, they come again, a little way off."""
    # Here, because loading it takes as long as loading everything else.
    from sklearn.cluster import kmeans_plusplus

    some = rows[:: max(len(rows) // _SEEDED, 1)]
    chosen, _ = kmeans_plusplus(some.double().cpu().numpy(), min(size, len(some)), random_state=0)
    seeds = torch.as_tensor(chosen, dtype=rows.dtype, device=rows.device)
    again = seeds[torch.arange(size) % len(seeds)]
    noise = torch.randn(size, rows.shape[1], generator=torch.Generator().manual_seed(0)).to(rows)
    return again + 0.1 * rows.std(0, correction=0) * noise * (torch.arange(size, device=rows.device) >= len(seeds)).unsqueeze(-1)
