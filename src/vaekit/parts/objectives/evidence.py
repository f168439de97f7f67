r"""The two sides of the evidence bound.

    distortion  -E_q[log p(x|z)]          rate  KL(q(z|x) || p(z))
    -ELBO = distortion + beta * rate,     beta = 1  (Kingma, Welling 2013, arXiv:1312.6114), beta > 1 (Higgins et al. 2017)

    free bits   sum_d max(mean_b KL_d, lambda)          (Kingma et al. 2016, arXiv:1606.04934)
                d a coordinate; the whole latent where its KL, that of draws alone, does not fall apart into coordinates
    capacity    max(KL - C(progress), 0)                (after Burgess et al. 2018, arXiv:1804.03599)
    by site     sum_s w_s(progress) KL_s                (after the balancing of Vahdat, Kautz 2020, arXiv:2007.03898)

Burgess et al. weigh |KL - C|. Its lower side pays an encoder for any rate, of use or not, and the shortest way to a rate is one that tells
the decoder nothing: means that all rows share. Distortion draws the rate up by itself, along what rows differ in; it need only be held.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vaekit.core.declared import NonNegative, conform
from vaekit.core.errors import InputError, nearest
from vaekit.core.objective import Objective, Term
from vaekit.core.schedule import NonNegativeWeight, Weight, schedule
from vaekit.core.trace import Trace

__all__ = ["KL", "Reconstruction", "floored"]


class Reconstruction(Term):
    """-log p(x|z, c) of what was seen, `(S, B)`, nats.

    Arguments:
        weight: a number, a schedule, or a schedule's JSON form.
    """

    def __init__(self, weight: Weight = 1.0):
        super().__init__("distortion", weight)

    def forward(self, trace: Trace) -> Tensor:
        """The distortion, `(S, B)`, nats."""
        return -trace.log_likelihood


class KL(Term):
    """The rate: KL(q || p) summed over the sites, `(S or 1, B)`, nats; `()` with free bits or a capacity.

    Arguments:
        weight: beta: a number, a schedule, or a schedule's JSON form.
        free_bits: lambda, nats a coordinate, a channel of a grid, or a latent whose KL has no coordinates, as under a mixture or a flow:
            below it, its mean over the batch costs nothing more.
        capacity: C, nats: a number or a schedule up to which the rate's mean over the batch is free; None = no capacity.
        sites: w_s, a weight of a single site's part of the rate by its name; of a site that is not named, 1.

    Raises:
        InputError: where one of them, at either end of its schedule, is negative; in a walk, where a site that is named is none of it.
    """

    def __init__(
        self, weight: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0, capacity: NonNegativeWeight | None = None,
        sites: Mapping[str, NonNegativeWeight] | None = None,
    ):
        super().__init__("rate", weight)
        conform("weight", weight, NonNegativeWeight)
        conform("free_bits", free_bits, NonNegative)
        conform("capacity", capacity, NonNegativeWeight | None)
        for name, each in (sites or {}).items():
            conform(f"weight of {name!r}", each, NonNegativeWeight)
        self.free_bits, self.sites = free_bits, {name: schedule(each) for name, each in (sites or {}).items()}
        self.capacity = None if capacity is None else schedule(capacity)

    def forward(self, trace: Trace) -> Tensor:
        """The rate, floored and held where asked, nats."""
        rate = self._rate(trace)
        return rate if self.capacity is None else (Objective.reduce(rate, trace) - self.capacity(self.progress)).clamp(min=0)

    def _rate(self, trace: Trace) -> Tensor:
        """The sites' parts of the rate, each under its weight.

        What is decided as its prior says, such as a class that is read from a latent, has no rate to be floored.
        """
        if not self.free_bits and not self.sites:
            return trace.kl()
        unknown = [name for name in self.sites if name not in trace.sites]
        if unknown:
            raise InputError(f"the rate of {unknown[0]!r} has a weight: {nearest(unknown[0], trace.sites)}")
        found = []
        for name, site in trace.sites.items():
            if site.belief is site.prior:
                continue
            each = site.kl()
            if self.free_bits:
                by_dimension = site.kl_by_dimension()
                each = floored(each if by_dimension is None else by_dimension, trace, self.free_bits)
            found.append(self.sites[name](self.progress) * each if name in self.sites else each)
        return torch.stack(torch.broadcast_tensors(*found)).sum(0)


def floored(kl: Tensor, trace: Trace, floor: float) -> Tensor:
    """sum_d max(mean_b KL_d, floor), `()`.

    A channel of a grid counts as one coordinate, summed over its positions (Kingma et al. 2016): a place where most rows have nothing to
    say, such as a corner of an image, must stay free to say nothing.

    Arguments:
        kl: of one latent by coordinate, `(S or 1, B, *positions, latent)`, or as a whole, `(S or 1, B)`, nats.
        trace: of the walk.
        floor: lambda, nats.
    """
    values = trace.mean(kl.unsqueeze(-1) if kl.dim() == 2 else kl.unsqueeze(2).flatten(2, -2).sum(2))
    weight = trace.batch.weight
    mean = (values if weight is None else weight.unsqueeze(-1) * values).mean(0)
    return mean.clamp(min=floor).sum()
