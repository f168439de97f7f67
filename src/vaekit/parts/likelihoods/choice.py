"""Which likelihood fits the data: chosen with a reason, or checked with the fixes at hand.

| values | image | vector |
| --- | --- | --- |
| 0/1 | bernoulli | bernoulli |
| whole, from 0 on | discretised logistic on their levels | a law of counts, where they vary as counts do |
| in [0, 1] | continuous Bernoulli | beta or continuous Bernoulli, where they fill the interval |
| any other | normal, one shared scale | normal, one scale a column |

A normal's scale is never the network's own by choice: a density that a network may narrow row by row grows without limit
wherever a column takes few values, and then outweighs all other columns.
"""

from collections.abc import Mapping
from inspect import signature
from math import isfinite
from typing import Any, NamedTuple

from vaekit.core.declared import conform
from vaekit.core.errors import InputError, nearest
from vaekit.parts.likelihoods import LIKELIHOODS, domain
from vaekit.parts.likelihoods.facts import Facts, Kind, facts
from vaekit.parts.likelihoods.likelihood import Likelihood

__all__ = ["Chosen", "Facts", "Kind", "arguments_for", "check", "choose", "facts", "made"]

_LEAST_COUNT = 20
_OVER_DISPERSED = 1.5
_UNDER_DISPERSED = 0.9
_EXTRA_ZEROS = 0.05
_FILLED = 0.5
_OFFERED = {
    "image": ("bernoulli", "continuous_bernoulli", "discretised_logistic", "normal"),
    "vector": ("bernoulli", "negative_binomial", "beta", "continuous_bernoulli", "normal", "student_t"),
}


class Chosen(NamedTuple):
    """A likelihood, and why.

    Arguments:
        name: its name in `LIKELIHOODS`.
        arguments: its own arguments, as JSON.
        because: one sentence with the figures.
    """

    name: str
    arguments: dict[str, Any]
    because: str


def arguments_for(name: str, given: Mapping[str, Any], seen: Facts) -> dict[str, Any]:
    """A likelihood's own arguments, those that the data decides filled in where a person left them out.

    Arguments:
        name: its name in `LIKELIHOODS`.
        given: what a person said; kept as it is.
        seen: what the values are like.
    """
    decided: dict[str, Any] = {}
    if name.startswith("discretised_logistic") and seen.levels is not None:
        decided["levels"] = seen.levels
    if name == "categorical" and isfinite(seen.maximum):
        decided["classes"] = max(2, int(seen.maximum) + 1)
    return {**decided, **given}


def choose(seen: Facts) -> Chosen:
    """The likelihood for `auto`.

    Arguments:
        seen: what the values are like.
    """
    return _for_image(seen) if seen.kind == "image" else _for_vector(seen)


def _for_image(seen: Facts) -> Chosen:
    spread = f"{seen.minimum:g}..{seen.maximum:g}"
    if seen.levels == 2:
        return Chosen("bernoulli", {}, f"every pixel is 0 or {seen.worth:g}")
    if seen.levels is not None:
        return Chosen("discretised_logistic", {"levels": seen.levels}, f"pixels lie on {seen.levels} equally spaced levels ({spread})")
    if 0 <= seen.minimum and seen.maximum <= 1:
        return Chosen("continuous_bernoulli", {}, f"pixels lie in [0, 1] ({spread}), on no equally spaced levels")
    return Chosen("normal", {"scale": "shared"}, f"pixels are real numbers ({spread}), on no equally spaced levels")


def _for_vector(seen: Facts) -> Chosen:
    spread = f"{seen.minimum:g}..{seen.maximum:g}"
    if seen.integer and seen.minimum >= 0 and seen.maximum <= 1:
        return Chosen("bernoulli", {}, "every value is 0 or 1")
    if seen.integer and seen.minimum >= 0:
        return _for_whole(seen, spread)
    if seen.minimum >= 0 and seen.maximum <= 1 and seen.maximum - seen.minimum >= _FILLED:
        if seen.first_outside(LIKELIHOODS["beta"]((1,)).domain) is None:  # type: ignore[call-arg]
            return Chosen("beta", {}, f"every value is strictly between 0 and 1 ({spread})")
        return Chosen("continuous_bernoulli", {}, f"values fill [0, 1], ends included ({spread})")
    return _normal(f"values are real numbers ({spread})")


