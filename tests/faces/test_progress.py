"""What a person sees of a run: the numbers are those of the run, and nothing is left on the screen."""

import io
import pickle
import sys
from dataclasses import replace

import numpy as np

import vaekit
from vaekit.faces.progress import Bar, Lines, losses, showing, working
from vaekit.training.progress import Moment, Validation

MOMENT = Moment(
    stage=0, step=640, epoch=5, progress=0.25, seconds=20.0, rows_per_second=21_300.0, rate=8.1e-4,
    readings={"distortion": 84.2, "rate": 13.9, "kl.z": 13.9}, active_units=12, latent_units=16, stages=1,
)
VALIDATION = Validation(
    stage=0, step=700, epoch=5.5, progress=0.3, seconds=22.0, rate=8e-4, train={"distortion": 84.0, "rate": 13.0, "kl.z": 13.0},
    held_out={"loss": 99.0, "elbo": 97.64}, active_units=12, latent_units=16,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def wide_terminal(monkeypatch) -> Terminal:
    """Standard error as a wide terminal; called in a test's body, since pytest sets the stream anew after its fixtures."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return stream


def test_a_bar_shows_every_number(monkeypatch):
    terminal = wide_terminal(monkeypatch)
    bar = Bar()
    bar.validation(VALIDATION)
    bar.moment(MOMENT)
    bar.note("halved the learning rate")
    bar.stop()
    shown = terminal.getvalue()
    losses = "distortion 84.2 + rate 13.9 nats", "lowest 97.64"
    words = ("25%", "step 640", "lr 8.1e-04", "21,300 rows/s", *losses, "12/16 units", "1:00 left")
    for word in (*words, "halved the learning rate"):
        assert word in shown, word
    # The cursor is hidden while the bar moves, and comes back.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_bar_can_be_sent_to_another_process_before_it_starts(monkeypatch):
    terminal = wide_terminal(monkeypatch)
    bar = pickle.loads(pickle.dumps(Bar()))
    bar.moment(MOMENT)
    bar.stop()
    assert "step 640" in terminal.getvalue()


def test_lines_are_ten_seconds_apart_and_the_last_is_always_told(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr("vaekit.faces.progress.time.monotonic", lambda: next(clock))
    lines = Lines()
    for _ in range(3):
        lines.moment(MOMENT)
        lines.validation(VALIDATION)
    lines.validation(Validation(**{**vars(VALIDATION), "progress": 1.0}))
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["30%", "100%"]
    assert "epoch 5.5  distortion 84 + rate 13 nats  held-out 97.64 (lowest 97.64) nats  12/16 units  0:51 left" in told[0]


def test_the_time_left_is_that_of_the_stage(capsys, monkeypatch):
    """The seconds of a run count from its beginning, its progress from that of the stage."""
    monkeypatch.setattr("vaekit.faces.progress._EVERY_SECONDS", 0.0)

    def told(*moments: tuple[int, float, float]) -> list[str]:
        lines = Lines()
        for stage, seconds, progress in moments:
            lines.validation(replace(VALIDATION, stage=stage, seconds=seconds, progress=progress))
        return [line.rpartition("  ")[2] for line in capsys.readouterr().err.splitlines()]

    assert told((0, 600.0, 0.5), (0, 1200.0, 1.0), (1, 1230.0, 0.1))[::2] == ["10:00 left", "4:30 left"]
    assert told((1, 1230.0, 0.1), (1, 1290.0, 0.3))[1] == "3:30 left"


def test_the_lowest_is_that_of_the_stage():
    bar = Bar()
    for stage, value, best in ((0, 4.0, 4.0), (0, 6.0, 4.0), (1, 15.0, 15.0), (1, 14.0, 14.0)):
        assert bar.measured(replace(VALIDATION, stage=stage, held_out={"loss": value})) == value and bar.lowest == best


def test_fit_shows_a_bar_on_a_terminal_alone(monkeypatch):
    terminal = wide_terminal(monkeypatch)
    rows = np.random.default_rng(0).normal(size=(60, 3))
    with showing(False) as hooks:
        assert hooks == ()
    told = {"latent": 2, "hidden": [8], "minutes": 0.015}
    vaekit.fit(rows, progress=False, **told)
    assert not terminal.getvalue()
    vaekit.fit(rows, **told)
    assert "rows/s" in terminal.getvalue()
    silent = io.StringIO()
    monkeypatch.setattr(sys, "stderr", silent)
    vaekit.fit(rows, **told)
    assert not silent.getvalue()


def test_work_is_told_in_one_line_that_goes_away(monkeypatch):
    terminal = wide_terminal(monkeypatch)
    with working(True) as tell:
        tell("measuring: likelihood", 0.5)
        tell("samples", 1.0)
    parts = terminal.getvalue().split("\r")
    assert parts[1] == "measuring: likelihood 50%" and parts[2].rstrip() == "samples 100%"
    assert len(parts[2]) == len(parts[1]) and not parts[3].strip() and parts[-1] == ""
    with working(False) as tell:
        tell("samples", 1.0)
    assert terminal.getvalue().count("samples") == 1


def test_work_is_told_in_lines_ten_seconds_apart_where_there_is_no_terminal(capsys, monkeypatch):
    clock = iter([0.0, 9.0, 12.0, 21.0, 22.0])
    monkeypatch.setattr("vaekit.faces.progress.time.monotonic", lambda: next(clock))
    with working(True) as tell:
        for share in (0.1, 0.2, 0.3, 0.4):
            tell("annealing", share)
    assert capsys.readouterr().err.splitlines() == ["annealing 20%", "annealing 40%"]


def test_only_the_two_sides_of_the_bound_are_added():
    readings = {"feature_distortion": 3.1, "distortion": 84.0, "kl.z": 12.0, "rate": 13.0, "kl.y": 1.0, "adversary": 0.7, "critic.real": 2}
    assert losses(readings) == "distortion 84 + rate 13, feature distortion 3.1, adversary 0.7 nats"
    assert [losses(found) for found in ({"loss": 97.0}, {"kl.z": 2.0}, {})] == ["loss 97 nats", "rate 2 nats", ""]
