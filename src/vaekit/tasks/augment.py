r"""New rows with their classes, for whoever learns from labelled rows.

    y asked for, evenly by default:   x ~ p(x|y)     (a class as a latent, or as the condition)
    y not to be asked for:            x ~ p(x), y ~ p(y|x's latent)

A model that was fitted to few labels makes rows whose classes are as uncertain as its own; `evaluate` says how often it is right.
(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.generate import by_site, draw
from vaekit.tasks.predict import SITE, asked_classes, predicts, takes_class
from vaekit.tasks.walk import at_rest, chunk, value

__all__ = ["Augmented", "augment"]


@dataclass(frozen=True)
class Augmented:
    """New rows and their classes.

    Arguments:
        values: `(count, *event)`, in the data's own units.
        label: the class of each, by its place in `classes`, `(count,)`.
        classes: their names.
    """

    values: np.ndarray
    label: np.ndarray
    classes: tuple[str, ...]

    @property
    def names(self) -> np.ndarray:
        """The class of each row by name, `(count,)`, objects."""
        return np.array(self.classes, dtype=object)[self.label]


def augment(system: System, count: int, label: Any = None, temperature: float = 1.0, seed: int = 0, start: int = 0) -> Augmented:
    """New labelled rows.

    Arguments:
        system: fitted, with a class as a latent or as its condition.
        count: how many rows.
        label: their class, one for all or one a row; None = every class in turn.
        temperature: 1 = the prior itself, 0 = its centre.
        seed: the same seed gives the same rows.
        start: number of the first row, from 0: which class is in turn, where rows are made a chunk at a time.

    Raises:
        InputError: where the count or the temperature is out of range, a class is unknown, there are other than one or as many as rows, or
            the model has none.
    """
    if count < 1:
        raise InputError(f"count must be 1 or more, not {count}")
    condition = system.modality.state.get("conditions") or []
    if predicts(system):
        if condition:
            raise InputError("the model is told more of a row than its class: make rows with generate, label= and condition=")
        return _of_latent(system, count, label, temperature, seed, start)
    names = list(condition[0]["names"]) if len(condition) == 1 else []
    if not names:
        raise InputError(
            f"{system.recipe or 'this model'} knows no classes, so that new rows would have none: fit m1, m2 or m1_m2 with labels, or cvae "
            "with the class as its condition"
        )
    told = system.modality.condition(_in_turn(names, count, start) if label is None else label, count)
    assert told is not None
    values = system.modality.to_raw(draw(system, count, told, temperature, seed))
    # By its place among the names, so that 3.0 is told as the class 3 that it stands for.
    return Augmented(values, told.argmax(1).numpy(), tuple(names))


def _of_latent(system: System, count: int, label: Any, temperature: float, seed: int, start: int) -> Augmented:
    names = system.modality.classes
    if label is None and not takes_class(system):
        return _as_they_fall(system, count, temperature, seed)
    asked = asked_classes(system, _in_turn(names, count, start) if label is None else label, count)
    values = system.modality.to_raw(draw(system, count, None, temperature, seed, label=asked))
    return Augmented(values, asked.numpy(), tuple(names))


def _as_they_fall(system: System, count: int, temperature: float, seed: int) -> Augmented:
    values, labels, size, tempered = [], [], chunk(system), from_prior(by_site(system, temperature))
    with at_rest(system, seed):
        for start in range(0, count, size):
            trace = system.model(Batch(size=min(size, count - start)), tempered)
            values.append(value(trace.likelihood, False).cpu())
            labels.append(trace.sites[SITE].z[0].argmax(-1).cpu())
    return Augmented(system.modality.to_raw(torch.cat(values)), torch.cat(labels).numpy(), system.modality.classes)


def _in_turn(names: Any, count: int, start: int) -> np.ndarray:
    return np.array(names, dtype=object)[(start + np.arange(count)) % len(names)]
