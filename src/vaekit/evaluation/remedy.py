"""What to try where a verdict is bad: arguments that the recipe at hand takes, else another recipe by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from vaekit.core.schedule import ends

__all__ = [
    "Tried", "fewer_codes", "fewer_dimensions", "fewer_levels", "longer_training", "lower_rate", "more_codes_in_use", "more_prior",
    "more_rate", "smaller_decoder",
]

# Passes over the rows, and steps, below which a run has hardly begun.
_BEGUN, _STEPS = 5, 1000
# Remedies against a collapse beside the schedule of the rate and its floor, the cheaper first: arXiv:2004.12585, arXiv:1901.05534.
_OTHERS = (
    ("mean_spread", 0.6, "a batch-normalised posterior mean"), ("encoder_steps", 10, "an encoder that runs ahead of the decoder"),
)


@dataclass(frozen=True)
class Tried:
    """What a system was trained with, so that a remedy is one that can be followed.

    Arguments:
        arguments: all that its recipe takes and that has an effect, with the values in use; empty = nothing is known of it.
        epochs: passes over the training rows that it took; 0 = unknown.
        steps: of training; 0 = unknown.
        longer: the argument that trains it longer; empty = unknown.
        fewest: the fewest dimensions that its recipe takes.
        improving: whether the last measurement on held-out rows was the best one.
        coordinates: how many coordinates share one allowance of free bits: 1, or all of a latent whose KL does not fall apart into them.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    epochs: float = 0.0
    steps: int = 0
    longer: str = ""
    fewest: int = 1
    improving: bool = False
    coordinates: int = 1

    @property
    def begun(self) -> bool:
        """Whether training went on for long enough to be judged: some passes and steps, or until it no longer helped."""
        return not self.improving or not self.steps or (self.epochs >= _BEGUN and self.steps >= _STEPS)


def longer_training(tried: Tried) -> str:
    """Where training has hardly begun.

    Arguments:
        tried: what the system was trained with.
    """
    return f"longer training{_such_as(tried)}"


def more_rate(tried: Tried) -> str:
    """Against a collapse: make information cheap, at first or up to a floor.

    Arguments:
        tried: what the system was trained with.
    """
    return _longer(tried) + _informative(tried)


def lower_rate(tried: Tried) -> str:
    """Against a rate that the prior does not repay: make information dear.

    Arguments:
        tried: what the system was trained with.
    """
    taken = tried.arguments
    if "beta" in taken:
        return f"{_longer(tried)}a larger beta, such as beta={max(2 * _end(taken['beta'], 1.0), 1.0):g}"
    if "capacity" in taken:
        return f"{_longer(tried)}a smaller capacity, such as capacity={_end(taken['capacity'], 1.0) / 2:g}"
    return f"{_longer(tried)}the recipe beta_vae with beta=2"


def smaller_decoder(tried: Tried) -> str:
    """Against a decoder that explains the rows by itself.

    Arguments:
        tried: what the system was trained with.
    """
    for name, usual in (("hidden", (128,)), ("channels", (16, 32, 64))):
        if name in tried.arguments:
            return f"{_longer(tried)}a smaller decoder, such as {name}={_halved(tried.arguments[name] or usual)}"
    return f"{_longer(tried)}a smaller decoder"


def fewer_dimensions(tried: Tried, active: int) -> str:
    """Against coordinates that carry nothing: leave them out, or fill them.

    Arguments:
        tried: what the system was trained with.
        active: how many coordinates carry information, of the latent that has most.
    """
    given, wanted = tried.arguments.get("latent"), max(active, tried.fewest)
    # Of several latents of other widths, the one that has most need not be the one that the argument is of.
    latent = f"latent={wanted}" if isinstance(given, int) and wanted < given else f"{active} of them"
    return f"{_longer(tried)}fewer dimensions, {latent}; or, where reconstructions lack detail, {_informative(tried)}"