def _for_whole(seen: Facts, spread: str) -> Chosen:
    if seen.values.dtype.itemsize == 1:
        return _normal(f"values are bytes ({spread}), which are measured and not counted")
    if seen.maximum < _LEAST_COUNT:
        return _normal(f"values are whole numbers, but too few ({spread}) to be told from codes or steps of a scale")
    if seen.first_outside(domain.counts_within_reach) is not None:
        return _normal(f"values are whole numbers, of which some are larger ({spread}) than a law of counts reaches")
    ratio = f"{spread}, variance {seen.dispersion:.3g} times the mean"
    if seen.dispersion < _UNDER_DISPERSED:
        return _normal(f"values are whole numbers that vary less than counts do ({ratio})")
    over_dispersed = seen.dispersion > _OVER_DISPERSED
    expected = seen.zeros_expected(over_dispersed)
    name, because = "negative_binomial" if over_dispersed else "poisson", f"values are counts ({ratio})"
    if seen.zeros - expected > _EXTRA_ZEROS:
        return Chosen(f"zero_inflated_{name}", {}, f"{because}, with more zeros ({seen.zeros:.0%}) than such a law makes ({expected:.0%})")
    return Chosen(name, {}, because)


def _normal(because: str) -> Chosen:
    return Chosen("normal", {"scale": "dimension"}, f"{because}: one scale a column, so that no column drowns the others")


def check(name: str, arguments: Mapping[str, Any], seen: Facts, where: str) -> None:
    """See that a likelihood fits the data.

    Arguments:
        name: a name in `LIKELIHOODS`.
        arguments: its own arguments.
        seen: what the values are like.
        where: the data's name, for the message.

    Raises:
        InputError: where the name or an argument is unknown, or a value lies outside the likelihood's domain; names the value,
            its place and the fixes.
    """
    wanted = made(name, arguments).domain
    # A law of counts draws numbers that it could not learn from.
    wanted = domain.counts_within_reach if wanted is domain.counts else wanted
    place = seen.first_outside(wanted)
    if place is None:
        return
    value = float(seen.values[place])
    spread = f"of {seen.minimum:g}..{seen.maximum:g}"
    scaled = f", read as {value / seen.worth:.4g}" if seen.worth != 1 else ""
    raise InputError(
        f"likelihood {name!r} needs {wanted.words}, but {where} has {value:.10g} in {_place(place, seen)} ({spread}{scaled}): "
        + _fixes(name, seen)
    )


def made(name: str, arguments: Mapping[str, Any]) -> Likelihood:
    """A likelihood of one value, to ask for its domain.

    Raises:
        InputError: where the name or an argument is unknown, or an argument is of the wrong type.
    """
    if name not in LIKELIHOODS:
        raise InputError(f"likelihood {name!r} is unknown: {nearest(name, LIKELIHOODS)}")
    taken = {n: p for n, p in signature(LIKELIHOODS[name], eval_str=True).parameters.items() if n != "event"}
    for argument, value in arguments.items():
        if argument not in taken:
            known = nearest(argument, taken) if taken else "it has no arguments"
            raise InputError(f"likelihood {name!r} takes no {argument!r}: {known}")
        conform(f"likelihood {name!r}: {argument}", value, taken[argument].annotation)
    for argument, parameter in taken.items():
        if parameter.default is parameter.empty and argument not in arguments:
            raise InputError(f"likelihood {name!r} needs {argument!r}: give it beside the name")
    return LIKELIHOODS[name]((1,), **arguments)


def _place(place: tuple[int, ...], seen: Facts) -> str:
    row = f"row {1 + (place[0] if seen.position is None else int(seen.position[place[0]]))}"
    if seen.kind == "image" or len(place) != 2:
        return row
    return f"{row}, column {repr(seen.columns[place[1]]) if seen.columns else place[1] + 1}"


def _fixes(name: str, seen: Facts) -> str:
    within = 0 <= seen.minimum and seen.maximum <= seen.worth
    own = {
        "bernoulli": "binarise (binarise='dynamic' or 'threshold')" if seen.kind == "image" and within else "",
        "beta": "move the ends inside (0, 1)" if within else "",
    }.get(name, "")
    if name.startswith("discretised_logistic") and seen.levels is not None:
        own = f"give levels={seen.levels}"
    others = [n for n in _OFFERED[seen.kind] if n != name and seen.first_outside(made(n, arguments_for(n, {}, seen)).domain) is None]
    offered = [own] * bool(own) + (["use " + " or ".join(map(repr, others[:2]))] if others else [])
    return ", or ".join(offered) or "correct or remove that value"
