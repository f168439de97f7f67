r"""A mixture of correlated normals in the frame of another: what is drawn of the mixture is turned, stretched and moved as its noise is.

    z = m + L u,   u ~ sum_k w_k N(n_k, L_k L_k^T),   log p(z) = log sum_k w_k N(u; n_k, L_k L_k^T) - sum_d log s_d

with the frame N(m, L L^T), L = (I - A)^-1 diag s. A density takes no inverse, and looks at each component in the frame alone.
"""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, constraints
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper
from vaekit.parts.distributions.correlated_normal import CorrelatedNormal

__all__ = ["CorrelatedMixture"]


class CorrelatedMixture(Distribution):
    """The law of m + L u, with batch shape `(S or 1, B)` and event `(D,)`.

    Arguments:
        frame: N(m, L L^T), of batch shape `(S or 1, B)`.
        weights: w, batch shape `(S or 1, B)`, of K components.
        within: the components' laws of u, batch shape `(S or 1, B, K)`.
    """

    arg_constraints = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, frame: CorrelatedNormal, weights: Categorical, within: CorrelatedNormal):
        self.frame, self.weights, self.within = frame, weights, within
        self.mixture = MixtureSameFamily(weights, within, validate_args=False)
        super().__init__(frame.batch_shape, frame.event_shape, validate_args=False)

    def expand(self, batch_shape: _size, _instance: None = None) -> "CorrelatedMixture":
        """The same for more rows or particles."""
        within = self.within.expand(torch.Size((*batch_shape, self.within.batch_shape[-1])))
        return CorrelatedMixture(self.frame.expand(batch_shape), self.weights.expand(batch_shape), within)

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """A component each, then a draw from it, `(*sample_shape, *batch, D)`."""
        with torch.no_grad():
            return self.frame.push(self.mixture.sample(torch.Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) of `(S, B, D)`, `(S, B)`."""
        noise = self.frame.noise(value)
        return self.mixture.log_prob(noise) - self.frame.scale.log().sum(-1)

    @property
    def mean(self) -> Tensor:
        """m + L times the mean of the components' means, by weight, `(*batch, D)`."""
        return self.frame.push(self.mixture.mean)

    @property
    def variance(self) -> Tensor:
        """The mean of the components' variances and the variance of their means, by weight, `(*batch, D)`."""
        moved = self.frame.unsqueeze().carry(self.within)
        return MixtureSameFamily(self.weights, moved, validate_args=False).variance


@temper.register(CorrelatedMixture)
def _(d: CorrelatedMixture, t: float) -> CorrelatedMixture:
    return CorrelatedMixture(d.frame, temper(d.weights, t), temper(d.within, t))


@stop.register(CorrelatedMixture)
def _(d: CorrelatedMixture) -> CorrelatedMixture:
    return CorrelatedMixture(stop(d.frame), stop(d.weights), stop(d.within))


@from_noise.register(CorrelatedMixture)
def _(d: CorrelatedMixture, u: Tensor) -> Tensor:
    return d.frame.push(from_noise(d.mixture, u))
