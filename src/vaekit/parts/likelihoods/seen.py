r"""p(x|g(z), c): a likelihood that is given a latent as a network g sees it."""

from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional

__all__ = ["Seen"]


class Seen(Conditional):
    """A likelihood behind a network of the latent.

    Arguments:
        sight: g, of the latent alone.
        likelihood: p(x|h, c), given `(g(z), condition)`.
    """

    def __init__(self, sight: nn.Module, likelihood: Conditional):
        super().__init__()
        self.sight, self.likelihood = sight, likelihood

    def forward(self, *given: Tensor | None) -> Distribution:
        """The likelihood of a latent and a condition, batch shape `(S, B, *event)`."""
        z, condition = given
        return self.likelihood(self.sight(z), condition)
