"""Schedules against their formulas, and what is refused."""

import math

import numpy as np
import pytest
import torch

from vaekit.core.errors import InputError
from vaekit.core.schedule import Constant, Cosine, Cyclic, Linear, ends, schedule

GRID = np.linspace(0, 1, 101)

FORMULAS = [
    (Constant(0.7), lambda p: 0.7 + 0 * p),
    (Linear(1.0, 3.0, until=0.4), lambda p: 1 + 2 * np.minimum(p / 0.4, 1)),
    (Linear(), lambda p: np.minimum(p / 0.1, 1)),
    (Cosine(0.5, 2.0, until=0.25), lambda p: 0.5 + 1.5 * (1 - np.cos(np.pi * np.minimum(p / 0.25, 1))) / 2),
    (Cyclic(0.0, 4.0, cycles=4, until=0.5), lambda p: 4 * np.minimum(np.where(p == 1, 1, np.modf(4 * p)[0]) / 0.5, 1)),
]


@pytest.mark.parametrize(("made", "formula"), FORMULAS, ids=lambda f: type(f).__name__)
def test_formula(made, formula):
    found = np.array([float(made(torch.tensor(p))) for p in GRID])
    # A cycle's first instant is a jump: rounding decides its side.
    away = np.abs(np.modf(4 * GRID)[0] - 0.0) > 1e-6 if isinstance(made, Cyclic) else np.full(len(GRID), True)
    np.testing.assert_allclose(found[away], formula(GRID)[away], atol=1e-5)
    assert float(made(torch.tensor(1.0))) == pytest.approx(formula(np.ones(1))[0])
    assert made(torch.tensor(0.3)).shape == ()


def test_a_weight_has_two_ends():
    assert ends(0.25) == (0.25, 0.25)
    assert ends({"recipe": "linear", "arguments": {"start": 0.5, "stop": 3.0, "until": 0.4}}) == (0.5, 3.0)


def test_a_schedule_has_three_spellings():
    for given in (0.25, Constant(0.25), {"recipe": "constant", "arguments": {"value": 0.25}}):
        assert schedule(given) == Constant(0.25)
    assert schedule({"recipe": "cyclic"}) == Cyclic()
    assert schedule({"recipe": "linear", "arguments": {"until": 0.2}}) == Linear(until=0.2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recipe": "liner"}, "did you mean 'linear'"),
        ({"recipe": "linear", "arguments": {"stopp": 2}}, r"schedule 'linear' takes no 'stopp': did you mean 'stop'"),
        ({"recipe": "linear", "arguments": {"cycles": 2}}, r"schedule 'linear' takes no 'cycles': known are start, stop, until"),
        ({"recipe": "linear", "arguments": [2]}, r"schedule 'linear': arguments must be a mapping, not \[2\]"),
        ({"recipe": ["linear"]}, "recipe, the name of a schedule, must be a word"),
        ({"until": 0.2}, "a schedule has no part 'until'"),
        ({"arguments": {"until": 0.2}}, "a schedule needs its name as 'recipe', one of constant, linear, cosine, cyclic"),
        ({"recipe": None}, "recipe, the name of a schedule, must be a word, not None"),
        ({"recipe": "linear", "arguments": {"until": 0}}, "until must be a number above 0 and at most 1"),
        ({"recipe": "cosine", "arguments": {"until": 1.5}}, "until must be a number above 0 and at most 1"),
        ({"recipe": "cyclic", "arguments": {"cycles": 0}}, "cycles must be a whole number of 1 or more"),
        ({"recipe": "linear", "arguments": {"stop": "4"}}, "stop must be a number, not '4'"),
        (math.nan, "finite number"),
        (math.inf, "finite number"),
        ("linear", "finite number or a schedule"),
        (None, "finite number or a schedule"),
    ],
)
def test_what_cannot_be_a_weight_is_refused_in_one_line(given, words):
    with pytest.raises(InputError, match=words) as caught:
        schedule(given)
    assert "\n" not in str(caught.value)
