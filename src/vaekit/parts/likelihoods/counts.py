r"""Families for counts 0, 1, 2, ...

    poisson             P = m^x e^-m / x!                                               Var = m
    negative_binomial   P = G(x + r) / (G(r) x!) (r / (r + m))^r (m / (r + m))^x        Var = m + m^2 / r
    zero_inflated_*     P = g [x = 0] + (1 - g) P_base
"""

from typing import ClassVar

from torch import Tensor
from torch import distributions as D
from torch.distributions import Distribution

from vaekit.core.dispatch import stop
from vaekit.parts.distributions import ZeroInflated, soft_clamp
from vaekit.parts.likelihoods.domain import counts
from vaekit.parts.likelihoods.likelihood import Likelihood

__all__ = ["NegativeBinomial", "Poisson", "ZeroInflatedNegativeBinomial", "ZeroInflatedPoisson"]

_RATE = (-12.0, 14.0)
_DISPERSION = (-7.0, 7.0)


class Poisson(Likelihood):
    """x ~ Poisson(m) by element, log m from the network.

    Arguments:
        event: shape of the elements.
    """

    domain = counts
    fits = "counts whose variance is their mean"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=1)

    def forward(self, raw: Tensor) -> D.Poisson:
        """The law, batch shape `(S, B, *positions, *event)`."""
        return D.Poisson(soft_clamp(self.split(raw)[0], *_RATE).exp(), validate_args=False)


class NegativeBinomial(Likelihood):
    """x ~ NB(mean m, dispersion r) by element, log m and log r from the network.

    Arguments:
        event: shape of the elements.
    """

    domain = counts
    fits = "counts that vary more than their mean"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=2)

    def forward(self, raw: Tensor) -> D.NegativeBinomial:
        """The law, batch shape `(S, B, *positions, *event)`."""
        log_mean, log_dispersion = self.split(raw)
        log_dispersion = soft_clamp(log_dispersion, *_DISPERSION)
        return D.NegativeBinomial(log_dispersion.exp(), logits=soft_clamp(log_mean, *_RATE) - log_dispersion, validate_args=False)


class _ZeroInflated(Likelihood):
    """A family of counts wrapped in extra zeros; the last number of each element is their logit."""

    domain = counts
    counted: ClassVar[type[Poisson] | type[NegativeBinomial]]

    def __init__(self, event: tuple[int, ...]):
        base = self.counted(event)
        super().__init__(event, numbers=base.numbers + 1)
        self.base = base

    def forward(self, raw: Tensor) -> Distribution:
        """The law, batch shape `(S, B, *positions, *event)`."""
        return ZeroInflated(self.base(raw[..., : self.base.size]), self.split(raw)[-1])


class ZeroInflatedPoisson(_ZeroInflated):
    """Poisson counts with extra zeros.

    Arguments:
        event: shape of the elements.
    """

    fits = "counts with more zeros than a Poisson law makes"
    counted = Poisson


class ZeroInflatedNegativeBinomial(_ZeroInflated):
    """Negative-binomial counts with extra zeros.

    Arguments:
        event: shape of the elements.
    """

    fits = "over-dispersed counts with more zeros than a negative-binomial law makes"
    counted = NegativeBinomial


@stop.register(D.Poisson)
def _(d: D.Poisson) -> D.Poisson:
    return D.Poisson(d.rate.detach(), validate_args=False)


@stop.register(D.NegativeBinomial)
def _(d: D.NegativeBinomial) -> D.NegativeBinomial:
    return D.NegativeBinomial(d.total_count.detach(), logits=d.logits.detach(), validate_args=False)
