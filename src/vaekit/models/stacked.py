r"""A labelled VAE on the latent of a VAE: its prior.

    y ~ p(y),  z ~ p(z|c),  f ~ p(f|y, z, c),  x ~ p(x|f, c);   q(f|x, c),  q(y|x, c),  q(z|f, y, c)

The class is told from the row itself, which says no less of it than a draw of its features: the bound stays one.
(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298: M1 + M2)
"""

from torch.distributions import Distribution

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Chooser, from_prior
from vaekit.core.conditional import Conditional
from vaekit.core.trace import LatentModel, Site, Trace
from vaekit.models.labelled import LabelledVAE

__all__ = ["StackedVAE"]


class StackedVAE(LatentModel):
    """A VAE's walk with a labelled walk above it; sites `y`, one-hot, `z` and `features`.

    Arguments:
        posterior: q(f|x, c), given `(x, observed, condition)`.
        prior: p_0(f|c), what the features were learnt under, given the condition; a walk that looks at data asks it for nothing but a name.
        likelihood: p(x|f, c), given `(f, condition)`.
        above: the walk that explains features as it would rows; its classifier is given the row, and its likelihood is p(f|y, z, c), with
            f one event.
    """

    encoder = LabelledVAE.encoder

    def __init__(self, posterior: Conditional, prior: Conditional, likelihood: Conditional, above: LabelledVAE):
        super().__init__()
        self.posterior = posterior
        self.prior = prior
        self.likelihood = likelihood
        self.above = above

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide what stands above last where there are rows to look at, and first where there are none."""
        condition, shape = lead(batch.condition), (1, batch.rows)
        if batch.x is None:
            sites, weight = self._down(batch, choose)
        else:
            posterior = self.posterior(*batch.evidence)
            f = choose("features", self.prior(condition), posterior, shape)
            above, so_far = (f.z, None, condition), (f.z.shape[0], batch.rows)
            found = self.above.decide(above, condition, batch.label, choose, so_far, batch.weight, batch.evidence)
            # Told what was inferred from the features themselves.
            prior = self.above.likelihood(found.both, condition)
            # In the order of the prior's walk, whoever was decided first: what is told of the first latent is told of the same one.
            sites, weight = {**found.sites, "features": Site(f.z, prior, posterior, posterior)}, found.weight

        def decode() -> Distribution:
            return self.likelihood(sites["features"].z, condition)

        drawn = self._down(batch.without_x(), from_prior())[0] if fantasies else None
        return Trace(batch, sites, decode, weight, None if drawn is None else self.likelihood(drawn["features"].z, condition))

    def _down(self, batch: Batch, choose: Chooser) -> tuple[dict[str, Site], None]:
        condition = lead(batch.condition)
        found = self.above.decide(None, condition, batch.label, choose, (1, batch.rows))
        prior = self.above.likelihood(found.both, condition)
        f = choose("features", prior, None, (found.both.shape[0], batch.rows))
        return {**found.sites, "features": Site(f.z, prior)}, None
