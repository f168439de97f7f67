"""The verbs and their options: what `vae --help` tells. Nothing heavy is imported before a verb runs.

    exit codes   0 done, 1 the work failed, 2 the input or an argument is wrong, 130 interrupted
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Exit, Option, Typer, TyperException

import vaekit
from vaekit.core.errors import InputError, WorkFailed
from vaekit.faces.apart import refuse_overlap
from vaekit.faces.cli.answer import Stopped, refuse, say

__all__ = ["app", "main"]

app = Typer(
    name="vae", help="Variational autoencoders for your own data: trained, honestly measured, and ready to use.", add_completion=False,
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
)

_LEARN, _USE, _SHOW = "Train and measure", "Use a trained model", "Look things up"

_NO_MEMORY = "not enough memory; close other programs, or give fewer rows at a time"
# How torch says so, of a processor's memory and of a GPU's.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")

Json = Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")]
Run = Annotated[Path, Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)]
Data = Annotated[str, Argument(metavar="DATA", help="File, folder of images, or name of a known data set.", show_default=False)]
Perhaps = Annotated[str | None, Argument(metavar="DATA", help="File, folder or known data set.", show_default=False)]
Out = Annotated[Path, Option("--out", "-o", help="Where to write; without a suffix, in the format the data came in.", show_default=False)]
Known = Annotated[
    list[str] | None,
    Option("--condition", "-c", metavar="NAME=VALUE", help="What the rows are, for a model with a condition.", show_default=False),
]
Class = Annotated[
    str | None, Option("--label", metavar="CLASS", help="Their class, for a model that knows classes.", show_default="any")
]
# What every source of random numbers takes.
Seed = Annotated[int, Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same result.")]
Temperature = Annotated[
    str, Option("--temperature", help="Spread of the latents, 1 = the prior itself; one for each, top first: [b]1,0.7,0.5[/b].")
]
Steps = Annotated[int, Option("--steps", help="Values on each way.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Arguments:
        arguments: words after `vae`; None = those of the process.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        code = app(given, prog_name="vae", standalone_mode=False)
    except TyperException as error:
        # An empty message is the help of a command that was given nothing, which has been printed.
        text = error.format_message()
        return refuse(f"{text.rstrip('.')} (see vae --help)", 2, as_json) if text else 2
    except InputError as error:
        return refuse(str(error), 2, as_json)
    except WorkFailed as error:
        return refuse(str(error), 1, as_json)
    except Stopped as stopped:
        return refuse(str(stopped), 130, as_json)
    except MemoryError:
        return refuse(_NO_MEMORY, 1, as_json)
    except RuntimeError as error:
        if not any(words in str(error) for words in _OUT_OF_MEMORY):
            raise
        return refuse(_NO_MEMORY, 1, as_json)
    except OSError as error:
        return refuse(f"{error.filename or 'system'}: {error.strerror or error}", 1, as_json)
    if code == 130:
        return refuse("interrupted; nothing was written", 130, as_json)
    return code or 0


def _told(place: str, as_json: bool, *arguments: Any, **named: Any) -> None:
    """Run a verb's work, which is imported now, and print its answer."""
    module, name = place.split(".")
    work: Callable[..., Any] = getattr(import_module(f"vaekit.faces.cli.{module}"), name)
    say(work(*arguments, **named), as_json)


def _room(run: Path, usual: str = "using") -> str:
    """Where a verb's work is: an ensemble has its own."""
    return "together" if (run / "ensemble.json").is_file() else usual


