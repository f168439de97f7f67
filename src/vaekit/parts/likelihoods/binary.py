r"""Families for what lies at, or between, 0 and 1.

    bernoulli             log P = x log p + (1 - x) log(1 - p),   x in {0, 1}
    continuous_bernoulli  the same shape on [0, 1], normalised
"""

from torch import Tensor
from torch import distributions as D

from vaekit.parts.distributions import ContinuousBernoulli as _ContinuousBernoulli
from vaekit.parts.distributions import soft_clamp
from vaekit.parts.likelihoods.domain import binary, unit
from vaekit.parts.likelihoods.likelihood import Likelihood

__all__ = ["Bernoulli", "ContinuousBernoulli"]


class Bernoulli(Likelihood):
    """x ~ Bernoulli(sigma(l)) by element.

    Arguments:
        event: shape of the elements.
    """

    domain = binary
    fits = "0/1 values"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=1)

    def forward(self, raw: Tensor) -> D.Bernoulli:
        """The law, batch shape `(S, B, *positions, *event)`."""
        return D.Bernoulli(logits=self.split(raw)[0], validate_args=False)


class ContinuousBernoulli(Likelihood):
    """x ~ CB(l) by element. (Loaiza-Ganem, Cunningham 2019, arXiv:1907.06845)

    Arguments:
        event: shape of the elements.
    """

    domain = unit
    fits = "values in [0, 1], ends included"

    def __init__(self, event: tuple[int, ...]):
        super().__init__(event, numbers=1)

    def forward(self, raw: Tensor) -> _ContinuousBernoulli:
        """The law, batch shape `(S, B, *positions, *event)`."""
        # Beyond it the density is a spike of width e^-7 at an end, which would reward constant cells without limit.
        return _ContinuousBernoulli(soft_clamp(self.split(raw)[0], -1000.0, 1000.0))
