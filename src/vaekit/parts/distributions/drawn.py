r"""A joint density of coordinates that is asked for at a draw and nowhere else.

    log q(z|x) - log p(z|y),   z ~ q(z|x),   y ~ q(y|z)

Where what a prior is told was itself inferred from the draw, the closed form of KL(q || p) for that y is not the mean over draws: it
would let z vary while y stands still. This type has no rule for a KL, so that the draw's own ratio is taken.
"""

from torch import Tensor
from torch.distributions import Independent

from vaekit.core.dispatch import centre, from_noise, soft, stop, temper

__all__ = ["Drawn"]


class Drawn(Independent):
    """A distribution whose last axes are one event, as `Independent`, but with no KL in closed form."""


@temper.register(Drawn)
def _(d: Drawn, t: float) -> Drawn:
    return Drawn(temper(d.base_dist, t), d.reinterpreted_batch_ndims, validate_args=False)


@centre.register(Drawn)
def _(d: Drawn) -> Tensor:
    return centre(d.base_dist)


@soft.register(Drawn)
def _(d: Drawn) -> Tensor:
    return soft(d.base_dist)


@stop.register(Drawn)
def _(d: Drawn) -> Drawn:
    return Drawn(stop(d.base_dist), d.reinterpreted_batch_ndims, validate_args=False)


@from_noise.register(Drawn)
def _(d: Drawn, u: Tensor) -> Tensor:
    return from_noise(d.base_dist, u)
