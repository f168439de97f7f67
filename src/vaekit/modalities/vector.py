r"""Rows of numbers: arrays and numeric tables.

Real columns are standardised, x = (raw - mean) / deviation; counts, codes, bits and proportions are used as they are.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from vaekit.core.declared import conform
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.modalities.affine import Affine
from vaekit.modalities.architecture import Architecture
from vaekit.modalities.arrays import ArrayModality, layered
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.likelihoods.choice import Facts
from vaekit.parts.networks import Logarithm, OneHot, Pyramid, Scaled, VectorReader, VectorWriter

__all__ = ["Vector"]

_Constant: TypeAlias = Literal["refuse", "keep"]


class Vector(ArrayModality):
    """Numeric rows `(N, columns)`.

    Arguments:
        likelihood: `auto`, a name, or `{"name": ..., its own arguments}`.
        gaps: NaN is a missing value to be modelled, not an error.
        constant: `refuse` a column of one value, or `keep` it.

    Raises:
        InputError: where an argument is unknown.
    """

    def __init__(self, likelihood: str | Mapping[str, Any] = "auto", gaps: bool = False, constant: _Constant = "refuse"):
        conform("constant", constant, _Constant)
        super().__init__("vector", "vector", likelihood, gaps, {"likelihood": likelihood, "gaps": gaps, "constant": constant})
        self.constant = constant

    def shape_of(self, records: Records) -> tuple[int, ...]:
        """`(columns,)`."""
        if records.x.ndim != 2 or not records.x.shape[1]:
            raise InputError(f"{records.source}: a table has rows and columns, but this has shape {records.x.shape}")
        return (records.x.shape[1],)

    def scaling(self, seen: Facts) -> Affine:
        """Standardised where the likelihood speaks of real numbers."""
        real = LIKELIHOODS[self.likelihood]((1,), **self.likelihood_arguments).domain.name == "real"
        worth = float(self.likelihood_arguments["levels"] - 1) if "levels" in self.likelihood_arguments and seen.maximum > 1 else 1.0
        return Affine(standardise=real, worth=worth)

    def input_scale(self, records: Records) -> tuple[np.ndarray, np.ndarray]:
        """Each column's mean and deviation in the model's space; refuses a column of one value, or of none.

        Nothing can be learnt from it, and a density of it has no limit. A column of bits is left alone: one that is never set among
        these rows is common.
        """
        x = records.x
        unseen = np.isnan(x).all(axis=0)
        if unseen.any():
            name = _name(records, int(unseen.argmax()))
            raise InputError(f"{records.source}: column {name} has no value in any of the {len(x)} rows to learn from: leave it out")
        low, high = (f(x, axis=0) for f in ((np.nanmin, np.nanmax) if x.dtype.kind == "f" else (np.min, np.max)))
        same = low == high
        if same.any() and self.constant == "refuse" and self.domain_name != "binary":
            first = int(same.argmax())
            raise InputError(
                f"{records.source}: column {_name(records, first)} has one value only ({low[first]:g}) in all {len(x)} rows: "
                "drop it, or keep it with constant=keep"
            )
        if self.domain_name == "real":
            return np.zeros(1), np.ones(1)
        model = (x.astype(np.float64) - self.adapter.location) / self.adapter.scale
        values = np.log1p(model) if self.domain_name == "counts" else model
        deviation = np.nanstd(values, axis=0)
        return np.nanmean(values, axis=0), np.where(deviation > 0, deviation, 1.0)

    def matching(self, records: Records) -> Records:
        """The columns by name where both sides have names, else by place."""
        found = records.x.shape[1] if records.x.ndim == 2 else 0
        if records.columns and self.columns:
            places, known = {c: i for i, c in enumerate(records.columns)}, set(self.columns)
            missing = [c for c in self.columns if c not in places]
            extra = [c for c in records.columns if c not in known]
            if missing or extra:
                sides = (("lacks", missing), ("has in excess", extra))
                words = " and ".join(f"{what} {', '.join(map(repr, names[:5]))}" for what, names in sides if names)
                raise InputError(f"{records.source}: the model was trained on {len(self.columns)} columns; this data {words}")
            if records.columns != self.columns:
                order = [places[c] for c in self.columns]
                dtypes = tuple(records.dtypes[i] for i in order) if records.dtypes else ()
                return replace(records, x=records.x[:, order], columns=self.columns, dtypes=dtypes)
        elif records.x.ndim != 2 or found != self.event[0]:
            given = f"{found} columns" if found else f"rows of shape {records.x.shape[1:]}"
            raise InputError(f"{records.source}: has {given}, but the model was trained on {self.event[0]} columns")
        return records

    def reading(self, architecture: Architecture, grid: bool) -> nn.Module:
        """Fully connected layers."""
        if grid:
            raise InputError("a vector has no positions: a recipe with a grid of latents is not defined on modality 'vector'")
        return VectorReader(self.event, self.condition_width, self.gaps, self._embedding(), self.resolved(architecture).layers())

    def writing(self, architecture: Architecture, width: int, positions: tuple[int, ...]) -> nn.Module:
        """Fully connected layers."""
        return VectorWriter(width, positions, self.condition_width, self.resolved(architecture).layers(reverse=True))

    def resolved(self, architecture: Architecture) -> Architecture:
        """Plain layers where nothing else was asked for.

        Raises:
            InputError: where a convolution was.
        """
        if architecture.network == "convolution" or architecture.convolves:
            sizes = "its channels, blocks, norm and bottleneck"
            raise InputError(f"network='convolution', with {sizes}, needs images; use 'mlp' or 'residual' for a table")
        return super().resolved(architecture)

    def pyramid(self, levels: int, latent: int, **arguments: Any) -> Pyramid:
        """Fully connected layers at every level."""
        a = self.resolved(Architecture.checked(**arguments))
        return layered(self.reading(a, False), a, levels, latent, self.condition_width)

    def _embedding(self) -> nn.Module:
        if self.likelihood == "categorical":
            return OneHot(self.likelihood_arguments["classes"])
        scaled = Scaled(*(torch.as_tensor(values) for values in self.input))
        return Logarithm(scaled) if self.domain_name == "counts" else scaled


def _name(records: Records, column: int) -> str:
    """A column in words: its name, or its place from 1."""
    return repr(records.columns[column]) if records.columns else str(column + 1)
