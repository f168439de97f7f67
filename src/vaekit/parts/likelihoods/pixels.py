r"""Families for values on equally spaced levels, x = k / (L - 1): bytes, or any few ordered steps.

    discretised_logistic           P(x) = sigma((x + h - m) / s) - sigma((x - h - m) / s),   h = 1 / 2(L - 1), open at both ends
    discretised_logistic_mixture   P(x) = sum_k w_k P_k(x), each element its own mixture

(Salimans, Karpathy, Chen, Kingma 2017, arXiv:1701.05517)
"""

import math

from torch import Tensor
from torch import distributions as D

from vaekit.core.errors import InputError
from vaekit.parts.distributions import DiscretisedLogistic as _DiscretisedLogistic
from vaekit.parts.distributions import soft_clamp
from vaekit.parts.likelihoods import domain
from vaekit.parts.likelihoods.likelihood import Likelihood

__all__ = ["DiscretisedLogistic", "DiscretisedLogisticMixture"]


def _law(location: Tensor, log_scale: Tensor, levels: int) -> _DiscretisedLogistic:
    # Far below a level's width the law is a certainty and its scale has no more to say.
    lowest = math.log(0.5 / (levels - 1)) - 2.5
    # Half a unit either way, so that a fresh network's numbers spread over the levels; raw = 0 is the middle.
    return _DiscretisedLogistic(0.5 + 0.5 * location, 0.25 * soft_clamp(log_scale, lowest + math.log(4), 3.0).exp(), levels)


def _enough(levels: int) -> int:
    if levels < 2:
        raise InputError(f"a discretised likelihood needs at least 2 levels, not {levels}")
    return levels


class DiscretisedLogistic(Likelihood):
    """x ~ a rounded logistic by element, location and scale from the network.

    Arguments:
        event: shape of the elements.
        levels: L >= 2, 256 for bytes.

    Raises:
        InputError: where there are fewer than two levels.
    """

    fits = "pixels and other values on equally spaced levels"

    def __init__(self, event: tuple[int, ...], levels: int = 256):
        super().__init__(event, numbers=2)
        self.levels = _enough(levels)
        self.domain = domain.levels(levels)

    def forward(self, raw: Tensor) -> _DiscretisedLogistic:
        """The law, batch shape `(S, B, *positions, *event)`."""
        location, log_scale = self.split(raw)
        return _law(location, log_scale, self.levels)


class DiscretisedLogisticMixture(Likelihood):
    """x ~ a mixture of rounded logistics by element.

    Arguments:
        event: shape of the elements.
        levels: L >= 2, 256 for bytes.
        components: rounded logistics an element.

    Raises:
        InputError: where there are fewer than two levels, or no component.
    """

    fits = "pixels whose values crowd at several levels"

    def __init__(self, event: tuple[int, ...], levels: int = 256, components: int = 5):
        if components < 1:
            raise InputError(f"a mixture needs at least 1 component, not {components}")
        super().__init__(event, numbers=3 * components)
        self.levels = _enough(levels)
        self.components = components
        self.domain = domain.levels(levels)

    def forward(self, raw: Tensor) -> D.MixtureSameFamily:
        """The law, batch shape `(S, B, *positions, *event)`."""
        logits, location, log_scale = raw.unflatten(-1, (3, *self.event, self.components)).unbind(-2 - len(self.event))
        weights = D.Categorical(logits=logits, validate_args=False)
        return D.MixtureSameFamily(weights, _law(location, log_scale, self.levels), validate_args=False)
