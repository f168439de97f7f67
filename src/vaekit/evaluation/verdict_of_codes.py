"""What the measures of a latent of codes come to, in words."""

from math import log

from vaekit.evaluation.codes import CodeUse
from vaekit.evaluation.remedy import Tried, fewer_codes, longer_training, more_codes_in_use, more_prior, smaller_decoder
from vaekit.evaluation.verdict import Verdict, nats

__all__ = ["verdict_of_codes"]

_TOLD, _USED, _HALF, _KNOWN = 0.1, 0.1, 0.5, 0.02


def verdict_of_codes(found: CodeUse, tried: Tried | None = None) -> Verdict:
    """Judge a latent of codes: the first of six rules that applies.

    | rule | name |
    | --- | --- |
    | one code is used, or the codes say < 0.1 nats of a row | collapsed |
    | use < information / 10 | ignores the latent |
    | fewer than half of the codes are used | few codes used |
    | fewer than 5 passes or 1,000 steps, and still getting better | hardly begun |
    | the prior needs more bits a code than the shares alone, as far as so few rows tell | prior not learned |
    | else | healthy |

    Arguments:
        found: measures of the codes.
        tried: what the system was trained with, for a remedy that fits it; None = unknown.
    """
    tried = tried or Tried()
    told, k = float(found.information.sum()), found.codes
    codes = f"{found.used} of {k} codes are used" + (f" ({found.reachable} could be)" if found.reachable < k else "")
    use = f"a row is explained {nats(found.use)} nats better by its own codes than by another row's"
    bits, shares = found.prior / log(2), found.entropy / log(2)
    prior = f"the prior needs {bits:.2f} bits a code, where the codes' shares alone would need {shares:.2f}"
    if found.used < 2 or told < _TOLD:
        return Verdict("collapsed", "bad", (
            f"{codes.capitalize()}, and they say {nats(told)} nats of a row.", "Every row is decoded to all but the same values.",
        ), more_codes_in_use(tried))
    if found.use < _USED * told:
        return Verdict("ignores the latent", "bad", (
            f"The codes tell rows apart by {nats(told)} nats, but {use}: the decoder does not read what the encoder writes.",
        ), smaller_decoder(tried))
    if found.used < _HALF * found.reachable:
        return Verdict("few codes used", "warn", (f"Only {codes}, as evenly as {found.perplexity:.0f} would be.", f"{_capital(use)}."),
                       fewer_codes(tried, found.used))
    if not tried.begun:
        return Verdict("hardly begun", "warn", (
            f"Each row was seen {tried.epochs:.2g} times in {tried.steps:,} steps, and the last measurement was the best one.",
            f"So far {codes}, and {prior}.",
        ), longer_training(tried))
    if bits > found.corrected_entropy / log(2) + _KNOWN:
        return Verdict("prior not learned", "warn", (
            f"{_capital(prior)}: what is drawn from it does not go together.", f"{_capital(codes)}, and {use}.",
        ), more_prior(tried))
    return Verdict("healthy", "good", (f"{_capital(codes)}, and {prior}.", f"{_capital(use)}."), None)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
