"""A system described: real shapes, every parameter counted once, drawn as well-formed SVG, at most 100 columns of text."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from torch import nn

import vaekit as vk
from vaekit.core.system import build
from vaekit.faces.anatomy import dissect
from vaekit.faces.describing import as_json, as_svg, example_of, in_words
from vaekit.faces.preparing import BOOK
from vaekit.parts.priors import Waiting

GREY = np.random.default_rng(0).integers(0, 256, (40, 16, 16)).astype(np.uint8)


def system(data, recipe="vae", condition=None, kind="auto", gaps=False, **arguments):
    return build(BOOK, recipe, vk.modality(data, condition=condition, kind=kind, gaps=gaps), **arguments)


def rows(columns=5):
    return np.random.default_rng(0).normal(size=(40, columns))


CASES = {
    "vector": lambda: system(rows(), latent=3),
    "gaps": lambda: system(rows(), gaps=True, network="residual", hidden=[8, 8, 12]),
    "condition": lambda: system(rows(), condition=np.arange(40) % 4),
    "wide condition": lambda: system(rows(3), condition=rows(3), latent=3),
    "gated": lambda: system(rows(), gated=True, dropout=0.1),
    "convolution": lambda: system(GREY, channels=[4, 8], latent=2),
    "own": lambda: system(GREY, reader=nn.Sequential(nn.Flatten(), nn.Linear(256, 7)), writer=nn.Linear(4, 256), latent=4),
    "schedule": lambda: system(rows(), beta={"recipe": "linear", "arguments": {"until": 0.2}}),
    **{recipe: lambda recipe=recipe: example_of(recipe) for recipe in BOOK.recipes},
}


@pytest.fixture(params=CASES, scope="module")
def described(request):
    return CASES[request.param]()


def test_every_parameter_is_counted_once(described):
    anatomy = dissect(described)
    learnt = [described.model, *(stage.objective for stage in described.stages)]
    assert anatomy.parameters == sum(p.numel() for module in learnt for p in module.parameters())
    assert sum(organ.parameters for organ in anatomy.organs) == sum(p.numel() for p in described.model.parameters())
    for organ in anatomy.organs:
        # A likelihood's own scale and a prior's pseudo-inputs are no layers; all other parameters belong to one.
        prior = dict(described.model.named_children()).get("prior", nn.Identity())
        own = sum(p.numel() for p in prior.parameters(recurse=False)) if organ.role == "latent" else 0
        # What waits for a stage of its own, or makes a density alone, does not run in this walk, and is told of.
        aside = 0
        if organ.role == "latent" and isinstance(prior, Waiting):
            aside = sum(p.numel() for p in prior.then.parameters())
            assert any(line.startswith(f"{aside:,} parameters of the prior") for line in organ.lines)
        elif any(line.startswith(f"{organ.parameters - own:,} parameters of the prior's own network") for line in organ.lines):
            continue
        assert 0 <= organ.parameters - own - aside - sum(layer.parameters for layer in organ.layers) <= np.prod(described.modality.event)


def test_describing_leaves_the_model_as_it_was(described):
    described.model.train()
    dissect(described)
    assert described.model.training
    assert not any(module._forward_hooks for module in described.model.modules())


def test_words_fit_a_terminal_and_name_every_part(described):
    text = in_words(described)
    assert max(map(len, text.splitlines())) <= 100 and all(line == line.rstrip() for line in text.splitlines())
    for role in ("data", "encoder", "latent", "decoder", "likelihood", "objective"):
        assert any(line.startswith(role) for line in text.splitlines())


def test_the_drawing_is_xml_that_stands_alone_within_its_paper(described):
    text = as_svg(described)
    root = ElementTree.fromstring(text)
    width, height = map(float, root.get("viewBox").split()[2:])
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "") and "script" not in text
    for place in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < float(place.get("x")) < width and 0 < float(place.get("y")) < height
    assert all(word in text for word in ("Data", "Encoder", "Latent", "Decoder", "Likelihood", "Objective", "prefers-color-scheme:dark"))


def test_json_holds_the_same(described):
    facts = as_json(described)
    assert json.loads(json.dumps(facts))["parameters"] == dissect(described).parameters


def test_shapes_are_those_of_one_row():
    anatomy = dissect(CASES["convolution"]())
    encoder, decoder = (next(organ for organ in anatomy.organs if organ.role == role) for role in ("encoder", "decoder"))
    first = next(layer for layer in encoder.layers if layer.kind == "Conv2d")
    assert first.given == (1, 16, 16) and first.made == (4, 8, 8) and encoder.layers[-1].made == (4,)
    assert decoder.layers[0].given == (2,) and decoder.layers[-1].made[:2] == (16, 16)
    assert [layer.kind for layer in encoder.layers].count("ResidualBlock") == 2


def test_a_gated_layer_is_told_with_what_it_gives():
    encoder = dissect(CASES["gated"]()).organs[1]
    assert encoder.layers[1].kind == "Linear, GLU, Dropout" and encoder.layers[1].made == (256,)


def test_what_makes_a_recipe_itself_is_told():
    assert "5 particles" in in_words(example_of("iwae")) and "arXiv:1509.00519" in in_words(example_of("iwae"))
    assert "4 × rate" in in_words(example_of("beta_vae"))
    assert "capacity (0 to 25 over the first 50%)" in in_words(example_of("annealed_vae")).replace("\n             ", " ")
    assert "(0 to 1 over the first 20%) × rate" in in_words(CASES["schedule"]())
    assert "point, deterministic" in in_words(example_of("autoencoder"))
    vamp = in_words(example_of("vamp_vae"))
    assert "prior p(z): learned normal mixture" in vamp and "pseudo-inputs: 500 × 64" in vamp
    assert [layer.made for layer in dissect(example_of("vamp_vae")).organs[1].layers] == [(64,), (256,), (256,), (32,)]
    assert "prior p(z): learned normal" in in_words(example_of("cvae")) and "q(z|x, c)" in in_words(example_of("cvae"))
    assert "condition:" in in_words(CASES["condition"]()) and "q(z|x, c)" in in_words(CASES["condition"]())


def test_an_example_says_that_it_is_one():
    shown = example_of("vae")
    assert "shown on the data set 'digits'" in in_words(shown, True) and "shown on the data set" in as_svg(shown, True)
    assert as_json(shown, True)["example"] == "digits" and "shown on" not in in_words(shown)


def test_names_from_the_data_cannot_break_the_drawing():
    import pandas as pd

    text = as_svg(system(pd.DataFrame(rows(2), columns=["<b>&", "]]>"]), latent=2))
    ElementTree.fromstring(text)
    assert "&lt;b&gt;&amp;" in text


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(vk.InputError, match="beta_vae"):
        example_of("beta_va")
