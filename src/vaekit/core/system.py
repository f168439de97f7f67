"""A model, how it trains, and the data it speaks of: what a recipe makes and what is saved.

Only what `build` made can be saved: its name and arguments are what the file holds, and the same call makes it again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any, Protocol

from torch import nn

from vaekit.core.declared import conform
from vaekit.core.errors import InputError, nearest
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import as_json
from vaekit.core.stage import Stage
from vaekit.core.trace import LatentModel

__all__ = ["Book", "Recipe", "System", "build"]


class Recipe(Protocol):
    """A named system: one function a paper."""

    def __call__(self, modality: Modality, **arguments: Any) -> "System":
        """The system on this modality."""
        ...


@dataclass(frozen=True)
class Book:
    """The names that a saved system may use.

    Arguments:
        recipes: name -> recipe.
        modalities: name -> a function from arguments to a modality, not yet fitted.
    """

    recipes: Mapping[str, Recipe]
    modalities: Mapping[str, Callable[..., Modality]]

    def recipe(self, name: str) -> Recipe:
        """The recipe of this name; where there is none, an `InputError` that suggests the nearest."""
        if name not in self.recipes:
            raise InputError(f"recipe {name!r} is unknown: {nearest(name, self.recipes)}")
        return self.recipes[name]

    def modality(self, name: str) -> Callable[..., Modality]:
        """The modality of this name; where there is none, an `InputError` that suggests the nearest."""
        if name not in self.modalities:
            raise InputError(f"modality {name!r} is unknown: {nearest(name, self.modalities)}")
        return self.modalities[name]


@dataclass(frozen=True)
class System:
    """A model with its stages and its modality.

    Arguments:
        model: the walk and its parts.
        stages: how it trains, in order.
        modality: the ends that touch data.
        recipe: the name it was built by; empty = composed by hand, cannot be saved.
        arguments: the recipe's arguments, as JSON.
        handed: names of the arguments that are a person's own networks: they are handed in again on loading.
    """

    model: LatentModel
    stages: Sequence[Stage]
    modality: Modality
    recipe: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    handed: tuple[str, ...] = ()

    def replace(self, **parts: Any) -> "System":
        """A system with other parts; it loses its name, since the name would make the old parts again."""
        return replace(self, **{**parts, "recipe": "", "arguments": {}, "handed": ()})

    def with_objective(self, objective: Objective) -> "System":
        """A system whose only stage minimises this objective; it loses its name."""
        return self.replace(stages=[Stage(objective)])


def build(book: Book, recipe: str, modality: Modality, **arguments: Any) -> System:
    """Make a named system, which can be saved.

    Arguments:
        book: the names that are known.
        recipe: the recipe's name.
        modality: fitted to the data.
        arguments: the recipe's arguments: JSON, schedules, or a person's own networks.

    Raises:
        InputError: where the recipe, or an argument of it, is unknown or out of range, or could not be written to a file.
    """
    parameters = signature(book.recipe(recipe), eval_str=True).parameters
    for name, value in arguments.items():
        if name in parameters:
            conform(name, value, parameters[name].annotation)
    made = book.recipe(recipe)(modality, **arguments)
    handed = tuple(name for name, value in arguments.items() if isinstance(value, nn.Module))
    kept = {name: as_json(value) for name, value in arguments.items() if name not in handed}
    for name, value in kept.items():
        if not _is_json(value):
            raise InputError(
                f"{name}={value!r} could not be written to a file, so the system could not be loaded again: give a number, a word or a "
                "named schedule, or compose the system by hand"
            )
    return replace(made, recipe=recipe, arguments=kept, handed=handed)


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_json(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (bool, int, float, str))
