"""Every option of every recipe, kind of data and setting says what it may be, and refuses all else before any work is done."""

from math import inf, nan
from typing import Any, get_args

import numpy as np
import pytest

import vaekit as vk
from vaekit.core.declared import conform
from vaekit.faces.options import MODALITIES, options_of
from vaekit.faces.preparing import BOOK, sorted_arguments

OPTIONS = {
    (recipe, kind, name): option for recipe in BOOK.recipes for kind in MODALITIES for name, option in options_of(recipe, kind).items()
}
# Each kind of option with values that are none, whatever its range.
WRONG: dict[str, list[Any]] = {
    "whole number": [2.5, 3.0, nan, inf, "many", True, None, [], -1],
    "number": [nan, inf, -inf, "much", True, [], -1],
    "true or false": [0, 1, "yes", None],
    "network": ["mine", 3],
    "mapping": [5, None, [1]],
    "word": [5, True, []],
}
OUTSIDE = {
    "latent": 0, "particles": 0, "corruption": 1.0, "until": 0, "hidden": [8, 0], "channels": [8, 0], "dropout": 1.0, "epochs": 0,
    "minutes": 0, "batch": 0, "rate": 0, "warm_up": 1.5, "final": 1.5, "average": 1.0, "validations": 0, "devices": 0, "seed": 2**32,
    "beta": {"recipe": "linear", "arguments": {"start": -1}}, "precision": "16", "compile": "no", "device": "gpu", "gamma": -0.5,
    "capacity": -0.5, "free_bits": -0.5, "blocks": -1, "weight_decay": -0.5, "momentum": -0.5, "clip": -0.5, "patience": -1,
    "groups": 0, "prior": [8, 0], "pseudo_inputs": 0, "share": 1.5, "critic": [8, 0], "strength": -1.0, "diagonal": -0.5, "alpha": -0.5,
    "distortion": -0.5, "penalty": -0.5, "steps": 0, "flow_hidden": [8, 0], "context": 0, "width": 0, "levels": 0,
    "vae_share": 1.0, "joint": 1.0, "labelled": 1.5, "top_first": 1.5, "features": 0, "above": [8, 0], "shift": -1,
    "mean_spread": -0.5, "encoder_steps": -1, "curvature": 0, "planes": 0, "components": 0,
    "bottleneck": 1.5, "codes": 1, "commitment": -0.5, "temperature": 0, "prior_width": 0, "prior_layers": 0,
}


def message(recipe: str, kind: str, name: str, value: Any) -> str:
    with pytest.raises(vk.InputError) as caught:
        sorted_arguments(recipe, kind, {name: value})
    return str(caught.value)


def test_every_option_refuses_what_it_is_not():
    for (recipe, kind, name), option in OPTIONS.items():
        words = message(recipe, kind, name, b"bytes are nothing that a person says")
        assert words.startswith(f"{name} must be ") and "\n" not in words, words
        allowed = words.removeprefix(f"{name} must be ").split(", not ")[0]
        wrong = [5] if "'" in allowed else next(values for known, values in WRONG.items() if known in allowed)
        for value in wrong:
            if value is None and type(None) in get_args(option.declared):
                continue
            words = message(recipe, kind, name, value)
            assert words.startswith(f"{name} must be ") and words.endswith(f", not {value!r}") and "\n" not in words, words
        if option.default is not None and option.default != ():
            conform(name, option.default, option.declared)


def test_every_range_is_told():
    names = {name for _, _, name in OPTIONS}
    assert set(OUTSIDE) <= names
    for (recipe, kind, name), _ in OPTIONS.items():
        if name in OUTSIDE:
            words = message(recipe, kind, name, OUTSIDE[name])
            assert words.startswith(f"{name} must be ") and words.endswith(f", not {OUTSIDE[name]!r}"), words
    left = {n for _, _, n in OPTIONS} - set(OUTSIDE)
    assert left == {"likelihood", "doubly_reparameterised", "reader", "writer", "network", "activation", "gated", "norm", "binarise",
                    "gaps", "constant", "weighting", "kernel", "flow",
                    "codebook", "hard", "classifier", "correlated"}


def test_nothing_is_opened_before_the_arguments_are_right():
    for wrong in ({"beta": -1}, {"epochs": 0}, {"validation": 0}, {"test": 1.0}, {"test": 0.6, "validation": 0.6}, {"latnt": 3}):
        with pytest.raises(vk.InputError) as caught:
            vk.fit("no such file.csv", **wrong)
        assert "no such file" not in str(caught.value)


def test_a_part_composed_by_hand_is_as_strict():
    for make, words in (
        (lambda: vk.objectives.KL(-1), "weight must be a number of 0 or more"),
        (lambda: vk.objectives.KL(capacity=-1), "capacity must be a number of 0 or more"),
        (lambda: vk.objectives.ImportanceBound(2.0), "particles must be a whole number of 1 or more, not 2.0"),
        (lambda: vk.posteriors.Normal(0), "latent must be a whole number of 1 or more, not 0"),
    ):
        with pytest.raises(vk.InputError, match=words):
            make()


def test_a_word_that_reads_as_a_number_is_a_word():
    assert vk.Settings.checked(precision=32).precision == "32"
    assert vk.Settings.checked(compile=True).compile is True


@pytest.mark.parametrize(("arguments", "words"), [
    ({"name": "normal", "scale": nan}, "scale must be finite and a word or a number, not nan"),
    ({"name": "normal", "momentm": 0.5}, "takes no 'momentm': did you mean 'momentum'"),
    ({"name": "student_t", "degrees": 3}, "takes no 'degrees': it has no arguments"),
    ({"name": "categorical", "classes": 2.5}, "classes must be a whole number, not 2.5"),
    ({"name": "discretised_logistic_mixture", "components": "many"}, "components must be a whole number, not 'many'"),
])
def test_a_likelihood_s_own_arguments_are_checked(arguments, words):
    with pytest.raises(vk.InputError, match=words):
        vk.modality(np.arange(60).reshape(20, 3) % 4, likelihood=arguments)
