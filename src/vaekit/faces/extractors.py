r"""The network whose features samples are compared by, trained on the person's own data: small and quick.

    labels known      the last hidden layer of a classifier with two hidden layers
    images else       the code of a plain autoencoder
    columns else      none: columns are compared as they are

It is trained on half of the training rows, so that the other half can stand for real rows that it has not seen, and by arguments of
its own, so that two models of the same rows are judged by the same features: the digest beside a figure says whether they were. Of several
models on the same rows, `Judges` trains it once.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import centre
from vaekit.core.system import System
from vaekit.evaluation import Extractor, digest_of
from vaekit.evaluation.classical import one_thread
from vaekit.evaluation.evaluate import operations
from vaekit.evaluation.values import Kind, features, filled, kind_of
from vaekit.faces.preparing import Arguments, Parts, seeded
from vaekit.tasks.walk import at_rest
from vaekit.training import Settings
from vaekit.training import fit as run_training

__all__ = ["Judges", "own_extractor"]

_HIDDEN, _CODE = (256, 64), 32
_ROWS, _FEWEST, _EPOCHS = 10_000, 100, 60
# Floating-point operations of the whole training: a few seconds on one core.
_OPERATIONS = 4 * 10**10


class Judges:
    """What samples are judged by, trained once for all models that see the same rows in the same way."""

    def __init__(self) -> None:
        self.made: dict[str, Extractor | None] = {}

    def of(self, system: System, train_rows: Mapping[str, Tensor], tell: Callable[[str, float], None]) -> Extractor | None:
        """As `own_extractor`, which is asked where these rows under this modality were not met before.

        Arguments:
            system: whose modality makes the batches.
            train_rows: stored by that modality.
            tell: called with a word and a fraction, where one is trained.
        """
        modality = system.modality
        fitted = json.dumps([modality.name, modality.likelihood, modality.arguments, modality.state], sort_keys=True, default=str)
        key = hashlib.sha256(fitted.encode())
        for name in sorted(train_rows):
            values = train_rows[name].cpu().contiguous().numpy()
            key.update(f"{name} {values.shape} {values.dtype}".encode() + values.tobytes())
        if key.hexdigest() not in self.made:
            self.made[key.hexdigest()] = own_extractor(system, train_rows, tell)
        return self.made[key.hexdigest()]


def own_extractor(system: System, train_rows: Mapping[str, Tensor], tell: Callable[[str, float], None]) -> Extractor | None:
    """A network trained on half of the training rows, at most 10,000; None where the values themselves serve as well.

    Arguments:
        system: whose modality makes the batches; nothing else of it is used.
        train_rows: stored by that modality.
        tell: called with a word and a fraction.
    """
    tell("training what samples are judged by", 0.0)
    total = len(train_rows["x"])
    half = np.random.default_rng(0).permutation(total)[: min(-(-total // 2), _ROWS)]
    kind = kind_of(system)
    if "label" in train_rows:
        label = train_rows["label"].numpy()
        told = half[label[half] >= 0]
        if len(told) >= _FEWEST and len(np.unique(label[told])) > 1:
            return _classifier(system, kind, train_rows, told)
    if kind.grid and len(half) >= _FEWEST:
        return _autoencoder(system, train_rows, half)
    return None


def _at(rows: Mapping[str, Tensor], places: np.ndarray) -> dict[str, Tensor]:
    return {name: values[torch.from_numpy(places).to(values.device)] for name, values in rows.items()}


@one_thread
def _classifier(system: System, kind: Kind, rows: Mapping[str, Tensor], told: np.ndarray) -> Extractor:
    """Features that tell the labels apart, whatever else they forget."""
    from sklearn.neural_network import MLPClassifier

    learnt = _at(rows, told)
    points, label = features(filled(system, learnt)[0], kind), learnt["label"].numpy()
    location, scale = points.mean(0), max(float(points.std()), 1e-6)
    weights = points.shape[1] * _HIDDEN[0] + _HIDDEN[0] * _HIDDEN[1]
    epochs = int(np.clip(_OPERATIONS // (6 * weights * len(points)), 2, _EPOCHS))
    network = MLPClassifier(_HIDDEN, batch_size=min(128, len(points)), max_iter=epochs, alpha=1e-3, random_state=0)
    with warnings.catch_warnings():
        # It ends after a number of passes that was chosen: that its loss would still fall is no news.
        warnings.simplefilter("ignore")
        network.fit((points - location) / scale, label)
    layers = [(w.astype(np.float32), b.astype(np.float32)) for w, b in zip(network.coefs_[:-1], network.intercepts_[:-1])]
    rest = _at(rows, np.setdiff1d(np.flatnonzero(rows["label"].numpy() >= 0), told)[:_ROWS])
    right = ""
    if len(rest["x"]):
        others = (features(filled(system, rest)[0], kind) - location) / scale
        right = f", right about {float((network.predict(others) == rest['label'].numpy()).mean()):.0%} of other rows"
    about = f"a classifier of {len(network.classes_)} labels trained on {len(points):,} training rows{right}"
    return Extractor(_Hidden(kind, location, scale, layers), digest_of(v for layer in layers for v in layer), about, told)


@dataclass(frozen=True)
class _Hidden:
    """The last hidden layer of rectified units."""

    kind: Kind
    location: np.ndarray
    scale: float
    layers: list[tuple[np.ndarray, np.ndarray]]

    def __call__(self, x: Tensor) -> np.ndarray:
        values = (features(x, self.kind) - self.location) / self.scale
        for weight, bias in self.layers:
            values = np.maximum(values @ weight + bias, 0)
        return values


def _autoencoder(system: System, rows: Mapping[str, Tensor], half: np.ndarray) -> Extractor:
    """Features that rebuild the images."""
    learnt, modality = _at(rows, half), system.modality
    if "condition" in learnt:
        # A code that was told the condition could forget it.
        learnt["condition"] = torch.zeros_like(learnt["condition"])
    plain = seeded("autoencoder", modality, Arguments({}, {"latent": _CODE}, Settings()))
    passes = max(_OPERATIONS // (3 * operations(plain)), _FEWEST)
    learnt = _at(learnt, np.arange(min(len(half), passes)))
    settings = Settings(epochs=int(np.clip(passes // len(learnt["x"]), 1, _EPOCHS)), validations=1)
    run_training(plain, Parts(learnt, learnt, learnt, {}).feed(modality, settings), settings)
    plain.model.to("cpu")
    weights = (values.numpy() for values in plain.model.state_dict().values())
    about = f"a plain autoencoder's code, trained on {len(learnt['x']):,} training rows without labels"
    return Extractor(_Code(plain), digest_of(weights), about, half[: len(learnt["x"])])


@dataclass(frozen=True)
class _Code:
    """The centre of the code of a plain autoencoder."""

    plain: System

    def __call__(self, x: Tensor) -> np.ndarray:
        condition, width = None, self.plain.modality.condition_width
        found = []
        with at_rest(self.plain):
            for part in x.split(1024):
                if width:
                    condition = torch.zeros(len(part), width)
                found.append(self.plain.model(Batch(part, condition=condition), centre()).sites["z"].z[0])
        return torch.cat(found).numpy()
