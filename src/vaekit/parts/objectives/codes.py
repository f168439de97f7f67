r"""What keeps an encoder and its codebook together.

    commitment  |h - sg(e_k)|^2        moves the encoder alone
    codebook    |sg(h) - e_k|^2        moves the codes alone; a codebook of moving means needs none

sg = without gradient; both are sums over the latent, a row. (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937)
"""

from torch import Tensor

from vaekit.core.declared import conform
from vaekit.core.errors import InputError
from vaekit.core.objective import Term
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.trace import Trace, over_event
from vaekit.parts.distributions import Quantised

__all__ = ["CodebookLoss", "Commitment"]


def _quantised(trace: Trace, name: str) -> list[Quantised]:
    found = [site.posterior for site in trace.sites.values() if isinstance(site.posterior, Quantised)]
    if not found:
        raise InputError(f"{name} is of latents that are quantised, and this model has none: leave it out, or use the recipe vq_vae")
    return found


class Commitment(Term):
    """|h - sg(e_k)|^2, `(S, B)`: what is encoded stays near its code.

    Arguments:
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where it is negative; in a walk, where no latent is quantised.
    """

    def __init__(self, weight: NonNegativeWeight = 0.25):
        conform("commitment", weight, NonNegativeWeight)
        super().__init__("commitment", weight)

    def forward(self, trace: Trace) -> Tensor:
        """The squared distance, `(S, B)`."""
        found = [over_event((q.encoded - q.value.detach()).square()) for q in _quantised(trace, "commitment")]
        return sum(found[1:], start=found[0])


class CodebookLoss(Term):
    """|sg(h) - e_k|^2, `(S, B)`: each code goes to what is encoded as it.

    Arguments:
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where it is negative; in a walk, where no latent is quantised.
    """

    def __init__(self, weight: NonNegativeWeight = 1.0):
        conform("codebook", weight, NonNegativeWeight)
        super().__init__("codebook", weight)

    def forward(self, trace: Trace) -> Tensor:
        """The squared distance, `(S, B)`."""
        found = [over_event((q.encoded.detach() - q.value).square()) for q in _quantised(trace, "a codebook loss")]
        return sum(found[1:], start=found[0])
