"""What a person may say to a run: every option with its group, default, type and one line, read from where it is declared.

    recipe     the named system's own            network    sizes of the two ends
    data       how values are read and held out  training   how long, how fast, on what
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc, signature
from typing import Any

from vaekit.core.declared import conform
from vaekit.core.system import Book, Recipe
from vaekit.modalities import MODALITIES
from vaekit.modalities.architecture import Architecture
from vaekit.recipes import RECIPES
from vaekit.training import Settings

__all__ = ["BOOK", "Option", "declared", "meanings", "of_modality", "of_recipe", "of_training", "options_of"]

BOOK = Book(RECIPES, MODALITIES)


@dataclass(frozen=True)
class Option:
    """Something a person may say.

    Arguments:
        name: how it is said.
        group: `recipe`, `network`, `data` or `training`.
        default: where it is left out.
        declared: its type.
        meaning: in one line; empty where nobody wrote one.
    """

    name: str
    group: str
    default: Any
    declared: Any
    meaning: str


def options_of(recipe: str, kind: str) -> dict[str, Option]:
    """All options of a recipe on a kind of data, by name.

    Arguments:
        recipe: a name in the book.
        kind: the modality's name; `auto` = those of all kinds.

    Raises:
        InputError: where the book has no such name; suggests the nearest.
    """
    conform("recipe", recipe, str)
    conform("kind", kind, str)
    # What the data is prepared with is said once: a recipe's `likelihood` reaches it through the modality.
    of_data = {n: o for known in (MODALITIES if kind == "auto" else [kind]) for n, o in of_modality(known).items()}
    return {**of_recipe(BOOK.recipe(recipe)), **of_data, **of_training()}


def of_recipe(made: Recipe) -> dict[str, Option]:
    """A recipe's options; `**network` stands for the sizes of the networks, `**arguments` for all that `vae` takes.

    Arguments:
        made: the recipe.
    """
    own = declared(made, "recipe")  # type: ignore[arg-type]  # a function, which has a hash
    parameters = signature(made).parameters
    sizes = declared(Architecture, "network") if "network" in parameters else {}
    others = of_recipe(BOOK.recipe("vae")) if "arguments" in parameters else {}
    return {**others, **sizes, **own}


def of_modality(kind: str) -> Mapping[str, Option]:
    """The options of a kind of data.

    Arguments:
        kind: the modality's name.
    """
    return declared(BOOK.modality(kind), "data")


@cache
def of_training() -> Mapping[str, Option]:
    """The settings of the training loop."""
    told = meanings(Settings.__doc__ or "")
    return {n: Option(n, "training", f.default, f.annotation, told.get(n, "")) for n, f in Settings.model_fields.items()}


def meanings(document: str) -> Mapping[str, str]:
    """What a docstring says of each argument, each in one line.

    Arguments:
        document: with a section `Arguments:`.
    """
    section = re.search(r"^Arguments:\n(.*?)(?=^\S|\Z)", cleandoc(document), re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section.group(1), re.MULTILINE) if section else []
    return {name: " ".join(text.split()) for name, text in entries}


@cache
def declared(made: Any, group: str) -> Mapping[str, Option]:
    """The arguments that a function or a class names; it is read once.

    Arguments:
        made: the function or the class, with a docstring that says what each is.
        group: that they belong to.
    """
    told = meanings(made.__doc__ or "")
    return {
        p.name: Option(p.name, group, None if p.default is p.empty else p.default, p.annotation, told.get(p.name, ""))
        for p in signature(made, eval_str=True).parameters.values()
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "modality"
    }
