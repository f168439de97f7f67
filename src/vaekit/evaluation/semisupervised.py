r"""How well classes are told from few labels: accuracy on rows whose class was never shown.

    accuracy = (1/N) sum_n 1[argmax_y q(y|x_n) = y_n],   confusion[j, k] = rows of class j that are told as k

Which rows happen to be labelled moves the figure more than anything else does where they are few, so it is taken over several sets,
each with the same number of every class. (Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298, section 4)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.evaluation.figure import Figure, figure
from vaekit.tasks.predict import predict, predicts
from vaekit.tasks.walk import Rows

__all__ = ["label_set", "measure_labels", "measure_semisupervised"]


def measure_labels(system: System, rows: Rows, seed: int = 0) -> dict[str, Any] | None:
    """Accuracy on rows with a label, and which classes are taken for which, as JSON; None where the model or the rows have no class.

    Arguments:
        system: fitted.
        rows: held out; those without a label are left out.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where a label is none of the classes that the model was fitted to.
    """
    if "label" not in rows or not bool((rows["label"] >= 0).any()) or not predicts(system):
        return None
    known = rows["label"] >= 0
    seen = {name: values[known] for name, values in rows.items()}
    label, classes = seen["label"].cpu().numpy(), system.modality.classes
    if label.max() >= len(classes):
        raise InputError(
            f"{int((label >= len(classes)).sum())} of {len(label)} rows have a label that is none of the model's {len(classes)} classes "
            f"({', '.join(classes[:10])}): leave those rows out, or fit the model to them too"
        )
    found = predict(system, seen, seed)
    right = float((found.label == label).mean())
    usual = float(np.bincount(label).max() / len(label))
    # Two successes and two failures more: of seventeen rows that are all right, a plain deviation would be nought (Agresti, Coull 1998).
    near = (right * len(label) + 2) / (len(label) + 4)
    error = float(np.sqrt(near * (1 - near) / (len(label) + 4)))
    sure = -float(np.log(np.maximum(found.probability[np.arange(len(label)), label], 1e-12)).mean())
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(confusion, (label, found.label), 1)
    protocol = "rows with a label, which the model was not shown"
    figures = [
        figure("accuracy", right, "share", "higher", f"likeliest class of {protocol}", len(label), seed, floor=usual, standard_error=error),
        figure("cross-entropy", sure, "nats", "lower", f"-log q(y|x) of {protocol}", len(label), seed, floor=float(np.log(len(classes)))),
    ]
    return {"figures": figures, "classes": list(classes), "confusion": confusion.tolist()}


def label_set(label: np.ndarray, seen: int, seed: int = 0) -> np.ndarray:
    """The labels with all but a few hidden: as many of each class, drawn at random; -1 = hidden.

    Arguments:
        label: class of each row, `(N,)`, -1 = unlabelled.
        seen: how many stay, over all classes.
        seed: another seed draws other rows.

    Raises:
        InputError: where they do not divide by the classes, or a class has too few rows.
    """
    classes = np.unique(label[label >= 0])
    each, left = divmod(seen, max(len(classes), 1))
    if left or not each:
        raise InputError(f"{seen} labels cannot be shared evenly by {len(classes)} classes: give a multiple of {len(classes)}")
    generator, shown = np.random.default_rng(seed), np.full(len(label), -1, np.int64)
    for k in classes:
        rows = np.flatnonzero(label == k)
        if len(rows) < each:
            raise InputError(f"class {k} has {len(rows)} labelled rows, but {each} of each are wanted: give fewer")
        shown[generator.permutation(rows)[:each]] = k
    return shown


def measure_semisupervised(
    train: Callable[[np.ndarray, int], System], label: np.ndarray, test_rows: Rows, seen: Sequence[int] = (100,), sets: int = 5,
    seed: int = 0,
) -> list[Figure]:
    """Accuracy against labels seen, each as the mean over several balanced sets of labels.

    Arguments:
        train: fits a system to rows with these labels, -1 = hidden, from this seed.
        label: class of each training row, `(N,)`.
        test_rows: stored, with labels, never trained on.
        seen: how many labels are shown, one figure each.
        sets: how many sets of labels, each with a fitted system of its own.
        seed: of the first set; the others count on.

    Raises:
        InputError: where a number of labels cannot be shared by the classes.
    """
    # All sets are drawn before the first is trained on: a number that cannot be shared is refused before any work.
    shown = {count: [label_set(label, count, seed + s) for s in range(sets)] for count in seen}
    found = []
    for count, labels in shown.items():
        rights = []
        for s, few in enumerate(labels):
            measured = measure_labels(train(few, seed + s), test_rows, seed)
            if measured is None:
                raise InputError("train gave a system that tells no classes: fit m1, m2 or m1_m2")
            rights.append(measured["figures"][0]["value"])
        spread = float(np.std(rights, ddof=1)) if sets > 1 else float("nan")
        protocol = f"mean over {sets} balanced sets of {count} labels, a system fitted to each; by set {[round(r, 5) for r in rights]}"
        n = int((test_rows["label"] >= 0).sum())
        found.append(figure(f"accuracy, {count} labels", float(np.mean(rights)), "share", "higher", protocol, n, seed, spread=spread))
    return found
