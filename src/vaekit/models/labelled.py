r"""A class and a latent behind a row; the class is sometimes seen.

    y ~ p(y),  z ~ p(z|c),  x ~ p(x|y, z, c);   q(y|x, c),  q(z|x, y, c)

The belief about y is the class itself where a label was seen, else q(y|x): one formula serves both kinds of row.
(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298: M2)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical
from torch.nn.functional import one_hot

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Chooser, from_prior
from vaekit.core.conditional import Conditional
from vaekit.core.trace import LatentModel, Site, Trace

__all__ = ["Decided", "LabelledVAE", "believed"]

# Its exponential is 0, and unlike infinity it has a product with 0.
_IMPOSSIBLE = -1e4


def believed(found: OneHotCategorical, label: Tensor | None) -> OneHotCategorical:
    """The class itself where a label was seen, else what was found.

    Arguments:
        found: q(y|x) or p(y), batch shape `(S or 1, B or 1)`, event `(classes,)`.
        label: `(B,)`, int64, -1 = not seen; None = none was.
    """
    if label is None:
        return found
    known = one_hot(label.clamp(min=0), found.logits.shape[-1]) > 0
    certain = torch.where(known, 0.0, torch.full((), _IMPOSSIBLE, dtype=found.logits.dtype, device=label.device))
    return OneHotCategorical(logits=torch.where(label.unsqueeze(-1) >= 0, certain, found.logits), validate_args=False)


@dataclass(frozen=True)
class Decided:
    """What a walk over class and latent decided.

    Arguments:
        sites: `y` and `z`.
        weight: of the particles, where they are not equal.
        both: class and latent side by side, `(S, B, classes + latent)`: what the likelihood is given.
    """

    sites: dict[str, Site]
    weight: Tensor | None
    both: Tensor


class LabelledVAE(LatentModel):
    """The walk of a semi-supervised VAE, with sites `y`, one-hot, and `z`.

    Arguments:
        classifier: q(y|x, c), given `(x, observed, condition)`; an `OneHotCategorical`.
        classes: p(y), given the condition; an `OneHotCategorical`.
        posterior: q(z|x, y, c), given `(x, observed, condition, y)`.
        prior: p(z|c), given the condition.
        likelihood: p(x|y, z, c), given `(y and z side by side, condition)`.
        spread: what becomes of q(z|x, y, c) once it is known how much each class of a row counts, given it and the weights `(S, B)`;
            None = it stays as it is.
    """

    encoder = ("classifier", "posterior", "spread")

    def __init__(
        self, classifier: Conditional, classes: Conditional, posterior: Conditional, prior: Conditional, likelihood: Conditional,
        spread: nn.Module | None = None,
    ):
        super().__init__()
        self.classifier = classifier
        self.classes = classes
        self.posterior = posterior
        self.prior = prior
        self.likelihood = likelihood
        self.spread = spread

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide y, then z, and leave the likelihood to be decoded when it is asked for."""
        condition, shape = lead(batch.condition), (1, batch.rows)
        found = self.decide(None if batch.x is None else batch.evidence, condition, batch.label, choose, shape, batch.weight)

        def decode() -> Distribution:
            return self.likelihood(found.both, condition)

        drawn = self.decide(None, condition, batch.label, from_prior(), shape) if fantasies else None
        return Trace(batch, found.sites, decode, found.weight, None if drawn is None else self.likelihood(drawn.both, condition))

    def decide(
        self, evidence: tuple[Tensor | None, Tensor | None, Tensor | None] | None, condition: Tensor | None, label: Tensor | None,
        choose: Chooser, shape: tuple[int, int], weight: Tensor | None = None,
        shown: tuple[Tensor | None, Tensor | None, Tensor | None] | None = None,
    ) -> Decided:
        """Class and latent of rows.

        Arguments:
            evidence: what the encoder is given, each with the particles' axis; None = generate.
            condition: `(1, B, width)`, or None.
            label: `(B,)`, -1 = not seen, or None.
            choose: who decides.
            shape: (particles so far, B).
            weight: of each row, `(B,)`; None = all alike.
            shown: what the classifier is given in place of the evidence; None = the evidence.
        """
        classes, prior = self.classes(condition), self.prior(condition)
        q = None if evidence is None else self.classifier(*(evidence if shown is None else shown))
        belief = None if q is None else believed(q, label)
        # A class that is asked for when generating is drawn with certainty; p(y) stays what the site says of it.
        y = choose("y", believed(classes, label) if q is None else classes, belief, shape)
        posterior = None if evidence is None else self.posterior(*evidence, y.z)
        if posterior is not None and self.spread is not None:
            posterior = self.spread(posterior, _weights(y.z, y.weight, weight, shape))
        z = choose("z", prior, posterior, (y.z.shape[0], shape[1]))
        sites = {"y": Site(y.z, classes, q, belief), "z": Site(z.z, prior, posterior, posterior)}
        rows = torch.broadcast_shapes(y.z.shape[:2], z.z.shape[:2])
        both = torch.cat([y.z.expand(*rows, -1), z.z.expand(*rows, -1)], dim=-1)
        return Decided(sites, y.weight if z.weight is None else z.weight, both)


def _weights(y: Tensor, particle: Tensor | None, row: Tensor | None, shape: tuple[int, int]) -> Tensor:
    """How much each particle of each row counts, `(S, B)`."""
    weights = torch.ones(y.shape[0], shape[1], dtype=y.dtype, device=y.device) if particle is None else particle
    return (weights if row is None else weights * row).detach()
