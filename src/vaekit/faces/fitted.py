"""A trained system with its verbs: each one line onto a task.

Rows come as they came: a data frame where the system was trained on one, each column in its own type; else an array.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from vaekit import tasks
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.data import to_frame
from vaekit.evaluation.disentanglement import measure_agreement, measure_disentanglement
from vaekit.faces.anatomy import shaped
from vaekit.faces.apart import refuse_filled
from vaekit.faces.factors import factored, with_labels
from vaekit.faces.folder import HISTORY
from vaekit.faces.matching import matching
from vaekit.operations import save_system
from vaekit.operations.store import write_json
from vaekit.training import History

__all__ = ["FittedVAE"]


@dataclass(repr=False)
class FittedVAE:
    """A trained system: generate, reconstruct, encode, score and the rest, on a person's own values.

    Arguments:
        system: model, stages and modality.
        history: what training measured.
        data: facts about the training data: source, rows, parts, fingerprint.
        parts: stored tensors by part (`train`, `validation`, `test`), where the data is at hand.
        folder: where it was trained or loaded from.
    """

    system: System
    history: History
    data: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Tensor]] | None = None
    folder: Path | None = None

    def __repr__(self) -> str:
        """The model in two lines: recipe, data, latent, size, device, and where it lies."""
        model, source = self.system.model, self.data.get("source")
        rows = f"{self.data.get('rows', self.system.modality.rows):,} {shaped(self.system.modality.event)}"
        size, device = sum(p.numel() for p in model.parameters()), next(model.parameters()).device
        return (
            f"FittedVAE: {self.system.recipe or 'composed by hand'} on {rows} ({source or 'values in memory'})\n"
            f"    latent {tasks.walk.layout(self.system).width}, {self.system.modality.likelihood}, {size:,} parameters, on {device}, "
            + (f"in {self.folder}" if self.folder else "held in memory")
        )

    def generate(
        self, count: int, condition: Any = None, temperature: float | Sequence[float] = 1.0, seed: int = 0, mean: bool = False,
        label: Any = None,
    ) -> Any:
        """New rows in the data's own units, `(count, ...)`.

        Arguments:
            count: how many.
            condition: what they are to be, where the model has a condition: a value, a value a row, or a mapping.
            temperature: spread of the latents; 1 = the prior itself; one for all, or one for each latent, the top first.
            seed: the same seed gives the same rows.
            mean: the likelihood's centre instead of a draw from it.
            label: the class, one for all or one a row, where the model has it as a latent.

        Raises:
            InputError: where the count, the condition, the class or the temperature is wrong, or the model has nothing to draw from.
        """
        return self._as_given(tasks.generate(self.system, count, condition, temperature, seed, mean, label))

    def augment(self, count: int, label: Any = None, temperature: float = 1.0, seed: int = 0) -> tuple[Any, np.ndarray]:
        """New rows and the class of each, `(count, ...)` and `(count,)`: every class in turn, or those that are asked for.

        Arguments:
            count: how many.
            label: their class, one for all or one a row; None = every class in turn.
            temperature: spread of the latents; 1 = the prior itself.
            seed: the same seed gives the same rows.

        Raises:
            InputError: where the model knows no classes, or not this one.
        """
        made = tasks.augment(self.system, count, label, temperature, seed)
        return self._as_given(made.values), made.names

    def predict(self, data: Any, condition: Any = None, seed: int = 0) -> tasks.Prediction:
        """The class of each row: `names` and `label`, `(N,)`, and the `probability` of every class, `(N, classes)`.

        Arguments:
            data: anything that can be opened; a label that comes with it is not looked at.
            condition: of each row, where the model has a condition.
            seed: of what is redrawn each time a row is seen.

        Raises:
            InputError: where the model knows no classes.
        """
        return tasks.predict(self.system, self.store(data, condition), seed)

    def reconstruct(self, data: Any, condition: Any = None, seed: int = 0) -> Any:
        """Rows as the model sees them, `(N, ...)`, in the data's own units.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            seed: of the draws.
        """
        return self._as_given(tasks.reconstruct(self.system, self.store(data, condition), seed), data)

    def redraw(
        self, data: Any, keep: int = 1, draws: int = 1, temperature: float | Sequence[float] = 1.0, condition: Any = None, seed: int = 0,
        mean: bool = True,
    ) -> np.ndarray:
        """New rows that share the upper latents of given ones, `(N, draws, ...)`, in the data's own units.

        Arguments:
            data: anything that can be opened.
            keep: how many latents are kept, the top first; the rest is drawn anew.
            draws: how many new rows a row.
            temperature: of what is drawn anew; one for all, or one for each latent, the top first.
            condition: of each row, where the model has a condition.
            seed: of the draws.
            mean: the likelihood's centre instead of a draw from it.

        Raises:
            InputError: where the model has one latent, or an argument is out of range.
        """
        return tasks.redraw(self.system, self.store(data, condition), keep, draws, temperature, seed, mean)

    def encode(self, data: Any, condition: Any = None, seed: int = 0) -> tasks.Encoding:
        """Each row's latent: `mean`, `spread` (standard deviation) and one `sample`, each `(N, latent)`.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            seed: of the sample.
        """
        return tasks.encode(self.system, self.store(data, condition), seed)

    def decode(self, z: np.ndarray, condition: Any = None) -> Any:
        """The centre of p(x|z), `(N, ...)`, in the data's own units.

        Arguments:
            z: `(N, latent)`.
            condition: of each row, where the model has a condition.
        """
        return self._as_given(tasks.decode(self.system, z, condition))

    def score(self, data: Any, condition: Any = None, particles: int = 16, seed: int = 0) -> tasks.Scores:
        """Each row's bound on log p(x): `nats` and `bits_per_dimension`, `(N,)`, in the data's own units.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            particles: importance samples a row; more are closer to log p(x).
            seed: of the noise, which belongs to each row: order and batch size do not matter.
        """
        return tasks.score(self.system, self.store(data, condition), particles, seed)

    def interpolate(self, start: Any, end: Any, steps: int = 8, path: str = "linear", condition: Any = None) -> np.ndarray:
        """Ways from one row to another through the latent space, `(N, steps, ...)`.

        Arguments:
            start: rows to begin at.
            end: as many rows to end at.
            steps: points on each way, ends included.
            path: `linear` or `spherical`.
            condition: of each row, where the model has a condition.
        """
        return tasks.interpolate(self.system, self.store(start, condition), self.store(end, condition), steps, path)

    def traverse(
        self, data: Any = None, dimensions: Sequence[int] | Literal["ranked"] | None = None,
        span: tuple[float, float] = (-3.0, 3.0), steps: int = 9, condition: Any = None,
    ) -> np.ndarray:
        """One latent coordinate moved at a time, `(N, dimensions, steps, ...)`.

        Arguments:
            data: the N rows to begin at; None = the prior's centre, N = 1.
            dimensions: which coordinates, from 0; None = all; `ranked` = all, with the largest rate on the rows first.
            span: first and last value, in standard deviations of the prior.
            steps: how many values.
            condition: what the row is, where the model has a condition.
        """
        rows = None if data is None else self.store(data, condition)
        return tasks.traverse(self.system, rows, condition if data is None else None, dimensions, span, steps)

    def direction(
        self, data: Any, labels: Any = None, method: str = "means", towards: Any = None, condition: Any = None, seed: int = 0
    ) -> tasks.Direction:
        """The direction of the latent space along which rows get more of an attribute, for `edit`.

        Arguments:
            data: rows that have it and rows that have not.
            labels: a column of the data, a file with one value a row, or values; None = those that come with the data.
            method: `means` (their difference) or `probe` (the weights of a linear classifier, or of a line through a quantity).
            towards: this label against all others; None = the larger of two, or more of a quantity.
            condition: of each row, where the model has a condition.
            seed: of what is redrawn each time a row is seen.

        Raises:
            InputError: where the labels do not fit the data, or do not vary.
        """
        rows, known = with_labels(self.system.modality, self.data, data, labels, condition)
        return tasks.direction(self.system, rows, known, method, towards, seed)

    def edit(self, data: Any, along: tasks.Direction, strength: float = 2.0, condition: Any = None, seed: int = 0) -> Any:
        """Rows with more of an attribute, `(N, ...)`, in the data's own units.

        Arguments:
            data: anything that can be opened.
            along: what `direction` found.
            strength: in deviations of the latents along the direction; below 0 = less of it.
            condition: of each row, where the model has a condition.
            seed: of what is redrawn each time a row is seen.
        """
        return self._as_given(tasks.edit(self.system, self.store(data, condition), along, strength, seed), data)

    def disentanglement(
        self, data: Any, factors: Any, names: Sequence[str] = (), categorical: Sequence[str | int] = (),
        others: Sequence["FittedVAE"] = (), condition: Any = None, seed: int = 0,
    ) -> list[dict[str, Any]]:
        """How far the latent's coordinates are the factors behind the data: MIG, DCI, SAP and others, each with its protocol.

        Arguments:
            data: anything that can be opened.
            factors: of the same rows: a csv, parquet or npy file, an array `(N, factors)`, or a frame.
            names: of the factors; empty = the columns' own.
            categorical: names or places of factors whose numbers are names.
            others: models trained with the same options and other seeds, to compare coordinates with (UDR).
            condition: of each row, where the model has a condition.
            seed: of subsamples, draws and trees.

        Raises:
            InputError: where the factors do not fit the data, one of them does not vary, or the latent has one coordinate.
        """
        known = factored(self.system.modality, self.data, data, factors, condition)
        found = measure_disentanglement(self.system, known.rows, known.factors, names or known.names, categorical, seed=seed)
        if not others:
            return found
        rows = [known.rows, *(other.store(data, condition) for other in others)]
        return found + measure_agreement([self.system, *(other.system for other in others)], rows, seed)

    def denoise(self, data: Any, condition: Any = None, draws: int = 16, seed: int = 0) -> Any:
        """Rows with what the model takes for noise removed: the mean reconstruction over draws of the latent.

        Arguments:
            data: anything that can be opened.
            condition: of each row, where the model has a condition.
            draws: latents a row.
            seed: of the draws.
        """
        return self._as_given(tasks.denoise(self.system, self.store(data, condition), draws, seed), data)

    def evaluate(
        self, data: Any = None, particles: int = 100, baseline: bool = True, seed: int = 0, progress: Any = None,
        temperatures: int = 0,
    ) -> dict[str, Any]:
        """Everything that is measured of the model, as JSON values: each figure with its unit and protocol.

        Arguments:
            data: rows to measure on; None = the test rows that were held out from training.
            particles: importance samples a row for the likelihood.
            baseline: also train a plain autoencoder in the same way and measure it.
            seed: of the draws.
            progress: called with a word and a fraction as the work goes on.
            temperatures: also bound the likelihood of some rows by annealed importance sampling over so many, which takes minutes;
                0 = do not.
        """
        from vaekit.faces.measuring import measured

        return measured(self, data, particles, baseline, seed, progress, temperatures)[0]

    def report(
        self, path: str | Path, data: Any = None, particles: int = 100, seed: int = 0, progress: Any = None, temperatures: int = 0
    ) -> dict[str, Any]:
        """Measure the model and write `report.html`, one self-contained file, with `metrics.json` beside it.

        Arguments:
            path: the page's path.
            data: rows to measure on; None = the test rows that were held out from training.
            particles: importance samples a row for the likelihood.
            seed: of the draws.
            progress: called with a word and a fraction as the work goes on.
            temperatures: also bound the likelihood of some rows by annealed importance sampling over so many, which takes minutes;
                0 = do not.
        """
        from vaekit.faces.measuring import reported

        return reported(self, Path(path), data, particles, seed, progress, temperatures)

    def describe(self) -> str:
        """The pipeline in words: data, encoder, latent, decoder, likelihood, objective, with shapes and parameter counts."""
        from vaekit.faces.describing import in_words

        return in_words(self.system)

    def save(self, path: str | Path) -> None:
        """Write the system, with what its training measured, into a folder that `vaekit.load` reads.

        Raises:
            InputError: where the system has no name in the book, or the folder holds anything, or cannot be written.
        """
        folder = Path(path)
        refuse_filled(folder, "model")
        save_system(self.system, folder, self.data)
        write_json(folder / HISTORY, self.history.to_json())

    def store(self, data: Any, condition: Any = None) -> dict[str, Tensor]:
        """A person's values as the tensors that tasks read.

        Raises:
            InputError: where the values do not fit what the model was trained on, or a condition is missing.
        """
        if isinstance(data, Mapping) and "x" in data and isinstance(data["x"], Tensor):
            return dict(data)
        if isinstance(data, (list, tuple)):
            data = np.asarray(data)
        event = tuple(self.system.modality.raw_event)  # type: ignore[attr-defined]
        if isinstance(data, np.ndarray) and data.shape == event:
            raise InputError(f"data is one row of shape {event}; give rows, such as data[None]")
        return self.system.modality.store(matching(self.data, data, condition))

    def _as_given(self, values: np.ndarray, like: Any = None) -> Any:
        """Rows as the training data came; those made from a pandas frame have its index."""
        facts = self.data
        if facts.get("format") not in ("frame", "polars"):
            return values
        return to_frame(values, facts["columns"], facts.get("dtypes", ()), facts["format"], like)
