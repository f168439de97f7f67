r"""The importance-weighted bound.

    L_k = E[ log (1/k) sum_i w_i ],  w_i = p(x, z_i) / q(z_i|x)          (Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519)
    L_m,k = mean of m independent estimates of L_k: the same bound, a steadier gradient          (Rainforth et al. 2018, arXiv:1802.04537)

Its gradient for the encoder loses its signal as k grows; the doubly reparameterised one does not (Tucker et al. 2018, arXiv:1810.04152):
the path through z alone, weighted by the square of the normalised weights.
"""

import math

from torch import Tensor

from vaekit.core.declared import Count, conform
from vaekit.core.errors import InputError
from vaekit.core.objective import Needs, Term
from vaekit.core.schedule import Weight
from vaekit.core.trace import Trace
from vaekit.parts.objectives.draws import needs_draws

__all__ = ["ImportanceBound"]


class ImportanceBound(Term):
    """-L_k, `(B,)`, nats.

    Arguments:
        particles: k, draws a row and group.
        groups: m, over which the estimates are averaged.
        doubly_reparameterised: use the DReG gradient for the encoder; it reweights all that comes back through z, so that the term
            stands alone in its objective, and the model has one latent.
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where there is not at least one particle or group.
    """

    def __init__(self, particles: Count = 5, doubly_reparameterised: bool = False, weight: Weight = 1.0, groups: Count = 1):
        super().__init__("bound", weight)
        conform("particles", particles, Count)
        conform("groups", groups, Count)
        self.needs = Needs(particles=groups * particles, alone=doubly_reparameterised)
        self.groups = groups
        self.log_weight = _doubly_reparameterised if doubly_reparameterised else _plain

    def forward(self, trace: Trace) -> Tensor:
        """The negative bound, `(B,)`, nats.

        Raises:
            InputError: where particles are states of a class, each with a weight.
        """
        needs_draws(self, trace)
        log_weight = self.log_weight(trace, self.groups)
        return math.log(log_weight.shape[1]) - log_weight.logsumexp(1).mean(0)


def _plain(trace: Trace, groups: int) -> Tensor:
    log_weight = trace.log_weight()
    # Another term may have asked for more particles than fall into whole groups.
    return _grouped(log_weight[: len(log_weight) // groups * groups], groups)


def _doubly_reparameterised(trace: Trace, groups: int) -> Tensor:
    """As `_plain`, with the gradient on its way back through z multiplied by the normalised weights once more."""
    if len(trace.sites) > 1:
        # A latent that another is drawn from would be weighted once more for each, and its part in the other's density be cut off.
        raise InputError(
            f"the doubly reparameterised gradient is right for one latent, but this model has {', '.join(trace.sites)}: "
            "leave doubly_reparameterised out"
        )
    log_weight = _grouped(trace.log_weight(stopped=True), groups)
    share = log_weight.detach().softmax(1).flatten(0, 1)
    for site in trace.sites.values():
        if site.z.requires_grad:
            # The decoder's gradient carries one normalised weight, the encoder's a second: it is multiplied in on the way back through z.
            site.z.register_hook(lambda gradient: gradient * share.reshape(share.shape + (1,) * (gradient.dim() - 2)))
    return log_weight


def _grouped(log_weight: Tensor, groups: int) -> Tensor:
    """`(m k, B) -> (m, k, B)`."""
    return log_weight.unflatten(0, (groups, -1))
