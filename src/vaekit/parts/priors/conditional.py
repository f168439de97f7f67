r"""p(z|c) = N(z; m(c), diag s(c)^2): a prior that learns where each condition's latents lie, and how wide.

(Sohn, Lee, Yan 2015, Learning structured output representation using deep conditional generative models)
"""

from collections.abc import Sequence

from vaekit.core.conditional import Neural
from vaekit.core.errors import InputError
from vaekit.parts.networks import MLP
from vaekit.parts.posteriors import Normal

__all__ = ["conditional_normal"]


def conditional_normal(latent: int, condition_width: int, hidden: Sequence[int] = (64,)) -> Neural:
    """A learned conditional normal prior.

    Arguments:
        latent: dimensions of the latent.
        condition_width: numbers of the condition.
        hidden: widths of the network from condition to parameters.

    Raises:
        InputError: where the data has no condition.
    """
    if condition_width < 1:
        raise InputError("a learned conditional prior needs a condition: give condition=, or use the recipe vae")
    return Neural(MLP(condition_width, hidden), Normal(latent))
