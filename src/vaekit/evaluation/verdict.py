"""What the latent's measures come to, in words: one name, one or two sentences with their figures, and one remedy."""

from dataclasses import asdict, dataclass
from typing import Any

from vaekit.evaluation.latent import Latents
from vaekit.evaluation.remedy import Tried, fewer_dimensions, fewer_levels, longer_training, lower_rate, more_rate, smaller_decoder

__all__ = ["Verdict", "nats", "verdict"]

_USED = 0.25
_OFF = 0.25
# Nats a row: below it, the decoder cannot tell one row from another, however many units count as active.
_TOLD = 0.1
# A coordinate that free bits hold up settles at their floor or so.
_NEAR = 1.1


@dataclass(frozen=True)
class Verdict:
    """A judgement on posterior collapse.

    Arguments:
        name: `healthy`, `hardly begun`, `partly collapsed`, `unused levels`, `collapsed`, `ignores the latent`, `overspent` or
            `point code`; of codes also `few codes used` and `prior not learned`.
        state: `good`, `warn`, `bad`, or `none` where the question does not arise.
        sentences: why, with figures.
        remedy: what to try; None where nothing need be done.
    """

    name: str
    state: str
    sentences: tuple[str, ...]
    remedy: str | None

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "sentences": list(self.sentences)}


def verdict(found: Latents, tried: Tried | None = None) -> Verdict:
    """Judge the latent: the first of eight rules that applies.

    | rule | name |
    | --- | --- |
    | the posterior has no density | point code |
    | no unit is active, or the whole rate < 0.1 nats | collapsed |
    | use < rate / 4 | ignores the latent |
    | moment mismatch > 1/4 nat an active unit | overspent |
    | of several latents, one has a rate < 0.1 nats | unused levels |
    | fewer than half of the units are active, and they are no grid's | partly collapsed |
    | fewer than 5 passes or 1,000 steps, and still getting better | hardly begun |
    | else | healthy |

    Arguments:
        found: measures of the latent.
        tried: what the system was trained with, for a remedy that fits it; None = unknown.
    """
    tried = tried or Tried()
    active, width = int(found.active.sum()), found.width
    units = f"{active} of {width} latent dimensions {'carries' if active == 1 else 'carry'} information{_at_the_floor(found, tried)}"
    use = f"a row is explained {nats(found.use)} nats better by its own latent than by another row's"
    if not found.dense:
        return Verdict("point code", "none", (
            f"The code is a point, not a distribution: it has no rate, no likelihood bound and no prior to draw from; {units}.",
        ), "the recipe vae, where rows are to be generated or scored")
    rate = f"{nats(found.rate)} nats a row"
    if not active or found.rate < _TOLD:
        first = f"{units}, but next to none" if active else f"None of the {width} latent dimensions carries information"
        almost = "all but " if active else ""
        return Verdict("collapsed", "bad", (
            f"{first}: the rate is {rate}.", f"The posterior is {almost}the prior, and every row is decoded to {almost}the same values.",
        ), more_rate(tried))
    if found.use < _USED * found.rate:
        return Verdict("ignores the latent", "bad", (
            f"The posterior spends {rate}, but {use}: the decoder does not read what the encoder writes.",
        ), smaller_decoder(tried))
    mismatch = float(found.mismatch.sum())
    if mismatch > _OFF * active:
        return Verdict("overspent", "warn", (
            f"The encoded rows do not lie where the prior does: {nats(mismatch)} nats apart by mean and deviation alone, {units}.",
            f"Much of the rate of {nats(found.rate)} nats is wasted, and draws from the prior decode to where no row came from.",
        ), lower_rate(tried))
    off, several = sum(level.rate < _TOLD for level in found.levels), len(found.levels)
    if off:
        rates = ", ".join(f"{level.name} {nats(level.rate)}" for level in found.levels)
        first = f"{off} of {several} latents carry next to nothing, in nats a row: {rates}."
        return Verdict("unused levels", "warn", (first, f"What is used is used well: {use}."), fewer_levels(tried, several - off))
    if 2 * active < width and not found.grid:
        return Verdict("partly collapsed", "warn", (
            f"Only {units}, at a rate of {rate}; the decoder ignores the other {width - active}.",
            f"What is used is used well: {use}.",
        ), fewer_dimensions(tried, found.most_active))
    if not tried.begun:
        return Verdict("hardly begun", "warn", (
            f"Each row was seen {tried.epochs:.2g} times in {tried.steps:,} steps, and the last measurement was the best one.",
            f"So far {units}, at a rate of {rate}.",
        ), longer_training(tried))
    return Verdict("healthy", "good", (f"{units}, at a rate of {rate}.", f"{use.capitalize()}."), None)


def _at_the_floor(found: Latents, tried: Tried) -> str:
    """How many of them have no more than free bits give away, which says nothing of whether they are needed."""
    floor = tried.arguments.get("free_bits")
    if not isinstance(floor, (int, float)) or not floor or tried.coordinates > 1:
        return ""
    given = int((found.active & (found.kl <= _NEAR * floor)).sum())
    return f" ({given} of them no more than free_bits={floor:g} gives away)" if given else ""


def nats(value: float) -> str:
    """A figure to a tenth, or to two significant digits where it is below one."""
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:#.2g}"
