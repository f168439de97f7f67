r"""A generative adversarial network, composed of the house's own parts: what a decoder and a critic come to without an encoder.

    x = f(z), z ~ N(0, I);   decoder   softplus(-D(f(z))),   critic   softplus(-D(x)) + softplus(D(f(z))) + its penalty
                                                            (Goodfellow et al. 2014, arXiv:1406.2661)

f is the decoder of the recipes with a sigmoid behind the location of a pixel: the mean of the rounded logistic, which they draw, is flat
beyond 0 and 1, where a decoder that nothing but a critic moves could not come back. The critic is theirs without the norm of its features:
with it, which `vae_gan` needs for a distance of features, all z came to one image. What is drawn of this model is f(z) itself, which
`Noiseless` sees to; it has no likelihood.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.core.dispatch import soft
from vaekit.core.modality import Modality
from vaekit.core.objective import Needs, Objective
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.distributions import DiscretisedLogistic, Point
from vaekit.parts.objectives import Adversary
from vaekit.parts.priors import Standard

__all__ = ["TRAINING", "Noiseless", "gan"]

TRAINING: dict[str, Any] = {"batch": 64, "rate": 2e-4, "momentum": 0.5, "clip": 0.0}
"""Settings under which it learns: slower than a recipe, with a shorter memory of its gradients (Radford et al. 2016, arXiv:1511.06434)."""


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


class _Squashed(Conditional):
    """Rounded logistics about sigmoid(4 (m - 1/2)), which has the value and the slope of m where m = 1/2; narrower than a level.

    Arguments:
        likelihood: of rounded logistics, whose locations m are.
    """

    def __init__(self, likelihood: Conditional):
        super().__init__()
        self.likelihood = likelihood

    def forward(self, *given: Tensor | None) -> DiscretisedLogistic:
        """The law, batch shape `(S, B, *event)`."""
        law = self.likelihood(*given)
        location = torch.sigmoid(4 * (law.location.float() - 0.5))
        return DiscretisedLogistic(location, location.new_tensor(0.25 / (law.levels - 1)), law.levels)


class _Critic(nn.Module):
    """A modality's critic without a norm of its features, which it learns not to lean on one by one.

    Arguments:
        critic: the modality's.
        dropout: share of features that it goes without while training.
    """

    def __init__(self, critic: Any, dropout: float = 0.3):
        super().__init__()
        self.critic, self.dropout = critic, nn.Dropout(dropout)

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """Rows as the first layer sees them."""
        return self.critic.embed(x, observed)

    def embed_soft(self, soft: Tensor, observed: Tensor | None) -> Tensor:
        """Drawn rows as the first layer sees them."""
        return self.critic.embed_soft(soft, observed)

    def forward(self, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features `(S, B, width)` of embedded rows, and the logit of their being real, `(S, B)`."""
        features = self.critic.reader.trunk(h, condition).flatten(2)
        return features, self.critic.above(self.dropout(features)).squeeze(-1).float()


def gan(modality: Modality, latent: int = 16, penalty: float = 5e-4, **network: Any) -> System:
    """The network, with a walk in which rows tell nothing of z: q(z|x) = p(z).

    Arguments:
        modality: fitted to the data, values on equally spaced levels.
        latent: dimensions of z.
        penalty: of the critic's slope at real rows, for each number that it sees of a row.
        network: sizes of the decoder, and of the critic.

    Source: Goodfellow et al. 2014, arXiv:1406.2661; its initial weights: He et al. 2015, arXiv:1502.01852.
    """
    network = {"activation": "leaky_relu", **network}
    writer = modality.writer(latent, **network)
    # Torch's own weights shrink z layer by layer until the biases drown it, and the decoder begins with one image for all z.
    for layer in writer.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="leaky_relu")
            nn.init.zeros_(layer.bias)
    # Both kinds of rows that the critic finds false, fantasies and reconstructions, are then f(z) of z ~ p(z).
    model = VAE(Standard(latent), Standard(latent), _Squashed(writer))
    adversary = Adversary(_Critic(modality.critic((), **network)), penalty)
    # How wide the decoder's pixels are is never learnt: a bound that is read of them would be no figure of this model.
    adversary.needs = Needs(fantasies=True, cut=True, rates=False)
    return System(model, [Stage(Objective(adversary), watch="adversary", keep="last")], modality)
