r"""One latent between a prior and a likelihood.

    z ~ p(z|c),  x ~ p(x|z, c),  q(z|x, c) ~ p(z|x, c)

(Kingma, Welling 2013, arXiv:1312.6114; Rezende, Mohamed, Wierstra 2014, arXiv:1401.4082)
"""

from torch.distributions import Distribution

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Chooser, from_prior
from vaekit.core.conditional import Conditional
from vaekit.core.trace import LatentModel, Site, Trace

__all__ = ["VAE"]


class VAE(LatentModel):
    """The variational autoencoder's walk, with one site named `z`.

    Arguments:
        posterior: q(z|x, c), given `(x, observed, condition)`.
        prior: p(z|c), given the condition.
        likelihood: p(x|z, c), given `(z, condition)`.
    """

    def __init__(self, posterior: Conditional, prior: Conditional, likelihood: Conditional):
        super().__init__()
        self.posterior = posterior
        self.prior = prior
        self.likelihood = likelihood

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide z, and leave the likelihood to be decoded when it is asked for."""
        condition, shape = lead(batch.condition), (1, batch.rows)
        # First: a prior of learned rows may read them as the rows of the data were read.
        posterior = None if batch.x is None else self.posterior(*batch.evidence)
        prior = self.prior(condition)
        choice = choose("z", prior, posterior, shape)

        def decode() -> Distribution:
            return self.likelihood(choice.z, condition)

        fantasy = self.likelihood(from_prior()("z", prior, None, shape).z, condition) if fantasies else None
        return Trace(batch, {"z": Site(choice.z, prior, posterior, posterior)}, decode, choice.weight, fantasy)
