"""Arguments that are unknown or out of range: the nearest known name, or the range, in one line; nothing is written."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["height", "width", "depth"])
    frame.to_csv(tmp_path / "m.csv", index=False)
    return "m.csv"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--recipe", "vea"), ("recipe 'vea' is unknown", "did you mean 'vae'?")),
        (("--set", "latnt=3"), ("option 'latnt' is unknown", "did you mean 'latent'?")),
        (("--set", "likelihood=norml"), ("likelihood 'norml' is unknown", "did you mean 'normal'?")),
        (("--set", "network=mpl"), ("network must be 'auto', 'mlp', 'residual' or 'convolution', not 'mpl'",)),
        (("--set", "beta.recipe=liner"), ("schedule 'liner' is unknown", "did you mean 'linear'?")),
        (("--set", "kind=imge"), ("modality 'imge' is unknown", "did you mean 'image'?")),
        (("--set", "latent=0"), ("latent", "1 or more", "0")),
        (("--set", "latent=2.5"), ("latent", "whole number", "2.5")),
        (("--epochs", "-3"), ("epochs must be a whole number of 1 or more, not -3",)),
        (("--minutes", "0"), ("minutes must be a number above 0", "not 0.0")),
        (("--seed", "-1"), ("seed must be a whole number from 0 to 4294967295, not -1",)),
        (("--device", "gpu"), ("device must be 'auto', 'cpu', 'cuda' or 'mps', not 'gpu'",)),
        (("--set", "batch=0"), ("batch must be a whole number of 1 or more, not 0",)),
        (("--set", "rate=fast"), ("rate must be a number above 0, not 'fast'",)),
        (("--set", "hidden=0"), ("hidden", "1 or more")),
        (("--set", "free_bits=some"), ("free_bits must be a number of 0 or more, not 'some'",)),
        (("--set", "dropout=1.5"), ("dropout must be a number from 0 to below 1, not 1.5",)),
        (("--set", "gaps=maybe"), ("gaps must be true or false, not 'maybe'",)),
        (("--set", "beta=much"), ("beta must be a number of 0 or more or a schedule", "not 'much'")),
        (("--set", "validation=1"), ("validation must be a number above 0 and below 1, not 1",)),
        (("--set", "validation=0"), ("validation must be a number above 0 and below 1, not 0",)),
        (("--set", "test=few"), ("test must be a number from 0 to below 1, not 'few'",)),
        (("--set", "test=0"), ("test must be above 0 for a report", "not 0", "--no-report")),
        (("--set", "test=0.5", "--set", "validation=0.5"), ("validation and test must together be a number below 1, not 1",)),
        (("--set", "beta.until=0.2"), ("beta: a schedule has no part 'until'", "known are arguments, recipe")),
        (("--set", "beta.arguments.until=0.2"), ("beta: a schedule needs its name as 'recipe', one of constant, linear",)),
        (("--set", "beta.recipe=linear", "--set", "beta.arguments.untl=0.2"), ("takes no 'untl'", "did you mean 'until'?")),
        (("--set", "beta=-1"), ("beta must be a number of 0 or more", "not -1")),
        (("--set", "beta.recipe=linear", "--set", "beta.arguments.start=-1"), ("beta must be a number of 0 or more",)),
        (("--recipe", "annealed_vae", "--set", "gamma=-1"), ("gamma must be a number of 0 or more, not -1",)),
        (("--set", "likelihood=5"), ("likelihood must be a word or a mapping, not 5",)),
        (("--set", "rate=nan"), ("rate must be finite and a number above 0, not nan",)),
        (("--set", "reader=x"), ("reader must be a network", "from Python")),
        (("--set", "likelihood.name=normal", "--set", "likelihood.scal=1"), ("'normal'", "'scal'")),
        (("--set", "likelihood.name=auto", "--set", "likelihood.scal=1"), ("takes no 'scal'", "did you mean 'scale'?")),
        (("--set", "latent"), ("'latent' is not KEY=VALUE", "--set latent=8")),
        (("--set", "latent=1", "--set", "latent=2"), ("latent is given twice",)),
        (("--set", "beta=1", "--set", "beta.recipe=linear"), ("'beta' is given as a value already",)),
        (("--set", "run=there"), ("option of its own", "--run")),
        (("--set", "data=m.csv"), ("option of its own", "give DATA")),
        (("--set", "split_seed=1"), ("split_seed", "Python alone", "leave it out")),
        (("--members", "2", "--set", "watching=1"), ("watching", "Python alone")),
        (("--members", "2", "--set", "test=0"), ("test must be above 0 for a report", "--no-report")),
        (("--set", "kind=3"), ("kind must be a word, not 3",)),
        (("--epochs", "1", "--set", "epochs=2"), ("--epochs and --set epochs", "one of the two")),
        (("--epochs", "few"), ("--epochs", "integer")),
        (("--wonder",), ("--wonder", "vae --help")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_fit_refuses(vae, table, words, names):
    vae.refused("fit", table, *words, names=names)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--epochs", "2", "--set", "epochs=3"), ("--epochs and --set epochs", "one of the two")),
        (("--set", "folder=x"), ("option of its own", "give --out")),
        (("--set", "recipes=x"), ("option of its own", "give --recipes")),
        (("--set", "beta_vae=3"), ("beta_vae is a recipe here", "beta_vae.KEY=VALUE")),
        (("--set", "test=0"), ("test must be above 0", "--data")),
        (("--set", "beta_vae.test=0"), ("test must be above 0", "--data")),
        (("--data", "mm.csv"), ("mm.csv", "is not there", "did you mean 'm.csv'?")),
        (("--particles", "0"), ("particles must be a whole number of 1 or more, not 0",)),
        (("--set", "kind=3"), ("kind must be a word, not 3",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_comparison_refuses_before_it_trains(vae, table, words, names):
    vae.refused("compare", table, "--recipes", "vae,beta_vae", *words, names=names)


def test_a_device_that_is_not_there(vae, table):
    torch = pytest.importorskip("torch")
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    vae.refused("fit", table, "--device", missing, names=(missing, "not on this machine", "cpu"))


def test_resume_goes_on_with_the_runs_own_arguments(vae, table):
    vae.refused("fit", "--resume", names=("give --run",))
    vae.refused("fit", "--resume", "--run", "nowhere", names=("nowhere", "holds no run"))
    vae.refused("fit", table, "--resume", "--epochs", 3, names=("--epochs would change the run", "leave it out"))


def test_an_unknown_verb(vae):
    vae.refused("fitt", names=("'fitt'", "'fit'"))
    vae.refused("recipes", "beta_vea", names=("'beta_vea'", "did you mean 'beta_vae'?"))
    vae.refused("describe", "vea", names=("vea", "neither the folder of a run nor a recipe", "did you mean 'vae'?"))
    vae.refused("describe", "vae", "--out", "vae.png", names=("vae.png", ".svg"))


def test_an_error_under_json_is_json_too(vae, table):
    outcome = vae("fit", table, "--set", "latent=0", "--json")
    assert outcome.code == 2 and outcome.json["exit"] == 2 and "latent" in outcome.json["error"]
    assert outcome.error.startswith("vae: error: latent")
