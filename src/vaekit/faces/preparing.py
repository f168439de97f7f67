"""From what a person has to what a run reads: records, a fitted modality, and three disjoint parts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.declared import Part, Rest, conform
from vaekit.core.errors import InputError, nearest
from vaekit.core.modality import Modality
from vaekit.core.noise import random_state_kept
from vaekit.core.records import Records
from vaekit.core.system import System, build
from vaekit.data import split
from vaekit.data.loading import Loader
from vaekit.faces.options import BOOK, options_of
from vaekit.training import History, Settings, fit
from vaekit.training.hardware import device_of

__all__ = [
    "BOOK", "Arguments", "Parts", "assemble", "divide", "fingerprint", "held_out_shares", "kind_of", "prepare", "ready",
    "see_that_it_can_be_built", "seeded", "sorted_arguments",
]

# Rows that a measurement takes at once; large, since nothing is kept for a gradient.
_MEASURED = 1024
# Held-out rows that training is watched on: two measurements of the same rows and draws differ by the weights alone, so that more of
# them would cost time and tell no more.
_WATCHED = 4096


@dataclass(frozen=True)
class Arguments:
    """A person's arguments, each where it belongs."""

    modality: dict[str, Any]
    recipe: dict[str, Any]
    settings: Settings


@dataclass(frozen=True)
class Parts:
    """A data set, prepared: stored tensors of three disjoint parts.

    Arguments:
        train: to learn from.
        validation: to stop early by.
        test: never touched while training.
        facts: what was split and how, as JSON.
    """

    train: Mapping[str, Tensor]
    validation: Mapping[str, Tensor]
    test: Mapping[str, Tensor]
    facts: dict[str, Any]

    @classmethod
    def stored(cls, modality: Modality, divided: tuple[Records, Records, Records], facts: dict[str, Any]) -> "Parts":
        """Divided records as tensors.

        Raises:
            InputError: where rows do not fit the modality.
        """
        train, validation, test = (modality.store(part) for part in divided)
        return cls(train, validation, test, facts)

    def feed(self, modality: Modality, settings: Settings) -> "_Feed":
        """What a run reads: all rows to learn from, and a few thousand to be watched on, evenly spaced."""
        held_out = len(next(iter(self.validation.values())))
        few = torch.arange(min(held_out, _WATCHED)) * held_out // min(held_out, _WATCHED)
        watched = {name: values[few] for name, values in self.validation.items()}
        return _Feed(Loader(self.train, modality, settings.batch, settings.seed), Loader(watched, modality, _MEASURED, settings.seed))


@dataclass(frozen=True)
class _Feed:
    train: Loader
    validation: Loader


def sorted_arguments(recipe: str, kind: str, given: Mapping[str, Any]) -> Arguments:
    """Tell a person's arguments apart by whom they are for.

    Arguments:
        recipe: the recipe's name.
        kind: the modality's name; `auto` = not known yet, so that an option of any will do.
        given: everything the person said.

    Raises:
        InputError: where a name belongs to none of them, with the nearest of all; or where a value is not what it is declared to be.
    """
    known = options_of(recipe, kind)
    for name, value in given.items():
        if name not in known:
            where = "" if kind == "auto" else f" on modality '{kind}'"
            raise InputError(f"option {name!r} is unknown for recipe '{recipe}'{where}: {nearest(name, known)}")
        if known[name].group != "training":
            conform(name, value, known[name].declared)
    data, training = ({n: v for n, v in given.items() if known[n].group == group} for group in ("data", "training"))
    return Arguments(data, {n: v for n, v in given.items() if known[n].group in ("recipe", "network")}, Settings.checked(**training))


def kind_of(records: Records) -> str:
    """The modality that fits the shape of the records: `image` from three axes on, else `vector`."""
    return "image" if records.x.ndim > 2 else "vector"


def prepare(records: Records, kind: str, arguments: Mapping[str, Any], of: Records | None = None) -> Modality:
    """A modality fitted to training rows.

    Arguments:
        records: rows to learn from.
        kind: the modality's name.
        arguments: of the modality.
        of: all rows, which these are a part of: looked at first, so that a message speaks of the whole file.

    Raises:
        InputError: where an argument is unknown or the rows cannot be used.
    """
    modality = BOOK.modality(kind)(**arguments)
    modality.check(records if of is None else of)
    return modality.fit(records)


