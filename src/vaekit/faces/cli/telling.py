"""Look things up: the named systems, and what a model is made of."""

import inspect
from pathlib import Path
from typing import Any

from vaekit.core.errors import InputError, nearest
from vaekit.core.files import whole_file
from vaekit.faces.api import load
from vaekit.faces.cli.answer import Answer
from vaekit.faces.describing import as_json, as_svg, example_of, in_words
from vaekit.faces.preparing import BOOK

__all__ = ["describe", "recipes"]


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
    made = BOOK.recipe(name)
    text = _text(made)
    options = {
        p.name: None if p.default is p.empty else p.default for p in inspect.signature(made).parameters.values()
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in ("modality", "reader", "writer")
    }
    lines = [line for line in text.splitlines() if not line.strip().startswith(("modality:", "reader:", "writer:"))]
    defaults = ", ".join(f"{option}={_plain(default)}" for option, default in options.items())
    return Answer([f"{name}: {lines[0]}", *lines[1:], "", f"defaults: {defaults}"], {"name": name, "about": text, "options": options})


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
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)
