"""What vectors and images share: values of one likelihood, in one array, with labels and a condition beside them."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaekit.core.batch import Batch
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.errors import InputError, nearest
from vaekit.core.modality import Modality
from vaekit.core.records import Records
from vaekit.modalities.affine import FARTHEST, LARGEST, Affine
from vaekit.modalities.architecture import Architecture
from vaekit.modalities.conditions import Conditions, check_conditions
from vaekit.parts.likelihoods import LIKELIHOODS, Likelihood
from vaekit.parts.likelihoods.choice import Chosen, Facts, Kind, arguments_for, check, choose, facts, made
from vaekit.parts.networks import Critic, OwnReader, OwnWriter, Pyramid, vector_pyramid

__all__ = ["ArrayModality", "layered"]

# A density needs a Jacobian to be quoted in the data's own units; a probability does not.
_DENSITIES = ("real", "unit", "open_unit")


class ArrayModality(Modality):
    """Rows of an array under one likelihood.

    Arguments:
        name: the modality's name in the book.
        kind: what the likelihood is chosen for.
        likelihood: `auto`, a name, or `{"name": ..., its own arguments}`.
        gaps: NaN is a missing value to be modelled, not an error.
        arguments: all of the modality's arguments, as JSON.
        preset: the likelihood where the modality makes the values itself, so that there is nothing to choose or to check.
    """

    def __init__(
        self, name: str, kind: Kind, likelihood: str | Mapping[str, Any], gaps: bool, arguments: dict[str, Any],
        preset: Chosen | None = None,
    ):
        self.preset = preset
        self.name, self.kind, self.gaps, self.arguments = name, kind, gaps, arguments
        self.asked: dict[str, Any] = {"name": likelihood} if isinstance(likelihood, str) else dict(likelihood)
        named = str(self.asked.get("name"))
        if named not in {"auto", *LIKELIHOODS}:
            raise InputError(f"likelihood {named!r} is unknown: {nearest(named, [*LIKELIHOODS, 'auto'])}")
        self.adapter = Affine()
        self.conditions = Conditions()
        self.event: tuple[int, ...] = ()
        self.raw_event: tuple[int, ...] = ()
        self.rows, self.likelihood, self.because = 0, "", ""
        self.likelihood_arguments: dict[str, Any] = {}
        self.input = (np.zeros(1), np.ones(1))
        self.columns: tuple[str, ...] = ()
        self.classes: tuple[str, ...] = ()

    @property
    def condition_width(self) -> int:  # type: ignore[override]
        """How many numbers a condition has; 0 = none."""
        return self.conditions.width

    @property
    def domain_name(self) -> str:
        """The name of the likelihood's domain."""
        return self.family((1,)).domain.name

    def family(self, event: tuple[int, ...]) -> Likelihood:
        """The likelihood's family over elements of this shape."""
        return LIKELIHOODS[self.likelihood](event, **self.likelihood_arguments)

    def fit(self, records: Records) -> "ArrayModality":
        """Choose or check the likelihood, then fit the scale of the values, the condition and the classes.

        Raises:
            InputError: where the values cannot be used; says where and what to do.
        """
        self.raw_event, self.columns, self.classes, self.rows = records.x.shape[1:], records.columns, records.classes, records.rows
        known = np.empty(0, np.int64) if records.label is None else records.label[records.label >= 0]
        self.class_counts = tuple(np.bincount(known, minlength=len(self.classes)).tolist())
        self.event = self.shape_of(records)
        self.check(records)
        seen = facts(records.x, self.kind, records.columns, records.position)
        self.likelihood, self.likelihood_arguments, self.because = self.preset or self._chosen(seen, records.source)
        self.adapter = self.scaling(seen).fit(records.x, records.dtypes)
        self.input = self.input_scale(records)
        self.conditions.fit(records.condition, records.condition_columns)
        return self

    def _chosen(self, seen: Facts, source: str) -> Chosen:
        name, given = self.asked["name"], {n: v for n, v in self.asked.items() if n != "name"}
        chosen = choose(seen) if name == "auto" else Chosen(name, {}, "as asked")
        arguments = {**chosen.arguments, **arguments_for(chosen.name, given, seen)}
        if made(chosen.name, arguments).domain.name.startswith(("counts", "codes")):
            seen = _with_worth(seen, 1.0)
        check(chosen.name, arguments, seen, source)
        return Chosen(chosen.name, arguments, chosen.because)

    def check(self, records: Records) -> None:
        """Refuse values and conditions that are not finite, save gaps that are modelled, or too large to be squared.

        Raises:
            InputError: where there are such; says how many and where the first is.
        """
        check_conditions(records)
        x = records.x
        if x.dtype.kind != "f":
            return
        bad = np.isinf(x) if self.gaps else ~np.isfinite(x)
        if bad.any():
            value, where = _first(records, bad)
            fix = "drop or fill those cells"
            if np.isnan(value):
                others = ", or name a column of classes in labels" if records.columns else ""
                fix += f", or, when training, model them as gaps with gaps=true{others}"
            raise InputError(f"{records.source}: {int(bad.sum())} values are not finite, the first ({value}) in {where}: {fix}")
        # Shorter floats end before that.
        if x.dtype.itemsize == 8:
            _refuse_far(records, (x > LARGEST) | (x < -LARGEST), f"beyond {LARGEST:g}, where squares end")

    @abstractmethod
    def shape_of(self, records: Records) -> tuple[int, ...]:
        """The shape of a row in the model's space, `(*positions, channels)`."""

    @abstractmethod
    def scaling(self, seen: Facts) -> Affine:
        """The map to the model's space, not yet fitted."""

    @abstractmethod
    def input_scale(self, records: Records) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale of what the first layer sees; refuses rows that nothing can be learnt from."""

    def store(self, records: Records) -> dict[str, Tensor]:
        """All rows as compact tensors.

        Raises:
            InputError: where columns, sizes or values do not fit what was fitted, or a value lies too far from what was fitted.
        """
        records = self.matching(records)
        self.check(records)
        if records.rows and self.preset is None and self.domain_name != "real":
            # New rows are read with the scale that was fitted, whatever scale they suggest themselves.
            seen = _with_worth(facts(records.x, self.kind, records.columns, records.position), float(self.adapter.scale.reshape(-1)[0]))
            check(self.likelihood, self.likelihood_arguments, seen, records.source)
        stored = self.adapter.store(records.x.reshape(records.rows, *self.event))
        if stored["x"].is_floating_point() and self.domain_name == "real":
            x = stored["x"].numpy().reshape(records.x.shape)
            far = (x > FARTHEST) | (x < -FARTHEST)
            _refuse_far(records, far, f"more than {FARTHEST:g} deviations from the training rows' mean")
        if records.label is not None:
            stored["label"] = torch.from_numpy(self._numbered(records.label, records.classes))
        given = self.conditions.of_records(records)
        return stored if given is None else {**stored, "condition": given}

    def _numbered(self, label: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
        """Labels by the numbers that classes had in training; a class that was not there is numbered after them."""
        names = list(dict.fromkeys((*self.classes, *classes)))
        return np.array([*map(names.index, classes), -1], np.int64)[label]

    @abstractmethod
    def matching(self, records: Records) -> Records:
        """The rows in the order of the columns that were fitted.

        Raises:
            InputError: where columns or sizes differ from what was fitted.
        """

    def batch(self, rows: Mapping[str, Tensor]) -> Batch:
        """Stored rows as a batch in the model's space."""
        fields: dict[str, Any] = self.adapter.batch(rows)
        return Batch(**fields, condition=rows.get("condition"), label=rows.get("label"), weight=rows.get("weight"), population=self.rows)

    def condition(self, given: Any, rows: int) -> Tensor | None:
        """A condition as `(rows, width)`."""
        return self.conditions.encode(given, rows)

    def to_raw(self, x: Tensor) -> np.ndarray:
        """Values in the person's own units."""
        return self.adapter.to_raw(x).reshape(len(x), *self.raw_event)

    def to_raw_spread(self, spread: Tensor) -> np.ndarray:
        """Standard deviations in the person's own units, not rounded."""
        each = spread.double() * self.adapter.log_det(spread).double().neg().exp()
        return each.numpy().reshape(len(spread), *self.raw_event)

    def log_det(self, batch: Batch) -> Tensor:
        """log |d x / d raw| of each row's seen values, `(B,)`, nats; zero where the likelihood is a probability."""
        x = batch.x
        if x is None:
            raise ValueError("log_det needs x")
        if self.domain_name not in _DENSITIES:
            return torch.zeros(len(x), device=x.device)
        each = self.adapter.log_det(x)
        return (each if batch.observed is None else each * batch.observed).flatten(1).sum(1)

    def reader(self, grid: bool = False, own: nn.Module | None = None, **arguments: Any) -> nn.Module:
        """The network from evidence to features.

        Arguments:
            grid: keep positions, for latents that have them.
            own: a person's own encoder, in place of a built one.
            arguments: of `Architecture`.
        """
        if own is not None:
            return OwnReader(own, self.event, self.condition_width)
        return self.reading(Architecture.checked(**arguments), grid)

    @abstractmethod
    def reading(self, architecture: Architecture, grid: bool) -> nn.Module:
        """A built reader."""

    def writer(
        self, width: int, positions: tuple[int, ...] = (), likelihood: str | Mapping[str, Any] = "auto", own: nn.Module | None = None,
        **arguments: Any,
    ) -> Conditional:
        """p(x|z, c) from latents `(S, B, *positions, width)`.

        Arguments:
            width: channels of the latent.
            positions: of the latent; empty = a vector.
            likelihood: `auto` = the one that was fitted; another must have the same domain.
            own: a person's own decoder, in place of a built one.
            arguments: of `Architecture`.

        Raises:
            InputError: where the likelihood's domain is not that of the fitted one.
        """
        if own is None:
            network = self.writing(Architecture.checked(**arguments), width, positions)
        else:
            network = OwnWriter(own, width * int(np.prod(positions, dtype=int)), self.condition_width, self.event)
        name, own_arguments = self._of_same_domain({"name": likelihood} if isinstance(likelihood, str) else dict(likelihood))
        family = LIKELIHOODS[name](self.event[len(network.positions):], **own_arguments)  # type: ignore[arg-type]
        # An own decoder that gives exactly the family's numbers has its own last layer.
        return Neural(network, family, nn.Identity() if own is not None and network.width == family.size else None)

    @abstractmethod
    def writing(self, architecture: Architecture, width: int, positions: tuple[int, ...]) -> nn.Module:
        """A built writer's network."""

    def _of_same_domain(self, asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = str(asked.pop("name", "auto"))
        if name == "auto":
            return self.likelihood, {**self.likelihood_arguments, **asked}
        if name not in LIKELIHOODS:
            raise InputError(f"likelihood {name!r} is unknown: {nearest(name, LIKELIHOODS)}")
        inherited = {n: v for n, v in self.likelihood_arguments.items() if n == "levels" and name.startswith("discretised")}
        domain = LIKELIHOODS[name]((1,), **{**inherited, **asked}).domain
        if domain.name != self.domain_name:
            raise InputError(
                f"likelihood {name!r} needs {domain.words}, but the data was prepared for {self.likelihood!r}: "
                f"give likelihood={name!r} when the data is opened"
            )
        return name, {**inherited, **asked}

    def critic(self, widths: tuple[int, ...] = (), **arguments: Any) -> Critic:
        """A judge of rows: a reader of its own with a logit above it; a convolution keeps its grid and has no residual blocks.

        Arguments:
            widths: of its layers, or of its convolution's levels; empty = those of the reader.
            arguments: of `Architecture`.

        Raises:
            InputError: where rows have no values to judge.
        """
        if not np.prod(self.event, dtype=int):
            raise InputError(f"a critic has nothing to see: rows of shape {tuple(self.event)} hold no values")
        a = self.resolved(Architecture.checked(**arguments))
        convolves = a.network == "convolution"
        sizes: dict[str, Any] = {"channels" if convolves else "hidden": widths} if widths else {}
        # Features that are dropped by chance would be a distance between equal rows.
        judging = replace(a, dropout=0.0, blocks=0 if convolves else a.blocks, **sizes)
        return Critic(self.reading(judging, grid=convolves))

    def resolved(self, architecture: Architecture) -> Architecture:
        """The architecture with its network decided: plain layers where a kind of data says nothing else."""
        return architecture.resolved("mlp")

    @property
    def state(self) -> dict[str, Any]:
        """What was fitted, as JSON."""
        return {
            "event": list(self.event), "raw_event": list(self.raw_event), "rows": self.rows, "columns": list(self.columns),
            "classes": list(self.classes), "class_counts": list(self.class_counts),
            "likelihood": self.likelihood, "likelihood_arguments": self.likelihood_arguments,
            "because": self.because, "adapter": self.adapter.state, "conditions": self.conditions.state,
            "input": [values.tolist() for values in self.input],
        }

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        self.event, self.raw_event = tuple(state["event"]), tuple(state["raw_event"])
        self.rows, self.columns, self.classes = state["rows"], tuple(state["columns"]), tuple(state["classes"])
        self.likelihood, self.likelihood_arguments = state["likelihood"], dict(state["likelihood_arguments"])
        self.because = state["because"]
        # A system that was saved before they were kept has no use for them.
        self.class_counts = tuple(state.get("class_counts", ()))
        self.adapter.state = state["adapter"]
        self.conditions.state = state["conditions"]
        self.input = (np.asarray(state["input"][0]), np.asarray(state["input"][1]))


def layered(reader: nn.Module, architecture: Architecture, levels: int, latent: int, condition_width: int) -> Pyramid:
    """A pyramid of fully connected layers.

    Arguments:
        reader: to the features of the lowest level.
        architecture: of the layers.
        levels: how many latents stand above one another.
        latent: dimensions of each.
        condition_width: numbers of a condition; 0 = none.
    """
    layers = (architecture.layers(), architecture.layers(reverse=True))
    return vector_pyramid(reader, levels, latent, condition_width, *layers, architecture.activation)


def _first(records: Records, marked: np.ndarray) -> tuple[Any, str]:
    """The first marked value, and its place in words."""
    first = tuple(int(i) for i in np.unravel_index(int(marked.argmax()), marked.shape))
    column = f"column {records.columns[first[1]]!r}" if records.columns else f"position {first[1:]}"
    return records.x[first], f"row {records.number(first[0])}, {column}"


def _refuse_far(records: Records, far: np.ndarray, words: str) -> None:
    """Raise where a value is marked as too far from zero; the words say what it is."""
    if far.any():
        value, where = _first(records, far)
        raise InputError(
            f"{records.source}: {int(far.sum())} values are too large, the first ({value:g}) in {where} is {words}: "
            "rescale that column (divide it, or take logarithms), or drop the row"
        )


def _with_worth(seen: Facts, worth: float) -> Facts:
    return Facts(**{**seen.__dict__, "worth": worth})
