r"""How much of a stage is done, by steps or by the clock, whichever is nearer its end.

    progress = max(steps / (epochs * steps an epoch), seconds / budget),   clipped to [0, 1]

Where the clock decides, a second of measuring is a second less of learning: measuring gets a tenth.
"""

import time
from dataclasses import dataclass, field

__all__ = ["Budget"]

_MEASURING = 0.1


@dataclass
class Budget:
    """What one stage may use.

    Arguments:
        steps: steps of the stage; None = no bound.
        seconds: wall-clock seconds of the stage; None = no bound.
        spent: seconds used before this process began: a resumed run does not start its clock again.
        measured: seconds that measuring has taken of them.
    """

    steps: int | None
    seconds: float | None
    spent: float = 0.0
    measured: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds the stage has used, those before a resume included."""
        return self.spent + time.monotonic() - self._began

    def affords_measuring(self) -> bool:
        """Whether measuring may take more of the stage's time."""
        return self.seconds is None or self.measured <= _MEASURING * self.elapsed()

    def progress(self, step: int) -> float:
        """The fraction that is done after this many steps."""
        by_steps = step / self.steps if self.steps else 0.0
        by_clock = self.elapsed() / self.seconds if self.seconds else 0.0
        return min(max(by_steps, by_clock), 1.0)