def assemble(records: Records, recipe: str, kind: str, arguments: Mapping[str, Any]) -> tuple[System, History]:
    """A system trained on all of the rows, with none held out: where somebody else holds rows out, a cross-validation say.

    Arguments:
        records: rows to learn from; the same ones are measured on.
        recipe: the recipe's name.
        kind: the modality's name.
        arguments: of modality, recipe and training.

    Raises:
        InputError: where an argument is wrong or the rows cannot be used.
    """
    told = sorted_arguments(recipe, kind, arguments)
    modality = prepare(records, kind, told.modality)
    system = seeded(recipe, modality, told)
    rows = modality.store(records)
    return system, fit(system, Parts(rows, rows, rows, {}).feed(modality, told.settings), told.settings)


def seeded(recipe: str, modality: Modality, told: Arguments) -> System:
    """A named system with the weights that its seed gives.

    Raises:
        InputError: where an argument of the recipe is wrong.
    """
    device = torch.device(device_of(told.settings))
    with random_state_kept(device):
        torch.manual_seed(told.settings.seed)
        return build(BOOK, recipe, modality, **told.recipe)


def ready(records: Records, recipe: str, kind: str, told: Arguments, facts: dict[str, Any]) -> tuple[System, Parts]:
    """A named system that has not learnt yet, and the three parts of its data.

    Arguments:
        records: all rows.
        recipe: the recipe's name.
        kind: the modality's name.
        told: a person's arguments, sorted.
        facts: what was split and how: `validation`, `test` and `seed` among them.

    Raises:
        InputError: where an argument is wrong or the rows cannot be used.
    """
    divided = divide(records, facts["validation"], facts["test"], facts["seed"])
    fitted = prepare(divided[0], kind, told.modality, records)
    parts = Parts.stored(fitted, divided, facts)
    return seeded(recipe, fitted, told), parts


def see_that_it_can_be_built(records: Records, recipe: str, given: Mapping[str, Any]) -> None:
    """See that a recipe can be built on these rows: before hours of work that need it, or before anything is removed for it.

    Arguments:
        records: all rows.
        recipe: the recipe's name.
        given: the arguments of `fit` that are of the recipe, the data and training, with `kind`, `validation` and `test`.

    Raises:
        InputError: where an argument is wrong or the rows cannot be used.
    """
    of_fit = {"kind": "auto", "validation": 0.1, "test": 0.1}
    facts = {name: given.get(name, usual) for name, usual in of_fit.items()}
    kind = kind_of(records) if facts["kind"] == "auto" else facts["kind"]
    told = sorted_arguments(recipe, kind, {name: value for name, value in given.items() if name not in of_fit})
    ready(records, recipe, kind, told, {**facts, "seed": told.settings.seed})


def held_out_shares(validation: Any, test: Any) -> None:
    """See that rows can be held out in these shares, and that some are left to learn from.

    Arguments:
        validation: share of the rows to choose the weights on.
        test: share of the rows to measure on.

    Raises:
        InputError: where one is out of range, or both together are 1 or more.
    """
    conform("validation", validation, Part)
    conform("test", test, Rest)
    if validation + test >= 1:
        raise InputError(f"validation and test must together be a number below 1, not {validation + test:g}: no row is left to learn from")


def divide(records: Records, validation: float, test: float, seed: int) -> tuple[Records, Records, Records]:
    """Training, validation and test rows, stratified by label where there is one.

    Raises:
        InputError: where there are too few rows, or a fraction is out of range.
    """
    held_out_shares(validation, test)
    if records.rows < 4:
        held = f"{records.rows} row{'s' * (records.rows != 1)}"
        raise InputError(f"{records.source}: holds {held}; a model needs at least 4 to learn from and be measured on")
    parts = split(records.rows, records.label, validation, test, seed)
    return records.take(parts.train), records.take(parts.validation), records.take(parts.test)


def fingerprint(records: Records) -> str:
    """A SHA-256 of the values, the labels and the condition: equal where the same rows would be held out again."""
    digest = hashlib.sha256(f"{records.x.shape} {records.x.dtype}".encode())
    for start in range(0, records.rows, 8192):
        digest.update(np.ascontiguousarray(records.x[start : start + 8192]).tobytes())
    for known in (records.label, records.condition):
        if known is not None:
            digest.update(known.tobytes() if known.dtype != object else repr(known.tolist()).encode())
    return digest.hexdigest()
