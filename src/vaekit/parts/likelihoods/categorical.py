r"""A family for one of K classes: log P(x) = l_x - log sum_k e^(l_k)."""

from torch import Tensor
from torch import distributions as D

from vaekit.core.errors import InputError
from vaekit.parts.likelihoods.domain import codes
from vaekit.parts.likelihoods.likelihood import Likelihood

__all__ = ["Categorical"]


class Categorical(Likelihood):
    """x ~ Categorical(softmax l) by element, x a code 0 .. K-1, whole or as a float.

    Arguments:
        event: shape of the elements.
        classes: K >= 2.

    Raises:
        InputError: where there are fewer than two classes.
    """

    fits = "one of several unordered classes"

    def __init__(self, event: tuple[int, ...], classes: int):
        if classes < 2:
            raise InputError(f"likelihood 'categorical' needs at least 2 classes, not {classes}")
        super().__init__(event, numbers=classes)
        self.classes = classes
        self.domain = codes(classes)

    def forward(self, raw: Tensor) -> D.Categorical:
        """The law, batch shape `(S, B, *positions, *event)`."""
        return D.Categorical(logits=raw.unflatten(-1, (*self.event, self.classes)), validate_args=False)
