"""What a person sees while work goes on: a bar that moves on a terminal, a quiet line now and then elsewhere.

    ━━━━━━╸         48%  0:14 left  distortion 84.2 + rate 13.9 nats  lowest 97.6  12/16 units  21,300 rows/s  step 640  lr 8.1e-04

All of it goes to standard error: standard output is for results.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vaekit.training.progress import Hook, Moment, Validation

__all__ = ["Bar", "Lines", "Progress", "measuring", "on_terminal", "showing", "silent", "working"]

Progress = Callable[[str, float], None]

_EVERY_SECONDS = 10.0
# Columns of the bar, and of the share and the time left with the spaces between.
_BAR, _SHARE = 16, 18


def on_terminal() -> bool:
    """Whether a person watches: standard error is a terminal, or this is a notebook."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal or console.is_jupyter


class _Clock:
    """How long a stage will still take, at the pace that it has had."""

    def __init__(self) -> None:
        self._stage, self._began, self._done = 0, 0.0, 0.0
        self._told: float | None = None

    def left(self, at: Moment | Validation) -> str:
        """Minutes and seconds to the end of the stage; empty where there is no pace yet."""
        if at.stage != self._stage:
            # A stage begins where the one before it ended; of one that is resumed, nothing was told before.
            self._began, self._done = (at.seconds, at.progress) if self._told is None else (self._told, 0.0)
            self._stage = at.stage
        self._told = at.seconds
        if not self._done < at.progress < 1:
            return ""
        seconds = round((at.seconds - self._began) * (1 - at.progress) / (at.progress - self._done))
        return f"{seconds // 60}:{seconds % 60:02} left"


class _Watcher:
    """What both ways of showing a run keep: the lowest held-out value of the stage so far.

    It need not be that of the weights which are kept: a stage goes by what it minimises, and a person compares runs by the bound.
    """

    def __init__(self) -> None:
        self.lowest: float | None = None
        self._stage = 0
        self._clock = _Clock()

    def measured(self, validation: Validation) -> float:
        """The loss on held-out rows, nats: the negative bound where the model has one."""
        value = validation.held_out.get("elbo", validation.held_out["loss"])
        if validation.stage != self._stage:
            self.lowest, self._stage = None, validation.stage
        self.lowest = value if self.lowest is None else min(self.lowest, value)
        return value


class Bar(_Watcher):
    """A bar on a terminal or in a notebook; starts at the first moment, so that it can be sent to another process before."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Any = None
        self._task: Any = None

    def moment(self, moment: Moment) -> None:
        """Move the bar."""
        if self._shown is None:
            self._start()
        self._shown.update(self._task, completed=moment.progress, left=self._clock.left(moment), words=self._words(moment), refresh=True)

    def validation(self, validation: Validation) -> None:
        """Remember the lowest; the bar of a finished stage stays as it is."""
        self.measured(validation)
        if validation.progress >= 1:
            self.stop()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown is None:
            print(text, file=sys.stderr)
        else:
            self._shown.console.print(text, highlight=False, markup=False)

    def stop(self) -> None:
        """Take the bar away and give the cursor back."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.BarColumn(bar_width=_BAR), progress.TextColumn("{task.percentage:3.0f}%  {task.fields[left]:<9}"),
            progress.TextColumn("{task.fields[words]}"),
        )
        # Moments come a few times a second: a thread that redraws in between would only cost time.
        self._shown = progress.Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
        self._task = self._shown.add_task("", total=1.0, left="", words="")
        self._shown.start()

    def _words(self, moment: Moment) -> str:
        stage = f"stage {moment.stage + 1}/{moment.stages}" if moment.stages > 1 else ""
        lowest = "" if self.lowest is None else f"lowest {self.lowest:.4g}"
        pace = f"{moment.rows_per_second:,.0f} rows/s", f"step {moment.step:,}", f"lr {moment.rate:.1e}"
        words = "  ".join(filter(None, (stage, losses(moment.readings), lowest, _units(moment), *pace)))
        # On a narrow terminal the words give way at their end; the bar, the share and the time left stay.
        return words[: max(self._shown.console.width - _BAR - _SHARE, 0)]


