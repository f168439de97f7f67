r"""p(y = k) = (n_k + 1) / (n + K): how often each class is met, from the n rows whose class is known.

Balanced labels give the uniform prior of the paper. (Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298)
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from vaekit.core.conditional import Conditional
from vaekit.core.errors import InputError

__all__ = ["ClassPrior"]


class ClassPrior(Conditional):
    """The frequencies of the classes, whatever the condition.

    Arguments:
        names: of the classes.
        counts: rows that are labelled with each.

    Raises:
        InputError: where there are no labels, a single class, or a class that no row is labelled with.
    """

    logits: Tensor

    def __init__(self, names: Sequence[str], counts: Sequence[int]):
        super().__init__()
        if not names:
            raise InputError("this recipe learns from labels, but no row has one: give labels=, not all blank, or use the recipe vae")
        if len(names) < 2:
            raise InputError(f"this recipe tells classes apart, but all labels are {names[0]!r}: label rows of another too, or use vae")
        lacking = [name for name, count in zip(names, counts) if not count]
        if lacking:
            raise InputError(
                f"class {lacking[0]!r} has no label among the {sum(counts)} labelled rows to learn from: label more rows of it, or hold "
                "fewer rows out"
            )
        self.register_buffer("logits", (torch.tensor(counts, dtype=torch.float32) + 1).log().reshape(1, 1, -1), persistent=False)

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, 1)`, event `(classes,)`."""
        return OneHotCategorical(logits=self.logits, validate_args=False)
