"""The Python face: give it data, get a trained VAE."""

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from vaekit.core.declared import Part, Rest
from vaekit.core.errors import InputError
from vaekit.core.files import folders_above
from vaekit.core.modality import Modality
from vaekit.core.system import System
from vaekit.data import open_records
from vaekit.faces.anatomy import added_head
from vaekit.faces.apart import refuse_inside, refuse_taken
from vaekit.faces.composed import identity, kept, same_run
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.folder import HISTORY, RUN
from vaekit.faces.origin import remembered, reopened
from vaekit.faces.preparing import BOOK, Parts, divide, held_out_shares, kind_of, prepare, ready, sorted_arguments
from vaekit.faces.progress import showing
from vaekit.operations import load_system, save_system
from vaekit.operations.store import read_json, write_json
from vaekit.training import CHECKPOINT, History, Settings
from vaekit.training import fit as run_training
from vaekit.training.hardware import device_of
from vaekit.training.progress import Hook

__all__ = ["fit", "load", "modality", "resume", "train"]


def fit(
    data: Any, recipe: str = "vae", *, labels: Any = None, condition: Any = None, kind: str = "auto", validation: Part = 0.1,
    test: Rest = 0.1, split_seed: int | None = None, run: str | Path | None = None, replace: bool = False, progress: bool = True,
    hooks: Sequence[Hook] = (), **arguments: Any,
) -> FittedVAE:
    """Train a named system on a person's own data.

    Arguments:
        data: a path, a name of the catalogue, an array, a tensor or a frame.
        recipe: a name in the book, see `vae recipes`.
        labels: a column, a path or values; only measured with, never learnt from, unless the recipe asks for them.
        condition: columns, `"label"`, a path or values: what the model is told of each row, and can be told when generating.
        kind: `vector`, `image`, or `auto`: by the shape of the data.
        validation: fraction of the rows to stop early by.
        test: fraction of the rows that `evaluate` measures on.
        split_seed: of which rows are held out; None = `seed`. Models of other seeds can be compared where this one stays.
        run: folder for checkpoints and results; None = nothing is written.
        replace: remove the run that the folder already holds.
        progress: show a bar, on a terminal or in a notebook.
        hooks: who else watches.
        arguments: of the recipe (`latent`, `likelihood`, `hidden`, ...), of the data (`binarise`, `gaps`, ...) and of training
            (`epochs`, `minutes`, `batch`, `rate`, `seed`, ...).

    Returns:
        The trained system with its verbs.

    Raises:
        InputError: where the data or an argument is wrong; one line that says what, where and what to do.
    """
    held_out_shares(validation, test)
    # Before the data is opened, which may take long; and again with the kind that it turns out to have.
    device_of(sorted_arguments(recipe, kind, arguments).settings)
    records = open_records(data, labels, condition)
    kind = kind_of(records) if kind == "auto" else kind
    told = sorted_arguments(recipe, kind, arguments)
    split = told.settings.seed if split_seed is None else split_seed
    facts = remembered(data, records, labels, condition, validation, test, split)
    made, parts = ready(records, recipe, kind, told, facts)
    if run is None:
        return _trained(made, parts, told.settings, None, False, progress, hooks)
    with _begun(Path(run), {"recipe": recipe, "kind": kind, "arguments": kept(arguments), "data": facts}, replace):
        return _trained(made, parts, told.settings, Path(run), False, progress, hooks)


def resume(
    run: str | Path, data: Any = None, *, labels: Any = None, condition: Any = None, progress: bool = True, hooks: Sequence[Hook] = (),
    **handed: Any,
) -> FittedVAE:
    """Go on with a run that was stopped, from its last checkpoint, to the weights that it would have reached.

    Arguments:
        run: the run's folder.
        data: the same data; None = opened from where the run found it.
        labels: the same labels; None = found where the run found them.
        condition: the same condition; None = found where the run found it.
        progress: show a bar, on a terminal or in a notebook.
        hooks: who else watches.
        handed: the person's own `reader` and `writer`, where the run had them.

    Raises:
        InputError: where the folder holds no run, or the data is not the same.
    """
    folder = Path(run)
    if not (folder / RUN).is_file():
        raise InputError(f"{folder}: holds no run to go on with; begin one with fit")
    begun = read_json(folder / RUN)
    if "system" in begun:
        raise InputError(
            f"{folder}: holds a run of a system that was composed by hand: compose it, and call vaekit.train as before with resume=True"
        )
    facts = begun["data"]
    records = reopened(facts, data, labels, condition)
    told = sorted_arguments(begun["recipe"], begun["kind"], {**begun["arguments"], **handed})
    made, parts = ready(records, begun["recipe"], begun["kind"], told, facts)
    return _trained(made, parts, told.settings, folder, True, progress, hooks)


