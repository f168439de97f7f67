r"""q(z|x) over categories, with draws that are relaxed while training.

    z = softmax((log pi(x) + g) / t),   t = t(progress)

At rest draws are categories, so that nothing relaxed enters a bound that is reported.
(Jang, Gu, Poole 2017, arXiv:1611.01144; Maddison, Mnih, Teh 2017, arXiv:1611.00712)
"""

from typing import Annotated, TypeAlias

from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Range, Several, conform
from vaekit.core.schedule import Ends, Linear, Scheduled, Weight, schedule
from vaekit.parts.distributions import Categories, RelaxedOneHot, StraightOneHot
from vaekit.parts.distributions import OneHot as _OneHot

__all__ = ["PositiveWeight", "Relaxed"]

PositiveWeight: TypeAlias = Annotated[Weight, Ends(Range(0, ends="(]"))]

_COOLING = Linear(1.0, 0.5, 0.5)


class Relaxed(Family):
    """A latent of one category at each position.

    Arguments:
        categories: K.
        temperature: t, a number or a schedule; None = from 1 down to 0.5 over the first half.
        hard: draws are one-hot while training too, with the relaxed draw's gradient.

    Raises:
        InputError: where there are fewer than two categories, or the temperature is not above 0.
    """

    def __init__(self, categories: Several, temperature: PositiveWeight | None = None, hard: bool = False):
        super().__init__()
        conform("codes", categories, Several)
        conform("temperature", temperature, PositiveWeight | None)
        self.book, self.size = Categories(categories), categories
        self.schedule, self.clock = schedule(_COOLING if temperature is None else temperature), Scheduled()
        self.kind = StraightOneHot if hard else RelaxedOneHot

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(*positions, K)`."""
        if not self.training:
            return _OneHot(raw, self.book)
        return self.kind(raw, self.book, self.schedule(self.clock.progress))
