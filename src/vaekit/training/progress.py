"""What a run tells others while it goes on: a history of measurements, and hooks that watch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

__all__ = ["Hook", "History", "Moment", "Validation", "told"]


@dataclass(frozen=True)
class Validation:
    """One measurement on held-out rows.

    Arguments:
        stage: which stage, from 0.
        step: steps of the stage that were taken.
        epoch: epochs of the stage, with the fraction of the current one.
        progress: fraction of the stage that is done.
        seconds: since the run began, pauses between resumed parts left out.
        rate: the learning rate.
        train: mean readings of the steps since the last validation, nats a row.
        held_out: readings on held-out rows, `elbo` among them where the model has one, nats a row.
        active_units: latent coordinates whose KL exceeds 0.01 nats on held-out rows, of all; where a KL has no coordinates, those whose
            posterior means vary by more than 0.01 of the prior's variance.
        latent_units: all latent coordinates.
    """

    stage: int
    step: int
    epoch: float
    progress: float
    seconds: float
    rate: float
    train: dict[str, float]
    held_out: dict[str, float]
    active_units: int
    latent_units: int


@dataclass
class History:
    """Everything a run measured, in order.

    Arguments:
        validations: measurements on held-out rows.
        notes: what happened, in words: a step halved, an early stop.
        best: the lowest watched value of the last stage.
        machine: what was decided for this machine: device, precision, compiled or not.
    """

    validations: list[Validation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    best: float = float("inf")
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> list[Validation]:
        """The last measurement of each stage: `step` and `epoch` begin anew in every one."""
        return list({measured.stage: measured for measured in self.validations}.values())

    @property
    def epochs(self) -> float:
        """Passes over the rows, of all stages together."""
        return sum(end.epoch for end in self.ends)

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(end.step for end in self.ends)

    def to_json(self) -> dict[str, Any]:
        """The history as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "History":
        """The history from its JSON values."""
        return cls(**{**values, "validations": [Validation(**v) for v in values["validations"]]})


@dataclass(frozen=True)
class Moment:
    """Where a run is, between two steps.

    Arguments:
        stage: which stage, from 0, of `stages`.
        step: steps of the stage that were taken.
        epoch: epochs of the stage that were finished.
        progress: fraction of the stage that is done.
        seconds: since the run began.
        rows_per_second: training rows a second, lately.
        rate: the learning rate.
        readings: of the latest step, nats a row.
        active_units: at the last validation.
        latent_units: all latent coordinates.
        stages: how many stages there are.
    """

    stage: int
    step: int
    epoch: int
    progress: float
    seconds: float
    rows_per_second: float
    rate: float
    readings: dict[str, float]
    active_units: int
    latent_units: int
    stages: int


class Hook(Protocol):
    """Watches a run."""

    def moment(self, moment: Moment) -> None:
        """Called a few times a second."""

    def validation(self, validation: Validation) -> None:
        """Called after each measurement on held-out rows."""

    def note(self, text: str) -> None:
        """Called when something happened that a person should read."""


def told(hooks: Sequence[Hook], history: History, text: str) -> None:
    """Keep a note and tell every hook."""
    history.notes.append(text)
    for hook in hooks:
        hook.note(text)
