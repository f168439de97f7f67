r"""One latent between a prior and a likelihood, and, where there is a classifier, a class that is read from it.

    z ~ p(z|c),  x ~ p(x|z, c),  q(z|x, c) ~ p(z|x, c)
    y ~ p(y|z, c),  q(y|z, c) = p(y|z, c)

What is read from z tells nothing about it: the class has a KL of zero, and the bound is the same with it.
(Kingma, Welling 2013, arXiv:1312.6114; Rezende, Mohamed, Wierstra 2014, arXiv:1401.4082; the class, M1: Kingma, Mohamed, Rezende, Welling
2014, arXiv:1406.5298)
"""

from torch.distributions import Distribution

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Chooser, from_prior
from vaekit.core.conditional import Conditional
from vaekit.core.trace import LatentModel, Site, Trace

__all__ = ["VAE"]


class VAE(LatentModel):
    """The variational autoencoder's walk, with a site named `z`, and after it `y`, one-hot, where there is a classifier.

    Arguments:
        posterior: q(z|x, c), given `(x, observed, condition)`.
        prior: p(z|c), given the condition.
        likelihood: p(x|z, c), given `(z, condition)`.
        classifier: p(y|z, c), given `(z, condition)`; None = no class is read.
    """

    def __init__(self, posterior: Conditional, prior: Conditional, likelihood: Conditional, classifier: Conditional | None = None):
        super().__init__()
        self.posterior = posterior
        self.prior = prior
        self.likelihood = likelihood
        self.classifier = classifier

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide z, then y, and leave the likelihood to be decoded when it is asked for."""
        condition, shape = lead(batch.condition), (1, batch.rows)
        # First: a prior of learned rows may read them as the rows of the data were read.
        posterior = None if batch.x is None else self.posterior(*batch.evidence)
        prior = self.prior(condition)
        choice = choose("z", prior, posterior, shape)

        def decode() -> Distribution:
            return self.likelihood(choice.z, condition)

        sites, weight = {"z": Site(choice.z, prior, posterior, posterior)}, choice.weight
        if self.classifier is not None:
            found = self.classifier(choice.z, condition)
            q = None if batch.x is None else found
            y = choose("y", found, q, (choice.z.shape[0], batch.rows))
            sites["y"], weight = Site(y.z, found, q, q), weight if y.weight is None else y.weight
        fantasy = self.likelihood(from_prior()("z", prior, None, shape).z, condition) if fantasies else None
        return Trace(batch, sites, decode, weight, fantasy)
