"""Look things up: the named systems, and what a model is made of."""

import inspect
import re
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from vaekit.core.errors import InputError, nearest
from vaekit.core.files import whole_file
from vaekit.faces.api import fit, load
from vaekit.faces.cli.answer import Answer
from vaekit.faces.describing import as_json, as_svg, example_of, in_words
from vaekit.faces.options import BOOK, MODALITIES, Option, declared, of_modality, options_of

__all__ = ["describe", "recipes"]

_GROUPS = {
    "recipe": "what makes it this system", "network": "sizes of encoder and decoder", "data": "how values are read and held out",
    "training": "how long, how fast, on what",
}
# Of the Python face's own arguments, those that have no option of the command.
_HELD_OUT = ("kind", "validation", "test")
# Networks are handed in from Python.
_HANDED = ("reader", "writer")
_WIDTH, _COLUMN = 100, 30


def recipes(name: str | None) -> Answer:
    """All recipes with a line each, or one with its options.

    Arguments:
        name: of a recipe; None = all.

    Raises:
        InputError: where the name is unknown; suggests the nearest.
    """
    if name is None:
        told = {n: _text(made).splitlines()[0] for n, made in BOOK.recipes.items()}
        width = max(map(len, told))
        return Answer([*(f"{n:<{width}}  {line}" for n, line in told.items()), "", "more of one: vae recipes NAME"], {"recipes": told})
    text = _text(BOOK.recipe(name))
    source = re.search(r"^Source:.*", text, re.MULTILINE | re.DOTALL)
    groups = _groups(name)
    head = [f"{name}: {text.splitlines()[0]}", source.group() if source else ""]
    lines = [line for words in head for line in wrap(words, _WIDTH)]
    for group, options in groups.items():
        lines += ["", f"{group}: {_GROUPS[group]}", *(line for option in options for line in _lines(option))]
    facts = {
        group: [{"name": o.name, "default": o.default, "meaning": o.meaning} for o in options] for group, options in groups.items()
    }
    return Answer([*lines, "", "each is given as --set NAME=VALUE"], {"name": name, "about": text, "options": facts})


def _groups(recipe: str) -> dict[str, list[Option]]:
    """All that `--set` takes, by group."""
    kinds = {kind: of_modality(kind) for kind in MODALITIES}
    ours = [option for name, option in declared(fit, "data").items() if name in _HELD_OUT]
    found: dict[str, list[Option]] = {group: ours if group == "data" else [] for group in _GROUPS}
    for option in options_of(recipe, "auto").values():
        having = [kind for kind, options in kinds.items() if option.name in options]
        only = option.group == "data" and len(having) < len(kinds)
        if option.name not in _HANDED:
            found[option.group].append(replace(option, meaning=f"{' and '.join(having)} data: {option.meaning}") if only else option)
    return found


def _lines(option: Option) -> list[str]:
    default = "" if option.default in (None, (), "") else f"={_plain(option.default)}"
    head = f"  {option.name}{default}"
    told = wrap(option.meaning.removesuffix("."), _WIDTH - _COLUMN) or [""]
    first = f"{head:<{_COLUMN - 2}}  {told[0]}".rstrip()
    return [first, *(" " * _COLUMN + line for line in told[1:])]


def describe(subject: str, out: Path | None) -> Answer:
    """What a model is made of, as text or as a drawing.

    Arguments:
        subject: a finished run's folder, or a recipe's name.
        out: where to draw it, an .svg file; None = as text.

    Raises:
        InputError: where the subject is neither, or the drawing cannot be written.
    """
    if out is not None and out.suffix.lower() != ".svg":
        raise InputError(f"{out}: drawings are written as .svg; give a path that ends so")
    is_run = Path(subject).exists()
    if not is_run and subject not in BOOK.recipes:
        raise InputError(f"{subject}: is neither the folder of a run nor a recipe: {nearest(subject, BOOK.recipes)}")
    system = load(subject).system if is_run else example_of(subject)
    facts: dict[str, Any] = as_json(system, not is_run)
    if out is None:
        return Answer([in_words(system, not is_run)], facts)
    with whole_file(out) as temporary:
        temporary.write_text(as_svg(system, not is_run), encoding="utf-8")
    return Answer([f"drawing -> {out}"], {**facts, "out": str(out)})


def _text(made: Any) -> str:
    return inspect.getdoc(made) or "No description."


def _plain(value: Any) -> str:
    """A value as `--set` reads it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