class Lines(_Watcher):
    """A line on standard error at a measurement, ten seconds apart or more, and one at the end of a stage."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at = time.monotonic()

    def moment(self, moment: Moment) -> None:
        """Nothing: a log is no place for what moves."""

    def validation(self, validation: Validation) -> None:
        """Tell the measurement, where the last one is long enough ago."""
        value = self.measured(validation)
        now, left = time.monotonic(), self._clock.left(validation)
        if validation.progress < 1 and now - self._told_at < _EVERY_SECONDS:
            return
        self._told_at = now
        words = (
            f"{validation.progress:4.0%}  epoch {validation.epoch:.1f}", losses(validation.train),
            f"held-out {value:.4g} (lowest {self.lowest:.4g}) nats", _units(validation), left,
        )
        print("  ".join(filter(None, words)), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Tell it."""
        print(text, file=sys.stderr, flush=True)


def losses(readings: Mapping[str, float]) -> str:
    """Readings as the two sides of the bound, then the other losses of a recipe beside them, nats.

    What a critic is right of is no loss and is left out.
    """
    rates = [value for name, value in readings.items() if name.startswith("kl.")]
    sides = {"distortion": readings["distortion"]} if "distortion" in readings else {}
    if rates:
        sides["rate"] = sum(rates)
    others = {name: value for name, value in readings.items() if name not in ("rate", *sides) and not name.startswith(("kl.", "critic."))}
    shown = [" + ".join(_named(sides)), *_named(others)]
    return f"{', '.join(filter(None, shown))} nats" if any(shown) else ""


def _named(readings: Mapping[str, float]) -> list[str]:
    return [f"{name.replace('_', ' ')} {value:.4g}" for name, value in readings.items()]


def _units(at: Moment | Validation) -> str:
    return f"{at.active_units}/{at.latent_units} units" if at.latent_units else ""


@contextmanager
def showing(progress: bool) -> Iterator[tuple[Hook, ...]]:
    """The hooks that show a run to whoever watches; none where nobody does.

    Arguments:
        progress: whether to show anything.
    """
    if not progress or not on_terminal():
        yield ()
        return
    bar = Bar()
    try:
        yield (bar,)
    finally:
        bar.stop()


@contextmanager
def working(shown: bool) -> Iterator[Progress]:
    """What is told how far a piece of work is, on standard error: a terminal's line that is taken away at the end, else lines now and then.

    Arguments:
        shown: whether anything is shown.
    """
    if not shown:
        yield silent
    elif sys.stderr.isatty():
        with _one_line() as tell:
            yield tell
    else:
        yield _now_and_then()


@contextmanager
def _one_line() -> Iterator[Progress]:
    width = 0

    def tell(doing: str, fraction: float) -> None:
        nonlocal width
        line = f"{doing} {fraction:.0%}"
        sys.stderr.write(f"\r{line:<{width}}")
        sys.stderr.flush()
        width = len(line)

    try:
        yield tell
    finally:
        if width:
            sys.stderr.write(f"\r{'':<{width}}\r")
            sys.stderr.flush()


def _now_and_then() -> Progress:
    told_at = time.monotonic()

    def tell(doing: str, fraction: float) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= _EVERY_SECONDS:
            told_at = now
            print(f"{doing} {fraction:.0%}", file=sys.stderr, flush=True)

    return tell


def silent(doing: str, fraction: float) -> None:
    """The progress that nobody watches."""


def measuring(tell: Progress) -> Callable[[str, int, int], None]:
    """What a measure tells, rows done of all, as a fraction.

    Arguments:
        tell: called with a word and a fraction.
    """

    def told(doing: str, done: int, total: int) -> None:
        tell(f"measuring: {doing}", done / total)

    return told
