r"""Families for real numbers and for proportions.

    normal      log p = -(x - m)^2 / 2 s^2 - log s - log(2 pi) / 2
    laplace     log p = -|x - m| / s - log 2 s
    student_t   log p = -(n + 1)/2 log(1 + (x - m)^2 / n s^2) - log s + const(n)
    beta        log p = (a - 1) log x + (b - 1) log(1 - x) - log B(a, b)
"""

import torch
from torch import Tensor, nn
from torch import distributions as D

from vaekit.core.dispatch import from_noise, stop, temper
from vaekit.parts.distributions import OpenBeta, soft_clamp
from vaekit.parts.likelihoods.domain import open_unit, real
from vaekit.parts.likelihoods.likelihood import Likelihood
from vaekit.parts.likelihoods.scale import bounded_scale, scale_from

__all__ = ["Beta", "Laplace", "Normal", "StudentT"]

_TINY = 1e-6


class Normal(Likelihood):
    """x ~ N(m, s^2) by element.

    Arguments:
        event: shape of the elements.
        scale: `network` (one an element and row), `dimension` (one learned an element), `shared` (one, at its closed-form
            optimum), or a positive number (constant, in units of the model's space).
        momentum: of a shared scale's moving means.

    Raises:
        InputError: where the scale is none of these.
    """

    domain = real
    fits = "real numbers with light tails"

    def __init__(self, event: tuple[int, ...], scale: str | float = "network", momentum: float = 0.9):
        source = scale_from(scale, tuple(event), momentum)
        super().__init__(event, numbers=1 + source.numbers)
        self.scale = source

    def forward(self, raw: Tensor) -> D.Normal:
        """The law, batch shape `(S, B, *positions, *event)`."""
        location, *rest = self.split(raw)
        return D.Normal(location, self.scale(*rest).expand_as(location), validate_args=False)


class Laplace(Likelihood):
    """x ~ Laplace(m, s) by element, both from the network.

    Arguments:
        event: shape of the elements.
    """

    domain = real
    fits = "real numbers with sharp peaks or some outliers"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=2)

    def forward(self, raw: Tensor) -> D.Laplace:
        """The law, batch shape `(S, B, *positions, *event)`."""
        location, scale = self.split(raw)
        return D.Laplace(location, bounded_scale(scale), validate_args=False)


class StudentT(Likelihood):
    """x ~ Student(n, m, s) by element; m and s from the network, n > 2 learned by element, so that the variance is finite.

    Arguments:
        event: shape of the elements.
    """

    domain = real
    fits = "real numbers with heavy tails"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=2)
        self.log_excess = nn.Parameter(torch.full(self.event, 1.5))

    def forward(self, raw: Tensor) -> D.StudentT:
        """The law, batch shape `(S, B, *positions, *event)`."""
        location, scale = self.split(raw)
        # n stays below 2 + e^5: beyond it the law is normal, and differences of lgamma lose their digits.
        freedom = 2 + soft_clamp(self.log_excess, -4.0, 5.0).exp()
        return D.StudentT(freedom.expand_as(location), location, bounded_scale(scale), validate_args=False)


class Beta(Likelihood):
    """x ~ Beta by element, mean and concentration from the network.

    Arguments:
        event: shape of the elements.
    """

    domain = open_unit
    fits = "proportions strictly between 0 and 1"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=2)

    def forward(self, raw: Tensor) -> OpenBeta:
        """The law, batch shape `(S, B, *positions, *event)`."""
        logits, log_concentration = self.split(raw)
        # The start, raw = 0, is nearly the uniform law: concentration 2.
        return OpenBeta(soft_clamp(logits, -10.0, 10.0), 2 * soft_clamp(log_concentration, -6.0, 6.0).exp())


@temper.register(D.Laplace)
def _(d: D.Laplace, t: float) -> D.Laplace:
    return D.Laplace(d.loc, d.scale * max(t, _TINY), validate_args=False)


@stop.register(D.Laplace)
def _(d: D.Laplace) -> D.Laplace:
    return D.Laplace(d.loc.detach(), d.scale.detach(), validate_args=False)


@from_noise.register(D.Laplace)
def _(d: D.Laplace, u: Tensor) -> Tensor:
    return d.icdf(u)


@temper.register(D.StudentT)
def _(d: D.StudentT, t: float) -> D.StudentT:
    return D.StudentT(d.df, d.loc, d.scale * max(t, _TINY), validate_args=False)


@stop.register(D.StudentT)
def _(d: D.StudentT) -> D.StudentT:
    return D.StudentT(d.df.detach(), d.loc.detach(), d.scale.detach(), validate_args=False)
