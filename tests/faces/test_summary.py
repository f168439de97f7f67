"""The line on training: the figure is that of the weights which were kept, stage by stage, in the unit that it has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vaekit
from vaekit.faces.cli.summary import summary
from vaekit.training.progress import History, Validation

ROWS = np.random.default_rng(0).normal(size=(80, 3))


@pytest.fixture(scope="module")
def fitted():
    return vaekit.fit(ROWS, latent=2, hidden=[8], epochs=1, progress=False)


def measured(stage: int, epoch: float, **held_out: float) -> Validation:
    return Validation(stage, 1, epoch, 1.0, 7.0, 1e-3, {}, held_out, 2, 2)


def line(fitted, stages, validations) -> str:
    history = History(validations, machine=fitted.history.machine)
    lines = summary(replace(fitted, system=fitted.system.replace(stages=stages), history=history), None, Path("r"), None)
    return next(told for told in lines if told.startswith("training"))


# The lowest bound is the first one, the lowest loss the second, and the last is neither.
THREE = [measured(0, 1.0, loss=9.0, elbo=5.0), measured(0, 2.0, loss=8.0, elbo=6.0), measured(0, 3.0, loss=8.5, elbo=5.5)]


@pytest.mark.parametrize(("watch", "keep", "kept"), [("elbo", "best", "5"), ("loss", "best", "6"), ("loss", "last", "5.5")])
def test_the_bound_is_that_of_the_weights_kept(fitted, watch, keep, kept):
    stage = replace(fitted.system.stages[0], watch=watch, keep=keep)
    assert f"of the weights kept, held out: negative bound {kept} nats a row" in line(fitted, [stage], THREE)


def test_epochs_and_steps_are_those_of_all_stages(fitted):
    stages = [fitted.system.stages[0]] * 2
    seen = [measured(0, 2.0, loss=5.0), replace(measured(0, 3.0, loss=4.0), step=30), replace(measured(1, 1.5, loss=3.0), step=12)]
    history = History(seen)
    assert (history.ends, history.epochs, history.steps) == (seen[1:], 4.5, 42)
    assert "3 + 1.5 epochs" in line(fitted, stages, seen)
    assert (History().ends, History().epochs, History().steps) == ([], 0, 0)


def test_of_equals_the_later_weights_are_kept(fitted):
    equal = [measured(0, 1.0, loss=3.0, elbo=5.0), measured(0, 2.0, loss=3.0, elbo=4.0)]
    assert "negative bound 4 nats" in line(fitted, [replace(fitted.system.stages[0], watch="loss")], equal)


def test_all_stages_are_told_and_an_error_of_velocities_is_no_nats(fitted):
    stages = [fitted.system.stages[0], replace(fitted.system.stages[0], watch="matching")]
    told = line(fitted, stages, [measured(0, 1.25, loss=5.0, elbo=5.0), measured(1, 0.5, loss=3.5, matching=3.5)])
    assert "1.25 + 0.5 epochs in 7 s" in told and "negative bound 5 nats a row" in told and told.endswith(", then matching 3.5")


def test_the_weights_have_the_figure_that_is_told(fitted):
    told = float(line(fitted, fitted.system.stages, fitted.history.validations).partition("negative bound ")[2].split()[0])
    assert told == pytest.approx(fitted.history.best, rel=1e-3)
