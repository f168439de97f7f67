r"""A VAE whose latent a class is read from.

    z ~ p(z|c),  x ~ p(x|z, c),  y ~ p(y|z, c);   q(z|x, c),  q(y|z, c) = p(y|z, c)

The class is read from z and tells nothing about it: its KL is zero, and the bound is the VAE's.
(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298: M1)
"""

from dataclasses import replace

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Chooser
from vaekit.core.conditional import Conditional
from vaekit.core.trace import Site, Trace
from vaekit.models.vae import VAE

__all__ = ["ClassifiedVAE"]


class ClassifiedVAE(VAE):
    """A VAE's walk, then a site `y`, one-hot.

    Arguments:
        posterior: q(z|x, c), given `(x, observed, condition)`.
        prior: p(z|c), given the condition.
        likelihood: p(x|z, c), given `(z, condition)`.
        classifier: p(y|z, c), given `(z, condition)`.
    """

    def __init__(self, posterior: Conditional, prior: Conditional, likelihood: Conditional, classifier: Conditional):
        super().__init__(posterior, prior, likelihood)
        self.classifier = classifier

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide z as a VAE does, then y."""
        trace = super().forward(batch, choose, fantasies)
        z = trace.sites["z"].z
        found = self.classifier(z, lead(batch.condition))
        q = None if batch.x is None else found
        choice = choose("y", found, q, (z.shape[0], batch.rows))
        weight = trace.weight if choice.weight is None else choice.weight
        return replace(trace, sites={**trace.sites, "y": Site(choice.z, found, q, q)}, weight=weight)
