"""Ctrl-C ends a run at the end of a step, with everything saved."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Hurried", "Interrupt"]


class Hurried(KeyboardInterrupt):
    """Asked to stop a second time: at once, with nothing saved since the last measurement."""


class Interrupt:
    """A context in which signals are noted instead of raised; a second one is raised at once.

    Arguments:
        signals: which; none = Ctrl-C and SIGTERM.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.signals = signals or (signal.SIGINT, signal.SIGTERM)
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        # Only the main thread may handle signals; elsewhere the run simply cannot be asked to stop.
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._note) for s in self.signals}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise Hurried
        self.asked = True