def fewer_levels(tried: Tried, used: int) -> str:
    """Against levels of a hierarchy that carry nothing: leave them out, or fill them.

    Arguments:
        tried: what the system was trained with.
        used: how many levels carry information.
    """
    if not isinstance(tried.arguments.get("levels"), int):
        return _longer(tried) + _informative(tried)
    return f"{_longer(tried)}fewer levels, levels={max(used, 1)}; or, where reconstructions lack detail, {_informative(tried)}"


def more_codes_in_use(tried: Tried) -> str:
    """Against a latent of codes that has collapsed to a few.

    Arguments:
        tried: what the system was trained with.
    """
    taken = tried.arguments
    if "codebook" in taken:
        other = "gradient" if taken["codebook"] == "ema" else "ema"
        return f"{_longer(tried)}the codebook's other way of learning, codebook={other}"
    if "beta" in taken:
        return f'{_longer(tried)}a warm-up of the rate: beta={{"recipe": "linear", "arguments": {{"until": 0.5}}}}'
    return f"{_longer(tried)}the recipe vq_vae with codebook=ema"


def fewer_codes(tried: Tried, used: int) -> str:
    """Against codes that no row has.

    Arguments:
        tried: what the system was trained with.
        used: how many codes some row has.
    """
    taken = tried.arguments
    if "levels" not in taken:
        return f"{_longer(tried)}fewer codes, codes={max(used, 2)}; nothing is lost but codes that no row has"
    levels = [taken["levels"]] if isinstance(taken["levels"], int) else list(taken["levels"])
    while prod(levels) > used and max(levels) > 2:
        levels[levels.index(max(levels))] -= 1
    return f"{_longer(tried)}fewer levels, such as levels={levels[0] if len(levels) == 1 else levels}"


def more_prior(tried: Tried) -> str:
    """Against a prior over codes that knows no more than their shares.

    Arguments:
        tried: what the system was trained with.
    """
    share = tried.arguments.get("share")
    return f"{_longer(tried)}more of the training for the prior, such as share={(1 + share) / 2:.2g}" if share else longer_training(tried)


def _informative(tried: Tried) -> str:
    """The first remedy against a collapse that was not tried yet; where all were, more of the first."""
    taken = tried.arguments
    if "capacity" in taken and "free_bits" not in taken:
        return f"a larger capacity, such as capacity={max(2 * _end(taken['capacity'], 1.0), 5.0):g}"
    own, floor = "free_bits" in taken, _end(taken.get("free_bits"), 0.0)
    if not own or floor:
        for name, value, words in _OTHERS:
            if name in taken and not taken[name]:
                return f"{words}: {name}={value}"
    warmed, bits = 'beta={"recipe": "linear", "arguments": {"until": 0.2}}', max(2 * floor, 0.1 * (tried.coordinates if own else 1))
    weight = _end(taken.get("beta"), 1.0)
    up_to = f" to a weight of 1, not {weight:g}," if weight > 1 else ""
    if not own:
        return f"the recipe vae with a warm-up of the rate{up_to} and free bits: {warmed}, free_bits={bits:g}"
    if "beta" not in taken:
        return f"free bits: free_bits={bits:g}"
    return f"a warm-up of the rate{up_to} with free bits: {warmed}, free_bits={bits:g}"


def _longer(tried: Tried) -> str:
    """Before any other remedy, where training was stopped while it still helped."""
    if not tried.improving:
        return ""
    return f"longer training{_such_as(tried)}, which would help since the last measurement was the best one; or "


def _such_as(tried: Tried) -> str:
    return f", such as {tried.longer}" if tried.longer else ""


def _end(weight: Any, otherwise: float) -> float:
    """What a number or a schedule comes to at the end of training."""
    known = isinstance(weight, (int, float, Mapping)) or callable(weight)
    return ends(weight)[1] if known else otherwise


def _halved(widths: int | Sequence[int]) -> str:
    smaller = [max(width // 2, 1) for width in ([widths] if isinstance(widths, int) else widths)]
    return str(smaller[0] if len(smaller) == 1 else smaller)
