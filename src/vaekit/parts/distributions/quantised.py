r"""q(z|x) of a quantiser: all mass on the value of one code at each position.

    z = v(k(h)),   dz/dh = 1 (straight through),   log q(z) = 0

A mass of one is a probability, not a density without bound: with a prior over the codes, -log p(k) is an exact rate, and
log p(x|z) + log p(k) a lower bound of log p(x). (Bengio, Leonard, Courville 2013, arXiv:1308.3432; van den Oord, Vinyals, Kavukcuoglu 2017,
arXiv:1711.00937)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import centre, codebook, from_noise, soft, stop, temper
from vaekit.parts.distributions.codebook import Codebook

__all__ = ["Quantised"]


class Quantised(Distribution):
    """One code at each position.

    Arguments:
        encoded: h, what the encoder gave, `(S or 1, B, *positions, width)`.
        book: of the codes.
        codes: k, `(S or 1, B, *positions)`; None = those of `encoded`.
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, encoded: Tensor, book: Codebook, codes: Tensor | None = None):
        self.encoded, self.book = encoded, book
        self.codes = book.codes(encoded.detach()) if codes is None else codes
        self.value = book.values(self.codes)
        super().__init__(encoded.shape[:2], encoded.shape[2:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Any real value."""
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        """The value."""
        return self.value

    @property
    def variance(self) -> Tensor:
        """Zero everywhere."""
        return torch.zeros_like(self.value)

    def expand(self, batch_shape: _size, _instance: None = None) -> "Quantised":
        """The same codes for a larger batch."""
        event = self.event_shape
        return Quantised(self.encoded.expand(*batch_shape, *event), self.book, self.codes.expand(*batch_shape, *event[:-1]))

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """The value, whose gradient goes to what was encoded as if nothing had been rounded."""
        # The second summand is zero to the bit, so that what is decoded is a value of the codebook.
        through = self.value.detach() + (self.encoded - self.encoded.detach())
        return through.expand(self._extended_shape(torch.Size(sample_shape)))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """The value, detached."""
        return self.value.detach().expand(self._extended_shape(torch.Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """0 at the value, -inf elsewhere, `(S, B)`."""
        same = (value == self.value).flatten(2).all(-1)
        return torch.zeros(same.shape, device=value.device).masked_fill(~same, -torch.inf)


@codebook.register(Quantised)
def _(d: Quantised) -> Codebook:
    return d.book


@centre.register(Quantised)
@soft.register(Quantised)
def _(d: Quantised) -> Tensor:
    return d.rsample()


@stop.register(Quantised)
def _(d: Quantised) -> Quantised:
    return Quantised(d.encoded.detach(), d.book, d.codes)


@temper.register(Quantised)
def _(d: Quantised, t: float) -> Quantised:
    return d


@from_noise.register(Quantised)
def _(d: Quantised, u: Tensor) -> Tensor:
    return d.rsample().expand(u.shape)
