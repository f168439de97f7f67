r"""The class of each row, from a model that has one behind it.

    k = argmax_y q(y|x, c),   with the probability of every class

A label that a row comes with is left out: what is told is what the model would say of a row without one.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import centre
from vaekit.core.errors import InputError, nearest
from vaekit.core.system import System
from vaekit.core.trace import Trace
from vaekit.tasks.walk import Rows, at_rest, batches

__all__ = ["SITE", "Prediction", "asked_classes", "predict", "predicts", "takes_class"]

SITE = "y"
"""The latent that is a class."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of each row's class.

    Arguments:
        label: the likeliest class, by its place in `classes`, `(N,)`, int64.
        probability: of every class, `(N, classes)`.
        classes: their names.
    """

    label: np.ndarray
    probability: np.ndarray
    classes: tuple[str, ...]

    @property
    def names(self) -> np.ndarray:
        """The likeliest class by name, `(N,)`, objects."""
        return np.array(self.classes, dtype=object)[self.label]


def predict(system: System, rows: Rows, seed: int = 0) -> Prediction:
    """The class of each row.

    Arguments:
        system: fitted, with a class as a latent.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows, or the model has no class.
    """
    _needs_class(system)
    found: list[Tensor] = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            posterior: Any = system.model(batch, centre()).sites[SITE].posterior
            found.append(posterior.probs[0].cpu())
    probability = torch.cat(found).numpy()
    return Prediction(probability.argmax(1), probability, system.modality.classes)


def predicts(system: System) -> bool:
    """Whether a class is among the model's latents."""
    return SITE in _generated(system).sites


def takes_class(system: System) -> bool:
    """Whether a class can be asked for: where it is the first thing that is decided of a new row."""
    return next(iter(_generated(system).sites)) == SITE


def asked_classes(system: System, given: Any, rows: int) -> Tensor:
    """Classes as a person names them, by name or by place, as `(rows,)` int64.

    Arguments:
        system: fitted.
        given: one class for all rows, or one a row.
        rows: how many rows are wanted.

    Raises:
        InputError: where a class is unknown, there is another number of them, or none can be asked for.
    """
    _needs_class(system)
    if not takes_class(system):
        name = system.recipe or "this model"
        raise InputError(f"{name} reads the class from a row that is made already, so none can be asked for: use m2")
    names = list(system.modality.classes)
    asked = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else np.asarray(given).reshape(-1).tolist()
    unknown = [name for name in asked if str(name) not in names]
    if unknown:
        raise InputError(f"class {str(unknown[0])!r} is not one that the model was trained with: {nearest(str(unknown[0]), names)}")
    if len(asked) not in (1, rows):
        raise InputError(f"{len(asked)} classes do not fit {rows} rows: give one for all, or one a row")
    return torch.tensor([names.index(str(name)) for name in asked]).expand(rows)


def _generated(system: System) -> Trace:
    condition = system.modality.example(1).condition
    with at_rest(system) as device:
        return system.model(Batch(condition=condition, size=1).to(device), centre())


def _needs_class(system: System) -> None:
    if not predicts(system):
        told = [str(fact["name"]) for fact in system.modality.state.get("conditions") or [] if fact["names"]]
        beside = f", or name what it is told, condition={{{told[0]!r}: ...}} (--condition {shlex.quote(told[0])}=VALUE)" if told else ""
        raise InputError(f"{system.recipe or 'this model'} knows no classes: fit m1, m2 or m1_m2 with labels{beside}")
