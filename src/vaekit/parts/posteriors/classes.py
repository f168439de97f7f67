r"""q(y|x) = Cat(y; softmax(f(x))): a class as a latent, one-hot.

(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298)
"""

from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from vaekit.core.conditional import Family
from vaekit.core.declared import Several, conform

__all__ = ["Classes"]


class Classes(Family):
    """One of several classes.

    Arguments:
        count: how many.

    Raises:
        InputError: where there are fewer than two.
    """

    def __init__(self, count: Several):
        super().__init__()
        conform("count", count, Several)
        self.size = count

    def forward(self, raw: Tensor) -> Distribution:
        """The class, batch shape `(S, B)`, event `(count,)`."""
        return OneHotCategorical(logits=raw, validate_args=False)
