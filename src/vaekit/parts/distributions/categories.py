r"""q(z|x) over categories at each position: z is one-hot, and while training it may be relaxed.

    log q(z) = sum_k z_k log pi_k,   relaxed: z = softmax((log pi + g) / t), g ~ Gumbel(0, 1)

A relaxed draw has a gradient but is no category: it has no probability under pi, so asking for one is an error, and the rate is the
categories' own. (Jang, Gu, Poole 2017, arXiv:1611.01144; Maddison, Mnih, Teh 2017, arXiv:1611.00712)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import one_hot
from torch.types import _size

from vaekit.core.dispatch import centre, codebook, from_noise, soft, stop, temper
from vaekit.parts.distributions.codebook import Categories, Codebook

__all__ = ["OneHot", "RelaxedOneHot", "StraightOneHot"]

_TINY = 1e-6


class OneHot(Distribution):
    """Categories, one-hot.

    Arguments:
        logits: `(S or 1, B, *positions, K)`, of any offset.
        book: of the categories.
    """

    arg_constraints = {}

    def __init__(self, logits: Tensor, book: Categories):
        self.logits, self.book = logits.log_softmax(-1), book
        super().__init__(logits.shape[:2], logits.shape[2:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Any real value."""
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def probs(self) -> Tensor:
        """pi, like the logits."""
        return self.logits.exp()

    @property
    def mean(self) -> Tensor:
        """pi."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """pi (1 - pi)."""
        return self.probs * (1 - self.probs)

    def expand(self, batch_shape: _size, _instance: None = None) -> "OneHot":
        """The same categories for a larger batch."""
        return self.like(self.logits.expand(*batch_shape, *self.event_shape))

    def like(self, logits: Tensor) -> "OneHot":
        """The same kind of distribution with other logits."""
        return OneHot(logits, self.book)

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """One-hot, `(*sample_shape, S, B, *positions, K)`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return _hard(self.logits + _gumbel(torch.rand(shape, device=self.logits.device)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z) of one-hot values, `(S, B)`."""
        # 0 log 0 = 0: an impossible category that was not drawn adds nothing.
        return torch.where(value > 0, value * self.logits, torch.zeros_like(value)).flatten(2).sum(-1)


class RelaxedOneHot(OneHot):
    """Categories whose draws are relaxed, with a gradient.

    Arguments:
        logits: `(S or 1, B, *positions, K)`, of any offset.
        book: of the categories.
        temperature: t, shape (); towards 0 draws become one-hot and gradients noisy.
    """

    has_rsample = True

    def __init__(self, logits: Tensor, book: Categories, temperature: Tensor):
        super().__init__(logits, book)
        self.temperature = temperature

    def like(self, logits: Tensor) -> OneHot:
        """The same kind of distribution with other logits."""
        return type(self)(logits, self.book, self.temperature)

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A point inside the simplex, `(*sample_shape, S, B, *positions, K)`."""
        return self.relaxed(torch.rand(self._extended_shape(torch.Size(sample_shape)), device=self.logits.device))

    def relaxed(self, u: Tensor) -> Tensor:
        """The draw that uniforms of the latent's shape make."""
        return ((self.logits + _gumbel(u)) / self.temperature).softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("a relaxed draw is no category and has no probability: put the model in eval mode, where draws are categories")


class StraightOneHot(RelaxedOneHot):
    """Categories whose draws are one-hot, with the gradient of the relaxed draw beneath.

    Arguments:
        logits: `(S or 1, B, *positions, K)`, of any offset.
        book: of the categories.
        temperature: t, shape ().
    """

    def relaxed(self, u: Tensor) -> Tensor:
        """The category that is nearest to the relaxed draw of these uniforms."""
        relaxed = super().relaxed(u)
        return _hard(relaxed.detach()) + (relaxed - relaxed.detach())


def _hard(scores: Tensor) -> Tensor:
    return one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def _gumbel(u: Tensor) -> Tensor:
    # `rand` may give 0, whose logarithm is infinite.
    return -torch.log(-torch.log(u.clamp(min=torch.finfo(u.dtype).tiny)))


@codebook.register(OneHot)
@codebook.register(RelaxedOneHot)
@codebook.register(StraightOneHot)
def _(d: OneHot) -> Codebook:
    return d.book


@centre.register(OneHot)
@centre.register(RelaxedOneHot)
@centre.register(StraightOneHot)
def _(d: OneHot) -> Tensor:
    return _hard(d.logits)


@soft.register(OneHot)
@soft.register(RelaxedOneHot)
@soft.register(StraightOneHot)
def _(d: OneHot) -> Tensor:
    return d.probs


@stop.register(OneHot)
@stop.register(RelaxedOneHot)
@stop.register(StraightOneHot)
def _(d: OneHot) -> OneHot:
    return d.like(d.logits.detach())


@temper.register(OneHot)
def _(d: OneHot, t: float) -> OneHot:
    return d.like(d.logits / max(t, _TINY))


@from_noise.register(OneHot)
def _(d: OneHot, u: Tensor) -> Tensor:
    # One uniform a position: the category at which the cumulated probability passes it.
    code = (d.probs.cumsum(-1)[..., :-1] < u[..., :1]).sum(-1)
    return one_hot(code, d.book.size).to(d.logits.dtype)


@from_noise.register(RelaxedOneHot)
@from_noise.register(StraightOneHot)
def _(d: RelaxedOneHot, u: Tensor) -> Tensor:
    return d.relaxed(u)
