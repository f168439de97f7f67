r"""Latents above one another, each drawn from what those above it have decided.

    p(z) = p(z_1) prod_{l>1} N(z_l; m_l, s_l^2),   (m_l, s_l) of z_1 ... z_{l-1} and c       x ~ p(x|z_1 ... z_L, c)
    q(z_l | x, z_<l)   of x, z_1 ... z_{l-1} and c, and of p(z_l | z_<l) itself

The first is the top. A posterior that is told its prior can say how far it is from there, so that a prior that moves takes its posterior
along.
(Sonderby et al. 2016, arXiv:1602.02282; Kingma et al. 2016, arXiv:1606.04934; Vahdat, Kautz 2020, arXiv:2007.03898)
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.batch import Batch, lead
from vaekit.core.choose import Choice, Chooser, from_prior
from vaekit.core.conditional import Conditional
from vaekit.core.trace import LatentModel, Site, Trace

__all__ = ["Ladder", "Level"]


class Level(nn.Module):
    """One latent and the networks around it.

    Arguments:
        prior: p(z_l | z_<l), given features of the way down, which the top has none of.
        posterior: q(z_l | x, z_<l), given the prior, features of the row and those of the way down.
        below: from features of the way down, the latent and the condition to the features of the next level.
    """

    def __init__(self, prior: Conditional, posterior: nn.Module, below: nn.Module):
        super().__init__()
        self.prior, self.posterior, self.below = prior, posterior, below

    def forward(
        self, name: str, h: Tensor | None, seen: Tensor | None, condition: Tensor | None, choose: Chooser, rows: int
    ) -> tuple[Tensor, Site, Choice]:
        """Features for the next level, `(S, B, *positions, width)`, and what was decided."""
        prior = self.prior(h)
        posterior = None if seen is None else self.posterior(prior, seen, h)
        choice = choose(name, prior, posterior, (1 if h is None else h.shape[0], rows))
        return self.below(h, choice.z, condition), Site(choice.z, prior, posterior, posterior), choice


class Ladder(LatentModel):
    """The walk down a hierarchy, with a site a level: `level1`, the top, is decided first.

    Arguments:
        reader: from evidence to features of the row at each level, the top's first.
        levels: the latents, the top first.
        likelihood: p(x|z, c), given the features that the latents have left on the way down, and the condition.
    """

    encoder = ("reader", "posterior")

    def __init__(self, reader: nn.Module, levels: Sequence[Level], likelihood: Conditional):
        super().__init__()
        self.reader = reader
        self.levels = nn.ModuleList(levels)
        self.likelihood = likelihood

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Decide each level in turn, and leave the likelihood to be decoded when it is asked for."""
        condition = lead(batch.condition)
        seen = [None] * len(self.levels) if batch.x is None else self.reader(*batch.evidence)
        h, sites, weight = self._down(seen, condition, choose, batch.rows)

        def decode() -> Distribution:
            return self.likelihood(h, condition)

        nothing = [None] * len(self.levels)
        fantasy = self.likelihood(self._down(nothing, condition, from_prior(), batch.rows)[0], condition) if fantasies else None
        return Trace(batch, sites, decode, weight, fantasy)

    def _down(
        self, seen: Sequence[Tensor | None], condition: Tensor | None, choose: Chooser, rows: int
    ) -> tuple[Tensor | None, dict[str, Site], Tensor | None]:
        """The way down: the last features, what was decided, and the particles' weights."""
        h: Tensor | None = None
        weight: Tensor | None = None
        sites: dict[str, Site] = {}
        for place, (level, features) in enumerate(zip(self.levels, seen), start=1):
            name = f"level{place}"
            h, sites[name], choice = level(name, h, features, condition, choose, rows)
            weight = choice.weight if weight is None else weight
        return h, sites, weight
