"""Several seeds of one recipe as one model: trained, kept and loaded together, each row told with how far they disagree.

    RUN/   ensemble.json   member-1/ ... member-M/   each a whole run, to be loaded, reported or resumed by itself

All members learn from the same rows and hold the same rows out; the seed alone, of weights, order and draws, differs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from vaekit import tasks
from vaekit.core.declared import Several, conform
from vaekit.core.errors import InputError
from vaekit.data import open_records
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.values import kind_of, take
from vaekit.faces import api
from vaekit.faces.apart import refuse_filled, refuse_inside
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.going_on import gone_on_with, is_begun, see_that_it_is_the_same
from vaekit.faces.origin import held_out
from vaekit.faces.preparing import see_that_it_can_be_built
from vaekit.faces.progress import Progress, measuring, silent
from vaekit.operations.store import read_json, write_json
from vaekit.tasks.walk import has_density
from vaekit.training.progress import Hook

__all__ = ["Ensemble", "ensemble", "holds_ensemble", "load"]

_FILE, _FORMAT = "ensemble.json", 1
_MEASURED = 1000


@dataclass(frozen=True, repr=False)
class Ensemble:
    """Trained members: encode, reconstruct and score, on a person's own values.

    Arguments:
        members: of one recipe, fitted to the same rows.
        folder: where they were trained or loaded from.
    """

    members: Sequence[FittedVAE]
    folder: Path | None = None

    def __repr__(self) -> str:
        """How many members, and the first of them."""
        return f"Ensemble of {len(self.members)}, each like\n{self.members[0]!r}"

    def encode(self, data: Any, condition: Any = None, seed: int = 0) -> tasks.EnsembleEncoding:
        """Each member's own latents, `(members, N, latent)`, and how alike the members' spaces are.

        Latents of different members are not aligned, so that nothing is averaged over members: what can be compared are reconstructions
        and scores, and `agreement`, which sees through rotations.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            seed: of the sample.
        """
        return tasks.encode_together(self._systems, self.members[0].store(data, condition), seed)

    def reconstruct(self, data: Any, condition: Any = None, draws: int = 16, seed: int = 0) -> tasks.EnsembleReconstruction:
        """The members' mean of each row, and its spread: between members, over each posterior, and the likelihood's own noise.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            draws: latents a row and member.
            seed: of the draws.
        """
        return tasks.reconstruct_together(self._systems, self.members[0].store(data, condition), draws, seed)

    def score(self, data: Any, condition: Any = None, particles: int = 16, seed: int = 0) -> tasks.EnsembleScores:
        """The bound on each row's log-density under all members together, and how far they disagree.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            particles: importance samples a row and member.
            seed: of the noise, which belongs to each row.
        """
        return tasks.score_together(self._systems, self.members[0].store(data, condition), particles, seed)

    def evaluate(
        self, data: Any = None, particles: int = 100, seed: int = 0, progress: Progress | None = None
    ) -> dict[str, Any]:
        """What the members come to together on held-out rows, at most 1,000 of them, as JSON values.

        Arguments:
            data: rows to measure on; None = the test rows that were held out from training.
            particles: importance samples a row and member.
            seed: of the draws.
            progress: called with a word and a fraction.

        Raises:
            InputError: where no rows were held out, or the data cannot be opened again.
        """
        first = self.members[0]
        rows = held_out(first.system.modality, first.data, first.parts).test if data is None else first.store(data)
        if not len(rows["x"]):
            raise InputError("no rows were held out to measure on (test=0): give data, or train with a share above 0")
        rows = take(rows, _MEASURED, seed)
        found, n, tell = [], len(rows["x"]), measuring(silent if progress is None else progress)
        if has_density(first.system):
            found += _scored(tasks.score_together(self._systems, rows, particles, seed, tell), n, particles, seed)
        # Classes have no mean, about which members could differ.
        if kind_of(first.system).name != "classes":
            found += _spread(tasks.reconstruct_together(self._systems, rows, seed=seed, progress=tell), n, seed)
        agreement = tasks.encode_together(self._systems, rows, seed).agreement
        pairs = agreement[np.triu_indices(len(agreement), 1)]
        found.append(figure(
            "agreement of the latent spaces", float(pairs.mean()), "1", "none", "linear CKA of the posterior means, mean over pairs: "
            "1 = the same up to a rotation and a scale", n, seed,
        ))
        return {"members": len(self.members), "recipe": first.system.recipe, "figures": found}

    def save(self, path: str | Path) -> None:
        """Write all members into a folder that `vaekit.load` reads.

        Raises:
            InputError: where the folder holds anything, or cannot be written.
        """
        folder = Path(path)
        refuse_filled(folder, "ensemble")
        for name, member in zip(_names(len(self.members)), self.members):
            member.save(folder / name)
        _finish(folder, len(self.members))

    @property
    def _systems(self) -> list[Any]:
        return [member.system for member in self.members]


def ensemble(
    data: Any, recipe: str = "vae", *, members: Several = 5, seed: int = 0, run: str | Path | None = None, replace: bool = False,
    resume: bool = False, watching: Callable[[int], Sequence[Hook]] | None = None, **arguments: Any,
) -> Ensemble:
    """Train several seeds of one recipe on the same rows.

    Arguments:
        data: as for `fit`.
        recipe: a name in the book.
        members: how many, 2 or more.
        seed: of the first member, and of which rows are held out; the others have the numbers that follow.
        run: folder for the members' runs; None = nothing is written.
        replace: remove the ensemble that the folder already holds, whole or not.
        resume: keep members of these arguments and this data that are finished, and go on with one that was stopped.
        watching: from a member's number, from 0, to who watches its training; None = nobody.
        arguments: as for `fit`.

    Raises:
        InputError: where the data or an argument is wrong, or the folder holds something else.
    """
    conform("members", members, Several)
    folder = None if run is None else Path(run)
    if resume and (folder is None or replace):
        raise InputError("resume goes on with the members in a folder: give run, and leave replace out")
    told = [arguments.get(name) for name in ("labels", "condition")]
    given = {name: value for name, value in arguments.items() if name not in ("labels", "condition", "progress")}
    if folder is not None:
        if replace and _ours(folder):
            refuse_inside(folder, data, *told)
            see_that_it_can_be_built(open_records(data, *told), recipe, {**given, "seed": seed})
            rmtree(folder)
        if resume and _ours(folder):
            records = open_records(data, *told)
            for m, name in enumerate(_names(members)):
                if is_begun(folder / name):
                    see_that_it_is_the_same(folder / name, recipe, records, {**given, "seed": seed + m})
        else:
            refuse_filled(folder, "ensemble")
    trained = []
    for m, name in enumerate(_names(members)):
        each = {**arguments, "seed": seed + m, "split_seed": seed, "hooks": () if watching is None else watching(m)}
        trained.append(api.fit(data, recipe, **each) if folder is None else gone_on_with(folder / name, data, recipe, **each))
    if folder is not None:
        _finish(folder, members)
    return Ensemble(trained, folder)


def load(path: str | Path, **handed: Any) -> FittedVAE | Ensemble:
    """A trained system, or an ensemble of them, from its folder.

    Arguments:
        path: the folder of a run or of an ensemble, or one that `save` wrote.
        handed: the person's own `reader` and `writer`, where the system was trained with them; their weights come from the file.

    Raises:
        InputError: where a file is missing, damaged, changed or newer than this program.
    """
    folder = Path(path)
    if not holds_ensemble(folder):
        return api.load(folder, **handed)
    found = read_json(folder / _FILE)
    if found.get("format") != _FORMAT or not found.get("members"):
        raise InputError(f"{folder / _FILE}: was written by another version of vaekit; load its members one by one")
    return Ensemble([api.load(folder / name, **handed) for name in found["members"]], folder)


def holds_ensemble(folder: Path) -> bool:
    """Whether a folder holds an ensemble that is whole."""
    return (folder / _FILE).is_file()


def _ours(folder: Path) -> bool:
    """Whether a folder holds members and what was measured of them, and nothing else."""
    return folder.is_dir() and all(p.name.startswith("member-") or p.name in (_FILE, "metrics.json") for p in folder.iterdir())


def _names(members: int) -> list[str]:
    return [f"member-{m + 1}" for m in range(members)]


def _finish(folder: Path, members: int) -> None:
    # Last: a folder that has it holds all members.
    write_json(folder / _FILE, {"format": _FORMAT, "members": _names(members)})


def _scored(found: tasks.EnsembleScores, n: int, particles: int, seed: int) -> list[Figure]:
    each, how = -found.members.mean(1), f"{particles} particles a row and member, mean over rows"
    return [
        figure("negative log-likelihood, all members", -float(found.nats.mean()), "nats", "lower", f"of their mixture; {how}", n, seed),
        figure(
            "negative log-likelihood, one member", float(each.mean()), "nats", "lower", f"mean over members; {how}", n, seed,
            between_members=float(each.std(ddof=1)),
        ),
        figure(
            "disagreement on a row", float(found.between.mean()), "nats", "lower",
            f"standard deviation of a row's score over members; {how}", n, seed, within_a_member=float(found.within.mean()),
        ),
    ]


def _spread(found: tasks.EnsembleReconstruction, n: int, seed: int) -> list[Figure]:
    how = "of the variance of a new observation of the same latent, mean over rows; the rest is the posterior's and the likelihood's own"
    return [figure("epistemic share", float(found.share.mean()), "share", "lower", f"between members, {how}", n, seed)]
