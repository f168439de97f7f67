"""A system as words for a terminal, as a drawing, and as JSON: data, encoder, latent, decoder, likelihood, objective.

All three tell the same anatomy, found by walking one example through the model.
"""

from dataclasses import asdict
from textwrap import wrap
from typing import Any

from vaekit.core.errors import InputError
from vaekit.core.system import System, build
from vaekit.data import open_records
from vaekit.faces.anatomy import Anatomy, Layer, Organ, dissect
from vaekit.faces.diagram import drawn
from vaekit.faces.preparing import BOOK, kind_of, prepare

__all__ = ["as_json", "as_svg", "example_of", "in_words"]

_WIDTH, _INDENT = 100, 13
_EXAMPLE = "digits"


def example_of(recipe: str, **arguments: Any) -> System:
    """A recipe on the digits of the catalogue, untrained: something to describe where a person has no data yet.

    Arguments:
        recipe: a name in the book.
        arguments: of the recipe.

    Raises:
        InputError: where the recipe or an argument of it is unknown.
    """
    BOOK.recipe(recipe)
    try:
        return _example(recipe, None, arguments)
    except InputError:
        # It may need to be told something of each row; where something else is wrong, that is wrong again.
        return _example(recipe, "label", arguments)


def _example(recipe: str, condition: str | None, arguments: dict[str, Any]) -> System:
    records = open_records(_EXAMPLE, condition=condition)
    return build(BOOK, recipe, prepare(records, kind_of(records), {}), **arguments)


def as_json(system: System, example: bool = False) -> dict[str, Any]:
    """The anatomy as JSON values.

    Arguments:
        system: trained or not.
        example: the data is that of `example_of`.
    """
    return {**asdict(_anatomy(system)), "example": _EXAMPLE if example else None}


def as_svg(system: System, example: bool = False) -> str:
    """The anatomy as a drawing: one self-contained SVG that follows the reader's light or dark mode.

    Arguments:
        system: trained or not.
        example: the data is that of `example_of`; the drawing says so.
    """
    return drawn(_anatomy(system), _said(example))


def in_words(system: System, example: bool = False) -> str:
    """The anatomy for a terminal, at most 100 columns wide.

    Arguments:
        system: trained or not.
        example: the data is that of `example_of`; the words say so.
    """
    anatomy = _anatomy(system)
    head = [f"{anatomy.name}: {anatomy.idea}" if anatomy.idea else anatomy.name]
    head.append(f"{anatomy.parameters:,} parameters" + (f"; {anatomy.source}" if anatomy.source else ""))
    head += [_said(example)] if example else []
    lines = [line for text in head for line in wrap(text, _WIDTH)]
    for organ in anatomy.organs:
        lines += ["", *_organ(organ)]
    return "\n".join(lines) + "\n"


def _anatomy(system: System) -> Anatomy:
    recipe = BOOK.recipes.get(system.recipe)
    return dissect(system, recipe.__doc__ or "" if recipe is not None else "")


def _said(example: bool) -> str:
    return f"shown on the data set '{_EXAMPLE}'; shapes follow the data" if example else ""


def _organ(organ: Organ) -> list[str]:
    title = organ.title + (f"; {organ.parameters:,} parameters" if organ.parameters else "")
    told = [line for text in (title, *organ.lines) for line in wrap(text, _WIDTH - _INDENT)]
    rows = [_layer(layer) for layer in organ.layers]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    told += [f"{k:<{widths[0]}}   {g:>{widths[1]}} -> {m:<{widths[2]}}   {p:>{widths[3]}}".rstrip() for k, g, m, p in rows]
    return [f"{organ.role if i == 0 else '':<{_INDENT}}{line}" for i, line in enumerate(told)]


def _layer(layer: Layer) -> tuple[str, str, str, str]:
    given, made = (" × ".join(map(str, shape)) for shape in (layer.given, layer.made))
    return layer.kind, given, made, f"{layer.parameters:,}" if layer.parameters else ""
