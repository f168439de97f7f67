r"""A generative adversarial network, composed of the house's own parts: what a decoder and a critic come to without an encoder.

    x = f(z), z ~ N(0, I);   decoder   softplus(-D(f(z))),   critic   softplus(-D(x)) + softplus(D(f(z))) + its penalty
                                                            (Goodfellow et al. 2014, arXiv:1406.2661)

f is the mean of the likelihood that a recipe's decoder has. Nothing here learns how a pixel spreads about it, so that there is no density
to speak of: what is drawn of this model is f(z) itself, which `Noiseless` sees to, and it has no likelihood. The critic's penalty is that
of `vaekit.parts.objectives.Adversary`.
"""

from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.core.dispatch import soft
from vaekit.core.modality import Modality
from vaekit.core.objective import Needs, Objective
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.distributions import Point
from vaekit.parts.objectives import Adversary
from vaekit.parts.priors import Standard

__all__ = ["Noiseless", "gan"]


class Noiseless(Conditional):
    """All mass at the mean of a likelihood: what is drawn is the mean.

    Arguments:
        likelihood: whose means they are.
    """

    def __init__(self, likelihood: Conditional):
        super().__init__()
        self.likelihood = likelihood

    def forward(self, *given: Tensor | None) -> Distribution:
        """The means, batch shape `(S, B, *event)`."""
        return Point(soft(self.likelihood(*given)), 0)


def gan(modality: Modality, latent: int = 16, penalty: float = 0.05, **network: Any) -> System:
    """The network, with a walk in which rows tell nothing of z: q(z|x) = p(z).

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        penalty: of the critic's slope at real rows.
        network: sizes of the decoder, and of the critic.

    Source: Goodfellow et al. 2014, arXiv:1406.2661.
    """
    # Both kinds of rows that the critic finds false, fantasies and reconstructions, are then f(z) of z ~ p(z).
    model = VAE(Standard(latent), Standard(latent), modality.writer(latent, **network))
    adversary = Adversary(modality.critic((), **network), penalty)
    # How wide the decoder's pixels are is never learnt: a bound that is read of them would be no figure of this model.
    adversary.needs = Needs(fantasies=True, cut=True, rates=False)
    return System(model, [Stage(Objective(adversary), watch="adversary", keep="last")], modality)