def train(
    system: System, data: Any, *, labels: Any = None, condition: Any = None, validation: Part = 0.1, test: Rest = 0.1,
    run: str | Path | None = None, resume: bool = False, progress: bool = True, hooks: Sequence[Hook] = (), **settings: Any,
) -> FittedVAE:
    """Train a system that was composed by hand.

    What `run` holds: `run.json` (what the system is, the settings, what the data was), `checkpoint.safetensors` (after each measurement:
    weights, optimiser, averages, random state) and, in the end, `history.json`. What it does not hold is the system itself, since a file
    could not make it again: `load` and the command cannot open it. To go on with a run that was stopped, compose the same system and call
    this again as before with `resume=True`: it ends in the weights of a run that was not stopped, equal to the bit (one process, the same
    machine). One that was stopped before its first measurement begins anew, from the weights that the system has now. A system that a
    recipe made is saved whole in the end, as `fit` does.

    Arguments:
        system: its modality has been fitted, see `modality`.
        data: as for `fit`.
        labels: as for `fit`.
        condition: as for `fit`.
        validation: fraction of the rows to stop early by.
        test: fraction of the rows that `evaluate` measures on.
        run: folder for checkpoints; None = nothing is written.
        resume: go on with the run that the folder holds.
        progress: show a bar, on a terminal or in a notebook.
        hooks: who else watches.
        settings: of training (`epochs`, `minutes`, `batch`, `rate`, `seed`, ...).

    Raises:
        InputError: where the data or an argument is wrong, or where the folder's run is of another system, other settings or other data.
    """
    held_out_shares(validation, test)
    checked = Settings.checked(**settings)
    if resume and run is None:
        raise InputError("resume=True needs run=, the folder of the run to go on with")
    records = open_records(data, labels, condition)
    facts = remembered(data, records, labels, condition, validation, test, checked.seed)
    parts = Parts.stored(system.modality, divide(records, validation, test, checked.seed), facts)
    if run is None:
        return _trained(system, parts, checked, None, False, progress, hooks)
    folder, begun = Path(run), {"system": identity(system), "settings": checked.model_dump(), "data": facts}
    if resume:
        same_run(folder, begun)
        return _trained(system, parts, checked, folder, True, progress, hooks)
    with _begun(folder, begun, False):
        return _trained(system, parts, checked, folder, False, progress, hooks)


def modality(data: Any, *, labels: Any = None, condition: Any = None, kind: str = "auto", **arguments: Any) -> Modality:
    """A modality fitted to data, for a system that is composed by hand.

    Arguments:
        data: as for `fit`.
        labels: as for `fit`.
        condition: as for `fit`.
        kind: `vector`, `image`, or `auto`: by the shape of the data.
        arguments: of the modality (`likelihood`, `binarise`, `gaps`, ...).
    """
    records = open_records(data, labels, condition)
    return prepare(records, kind_of(records) if kind == "auto" else kind, arguments)


def load(path: str | Path, *, reader: nn.Module | None = None, writer: nn.Module | None = None) -> FittedVAE:
    """A trained system from its folder.

    Arguments:
        path: the folder of a run, or one that `save` wrote.
        reader: the person's own encoder, where the system was trained with one; its weights come from the file.
        writer: the person's own decoder, likewise.

    Raises:
        InputError: where a file is missing, damaged, changed or newer than this program.
    """
    folder = Path(path)
    if (folder / "ensemble.json").is_file():
        raise InputError(f"{folder}: holds an ensemble, which scores, encodes and reconstructs; for all else give {folder / 'member-1'}")
    if (folder / RUN).is_file() and not (folder / "system.json").exists():
        if "system" in read_json(folder / RUN):
            raise InputError(
                f"{folder}: holds a checkpoint of a system that was composed by hand, which no file can make again: compose it, and call "
                "vaekit.train as before with resume=True"
            )
        if not (folder / HISTORY).exists():
            raise InputError(f"{folder}: holds a run that was stopped: go on with it, vae fit --resume --run {shlex.quote(str(folder))}")
    handed = {name: module for name, module in (("reader", reader), ("writer", writer)) if module is not None}
    system = load_system(folder, BOOK, **handed)
    history = History.from_json(read_json(folder / HISTORY)) if (folder / HISTORY).exists() else History()
    return FittedVAE(system, history, read_json(folder / "system.json")["data"], None, folder)


def _trained(
    system: System, parts: Parts, settings: Settings, folder: Path | None, go_on: bool, progress: bool, hooks: Sequence[Hook]
) -> FittedVAE:
    note = added_head(system, "writer")
    with showing(progress) as shown:
        watching = (*shown, *hooks)
        if note:
            for hook in watching:
                hook.note(note)
        history = run_training(system, parts.feed(system.modality, settings), settings, folder, go_on, watching)
    if note:
        history.notes.insert(0, note)
    system.model.to("cpu")
    at_hand = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    fitted = FittedVAE(system, history, {**parts.facts, "settings": settings.model_dump()}, at_hand, folder)
    if folder is not None:
        write_json(folder / HISTORY, history.to_json())
    if folder is not None and system.recipe:
        save_system(system, folder, fitted.data)
    return fitted


@contextmanager
def _begun(folder: Path, run: dict[str, Any], replace: bool) -> Iterator[None]:
    """A run's folder with what resuming needs; taken away again where the run fails before there is anything to resume from.

    Raises:
        InputError: where the folder holds something else, or cannot be made.
    """
    if replace and (folder / RUN).is_file():
        refuse_inside(folder, *(run["data"].get(name) for name in ("source", "labels", "condition")))
        shutil.rmtree(folder)
    refuse_taken(folder)
    with folders_above(folder):
        try:
            write_json(folder / RUN, run)
            yield
        finally:
            if not (folder / CHECKPOINT).exists():
                shutil.rmtree(folder, ignore_errors=True)