def _verb(panel: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb of this part of the help, which looks before any work that it does not write over what it reads."""

    def made(work: Callable[..., None]) -> Callable[..., None]:
        @wraps(work)
        def careful(**given: Any) -> None:
            refuse_overlap(given)
            work(**given)

        return app.command(rich_help_panel=panel)(careful)

    return made


def _version(asked: bool) -> None:
    if asked:
        print(f"vaekit {vaekit.__version__}")
        raise Exit


@app.callback()
def _vae(version: Annotated[bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    """Variational autoencoders for your own data: trained, honestly measured, and ready to use."""


@_verb(_LEARN)
def fit(
    data: Perhaps = None,
    recipe: Annotated[str | None, Option("--recipe", "-r", help="A named system, see vae recipes.", show_default="vae")] = None,
    run: Annotated[Path | None, Option("--run", help="The run's folder; default runs/DATA-RECIPE.", show_default=False)] = None,
    options: Annotated[
        list[str] | None, Option("--set", "-s", metavar="KEY=VALUE", help="Any option of recipe, data or training.", show_default=False)
    ] = None,
    epochs: Annotated[int | None, Option("--epochs", help="Passes over the training rows.", show_default=False)] = None,
    minutes: Annotated[float | None, Option("--minutes", help="Time to train.", show_default=False)] = None,
    labels: Annotated[
        str | None, Option("--labels", metavar="COLUMN|FILE", help="Classes; m1, m2 and m1_m2 learn from them.", show_default=False)
    ] = None,
    condition: Annotated[
        list[str] | None,
        Option("--condition", "-c", metavar="COLUMN|FILE|label", help="What the model is told of each row.", show_default=False),
    ] = None,
    seed: Annotated[int | None, Option("--seed", help="The same seed gives the same model.", show_default="0")] = None,
    device: Annotated[str | None, Option("--device", help="auto, cpu, cuda or mps.", show_default="auto")] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with a run that was stopped.")] = False,
    replace: Annotated[bool, Option("--replace", help="Remove the run that the folder holds.")] = False,
    report: Annotated[bool, Option(help="Measure, and write report.html and metrics.json.")] = True,
    members: Annotated[int, Option("--members", help="Train an ensemble of so many seeds.")] = 1,
    json: Json = False,
) -> None:
    """Train a VAE on DATA, measure it, and write a report."""
    named = "vae" if recipe is None else recipe
    settings = {"epochs": epochs, "minutes": minutes, "seed": seed, "device": device}
    told = {name: value for name, value in settings.items() if value is not None}
    if members != 1:
        given = named, run, options or [], told, labels, condition or []
        _told("together.fit", json, data, *given, replace, resume, report, members, quiet=json)
        return
    work, asked = ("fitting.resume", recipe) if resume else ("fitting.fit", named)
    _told(work, json, data, asked, run, options or [], told, labels, condition or [], replace, report, quiet=json)


@_verb(_LEARN)
def evaluate(
    run: Run, data: Perhaps = None,
    out: Annotated[Path | None, Option("--out", "-o", help="Folder for report.html and metrics.json.", show_default="RUN")] = None,
    particles: Annotated[int, Option("--particles", help="Importance samples a row.")] = 100,
    ais: Annotated[
        int,
        Option("--ais", metavar="TEMPERATURES", help="Anneal too, over, say, 100 temperatures: minutes of work.", show_default="do not"),
    ] = 0,
    seed: Seed = 0, json: Json = False,
) -> None:
    """Measure a trained model on its held-out rows, or on DATA."""
    _told(f"{_room(run, 'fitting')}.evaluate", json, run, data, out, particles, ais, seed, quiet=json)


@_verb(_LEARN)
def compare(
    subjects: Annotated[
        list[str], Argument(metavar="RUN...|DATA", help="Folders of finished runs; with --recipes, the data.", show_default=False)
    ],
    recipes: Annotated[
        str | None, Option("--recipes", metavar="NAME,NAME", help="Train these on DATA first, each in OUT/NAME.", show_default=False)
    ] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="Folder of comparison.html.", show_default="beside the runs")] = None,
    data: Annotated[str | None, Option("--data", help="Rows to measure on.", show_default="those held out")] = None,
    options: Annotated[
        list[str] | None, Option("--set", "-s", metavar="KEY=VALUE", help="An option of all; NAME.KEY=VALUE of one.", show_default=False)
    ] = None,
    epochs: Annotated[int | None, Option("--epochs", help="Passes over the training rows, each.", show_default=False)] = None,
    minutes: Annotated[float | None, Option("--minutes", help="Time to train, each.", show_default=False)] = None,
    labels: Annotated[
        str | None, Option("--labels", metavar="COLUMN|FILE", help="Classes to measure with.", show_default=False)
    ] = None,
    condition: Annotated[
        list[str] | None, Option("--condition", "-c", metavar="COLUMN|FILE|label", help="What all are told.", show_default=False)
    ] = None,
    seed: Annotated[int | None, Option("--seed", help="Of every training.", show_default="0")] = None,
    resume: Annotated[bool, Option("--resume", help="Keep the runs in OUT that are finished.")] = False,
    particles: Annotated[int, Option("--particles", help="Importance samples a row.")] = 100,
    json: Json = False,
) -> None:
    """Set several models side by side: one table and one page of pictures."""
    settings = {"epochs": epochs, "minutes": minutes, "seed": seed}
    told = {name: value for name, value in settings.items() if value is not None}
    _told(
        "comparing.compared", json, subjects, recipes, out, data, options or [], told, labels, condition or [], resume, particles,
        quiet=json,
    )


@_verb(_LEARN)
def disentanglement(
    run: Run, data: Data,
    factors: Annotated[str, Option("--factors", metavar="FILE", help="The factors of each row of DATA: csv, parquet or npy.")],
    categorical: Annotated[
        str | None, Option("--categorical", metavar="NAME,NAME", help="Factors whose numbers are names.", show_default=False)
    ] = None,
    others: Annotated[
        list[Path] | None, Option("--other", metavar="RUN", help="A run of another seed to compare coordinates with.", show_default=False)
    ] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="Write the figures into this .json file.", show_default=False)] = None,
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Measure how far the latent's coordinates are the factors behind DATA."""
    _told("factors.disentanglement", json, run, data, factors, categorical, others or [], out, condition or [], seed)


@_verb(_USE)
def generate(
    run: Run, out: Out, count: Annotated[int, Option("--count", "-n", help="How many rows.")] = 100, condition: Known = None,
    label: Class = None, temperature: Temperature = "1", mean: Annotated[
        bool | None, Option("--mean/--draw", help="Expected values, or draws.", show_default="means of images, else draws")
    ] = None,
    seed: Seed = 0, json: Json = False,
) -> None:
    """Make new rows like the data."""
    _told("using.generate", json, run, out, count, condition or [], label, temperature, mean, seed)


@_verb(_USE)
def augment(
    run: Run, out: Out, count: Annotated[int, Option("--count", "-n", help="How many rows.")] = 100, label: Class = None,
    temperature: Annotated[float, Option("--temperature", help="Spread of the latents; 1 = the prior itself.")] = 1.0,
    seed: Seed = 0, json: Json = False,
) -> None:
    """Make new rows with their classes: every class in turn, or one."""
    _told("labelling.augment", json, run, out, count, label, temperature, seed)


@_verb(_USE)
def predict(run: Run, data: Data, out: Out, condition: Known = None, seed: Seed = 0, json: Json = False) -> None:
    """Write the class of each row of DATA, with the probability of every class."""
    _told("labelling.predict", json, run, data, out, condition or [], seed)


@_verb(_USE)
def reconstruct(run: Run, data: Data, out: Out, condition: Known = None, seed: Seed = 0, json: Json = False) -> None:
    """Write DATA as the model sees it."""
    _told(f"{_room(run)}.reconstruct", json, run, data, out, condition or [], seed)


@_verb(_USE)
def redraw(
    run: Run, data: Data, out: Out, keep: Annotated[int, Option("--keep", help="How many latents are kept, the top first.")] = 1,
    temperature: Temperature = "1", condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Keep what the upper latents of DATA decided, and draw the rest anew (several latents)."""
    _told("using.redraw", json, run, data, out, keep, temperature, condition or [], seed)


@_verb(_USE)
def encode(
    run: Run, data: Data, out: Out,
    values: Annotated[str, Option("--values", help="Any of mean, spread, sample, codes.")] = "",
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write where each row of DATA lies in the latent space."""
    _told(f"{_room(run)}.encode", json, run, data, out, values, condition or [], seed)


@_verb(_USE)
def score(
    run: Run, data: Data, out: Out, particles: Annotated[int, Option("--particles", help="Importance samples a row.")] = 16,
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write how likely each row of DATA is: a bound on its log-likelihood."""
    _told(f"{_room(run)}.score", json, run, data, out, particles, condition or [], seed)


@_verb(_USE)
def interpolate(
    run: Run, data: Data, out: Out,
    start: Annotated[str | None, Option("--from", metavar="ROWS", help="Rows to begin at, from 1.", show_default="8 at random")] = None,
    end: Annotated[str | None, Option("--to", metavar="ROWS", help="As many rows to end at.", show_default=False)] = None,
    steps: Steps = 9, path: Annotated[str, Option("--path", help="linear or spherical.")] = "linear",
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write the ways between rows of DATA through the latent space."""
    _told("using.interpolate", json, run, data, out, start, end, steps, path, condition or [], seed)


@_verb(_USE)
def traverse(
    run: Run, out: Out, data: Perhaps = None,
    row: Annotated[int | None, Option("--row", help="The row of DATA to begin at, from 1.", show_default="1")] = None,
    dimensions: Annotated[
        str | None, Option("--dimensions", help="Latent coordinates, from 0, or ranked: those in use first.", show_default="all")
    ] = None,
    span: Annotated[str, Option("--span", help="First and last value, in deviations of the prior.")] = "-3,3",
    steps: Steps = 9, condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write what each latent coordinate does, from the prior's centre or from a row of DATA."""
    _told("using.traverse", json, run, out, data, row, dimensions, span, steps, condition or [], seed)


@_verb(_USE)
def edit(
    run: Run, data: Data, out: Out,
    labels: Annotated[
        str | None, Option("--labels", metavar="COLUMN|FILE", help="The attribute of each row of DATA.", show_default="of DATA")
    ] = None,
    towards: Annotated[str | None, Option("--towards", help="The label that is more.", show_default="the larger of two")] = None,
    strength: Annotated[float, Option("--strength", help="Deviations along the direction; below 0 is less.")] = 2.0,
    method: Annotated[str, Option("--method", help="means or probe.")] = "means",
    to: Annotated[str | None, Option("--to", metavar="NEW", help="Rows to edit.", show_default="DATA")] = None,
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write rows with more of an attribute, which the labels of DATA show."""
    _told("factors.edit", json, run, data, out, labels, towards, strength, method, to, condition or [], seed)


@_verb(_USE)
def denoise(
    run: Run, data: Data, out: Out, draws: Annotated[int, Option("--draws", help="Latents a row to average over.")] = 16,
    condition: Known = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Write DATA with what the model takes for noise removed."""
    _told("using.denoise", json, run, data, out, draws, condition or [], seed)


@_verb(_SHOW)
def recipes(
    name: Annotated[str | None, Argument(metavar="NAME", help="One recipe, with its options.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """List the named systems, or tell one of them."""
    _told("telling.recipes", json, name)


@_verb(_SHOW)
def describe(
    subject: Annotated[str, Argument(metavar="RUN|RECIPE", help="A finished run, or a recipe.", show_default=False)],
    out: Annotated[Path | None, Option("--out", "-o", help="Draw it into this .svg file.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Show a model's pipeline: data, encoder, latent, decoder, likelihood, objective."""
    _told("telling.describe", json, subject, out)
