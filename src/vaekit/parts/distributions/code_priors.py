r"""p(z) over codes: uniform, or learned one code after another.

    log p(k) = -P log K          log p(k) = sum_t log p(k_t | k_<t, c)

z holds the codes' values; both read the codes back from them. With a quantiser, KL(q || p) = -log p(k), exactly; with categories under
the uniform prior, KL = sum_t [log K - H(q_t)]; under a learned one it is log q(z) - log p(z) of a draw.
"""

from math import log, prod
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import centre, codebook, divergence, stop, temper
from vaekit.parts.distributions.categories import OneHot, RelaxedOneHot, StraightOneHot
from vaekit.parts.distributions.codebook import Codebook
from vaekit.parts.distributions.quantised import Quantised

__all__ = ["CodeSequence", "Sequences", "UniformCodes"]

_TINY = 1e-6
_ONE = torch.Size((1, 1))


class UniformCodes(Distribution):
    """Every sequence of codes is as probable as any other.

    Arguments:
        book: of the codes.
        positions: of the latent.
        device: where it is.
        batch: batch shape.
    """

    arg_constraints = {}

    def __init__(self, book: Codebook, positions: tuple[int, ...], device: torch.device, batch: torch.Size = _ONE):
        self.book, self.positions, self.device = book, positions, device
        super().__init__(batch, torch.Size((*positions, book.width)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Any real value."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: _size, _instance: None = None) -> "UniformCodes":
        """The same for a larger batch."""
        return UniformCodes(self.book, self.positions, self.device, torch.Size(batch_shape))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """Values of codes."""
        shape = self._extended_shape(torch.Size(sample_shape))[:-1]
        return self.book.values(torch.randint(self.book.size, shape, device=self.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """-P log K, `(S, B)`."""
        return self.of_codes(value[..., 0])

    def of_codes(self, codes: Tensor) -> Tensor:
        """log p(k) of codes `(S, B, *positions)`, `(S, B)`."""
        return torch.full(codes.shape[:2], -prod(self.positions) * log(self.book.size), device=codes.device)


class Sequences(Protocol):
    """A network over sequences of codes."""

    def __call__(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Logits of each code given those before, `(N, P) -> (N, P, K)`."""
        ...

    def draw(self, rows: int, condition: Tensor | None, temperature: float) -> Tensor:
        """Sequences, `(rows, P)`."""
        ...


class CodeSequence(Distribution):
    """Each code given those before it and the condition.

    Arguments:
        network: the logits of each code, and draws.
        book: of the codes.
        positions: of the latent, read line by line.
        condition: `(1, B, width)`; None = nothing.
        batch: batch shape.
        temperature: the logits are divided by it.
        learning: whether its density has a gradient.
    """

    arg_constraints = {}

    def __init__(
        self, network: Sequences, book: Codebook, positions: tuple[int, ...], condition: Tensor | None, batch: torch.Size,
        temperature: float = 1.0, learning: bool = True,
    ):
        self.network, self.book, self.positions, self.condition = network, book, positions, condition
        self.temperature, self.learning = temperature, learning
        super().__init__(batch, torch.Size((*positions, book.width)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Any real value."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def like(self, **changed: object) -> "CodeSequence":
        """The same with something changed."""
        kept = {"batch": self.batch_shape, "temperature": self.temperature, "learning": self.learning}
        return CodeSequence(self.network, self.book, self.positions, self.condition, **{**kept, **changed})  # type: ignore[arg-type]

    def expand(self, batch_shape: _size, _instance: None = None) -> "CodeSequence":
        """The same for a larger batch."""
        return self.like(batch=torch.Size(batch_shape))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """Values of codes, drawn one after another."""
        shape = self._extended_shape(torch.Size(sample_shape))[:-1]
        lead = shape[: len(shape) - len(self.positions)]
        with torch.no_grad():
            codes = self.network.draw(prod(lead), self._given(lead), self.temperature)
        return self.book.values(codes.reshape(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the values' codes, `(S, B)`, nats."""
        return self.of_codes(self.book.codes(value))

    def of_codes(self, codes: Tensor) -> Tensor:
        """log p(k) of codes `(S, B, *positions)`, `(S, B)`, nats."""
        flat = codes.flatten(2).flatten(0, 1)
        logits = self.network(flat, self._given(codes.shape[:2])).float() / self.temperature
        each = logits.log_softmax(-1).gather(-1, flat.unsqueeze(-1)).squeeze(-1)
        found = each.sum(-1).reshape(codes.shape[:2])
        return found if self.learning else found.detach()

    def _given(self, lead: torch.Size) -> Tensor | None:
        """The condition of each sequence, `(N, width)`."""
        c = self.condition
        return None if c is None else c.expand(*lead, c.shape[-1]).reshape(-1, c.shape[-1])


@codebook.register(UniformCodes)
@codebook.register(CodeSequence)
def _(d: UniformCodes | CodeSequence) -> Codebook:
    return d.book


@divergence.register(Quantised, UniformCodes)
@divergence.register(Quantised, CodeSequence)
def _(q: Quantised, p: UniformCodes | CodeSequence) -> Tensor:
    return -p.of_codes(q.codes)


@divergence.register(OneHot, UniformCodes)
@divergence.register(RelaxedOneHot, UniformCodes)
@divergence.register(StraightOneHot, UniformCodes)
def _(q: OneHot, p: UniformCodes) -> Tensor:
    # 0 log 0 = 0, by position.
    return torch.where(q.probs > 0, q.probs * q.logits, torch.zeros_like(q.logits)).sum(-1) + log(p.book.size)


@temper.register(UniformCodes)
@stop.register(UniformCodes)
def _(d: UniformCodes, t: float = 1.0) -> UniformCodes:
    return d


@temper.register(CodeSequence)
def _(d: CodeSequence, t: float) -> CodeSequence:
    return d.like(temperature=d.temperature * max(t, _TINY))


@stop.register(CodeSequence)
def _(d: CodeSequence) -> CodeSequence:
    return d.like(learning=False)


@centre.register(UniformCodes)
def _(d: UniformCodes) -> Tensor:
    # All are as probable: the first code stands for them.
    return d.book.values(torch.zeros((*d.batch_shape, *d.positions), dtype=torch.int64, device=d.device))


@centre.register(CodeSequence)
def _(d: CodeSequence) -> Tensor:
    # The most probable code at each step, which is the limit of cold draws.
    return temper(d, 0.0).sample()
