"""Accuracy against labels: sets are balanced and reproducible, and the measure counts what it says."""


import numpy as np
import pytest
import torch
from torch.distributions import OneHotCategorical

import vaekit as vk
from vaekit.core.conditional import Conditional
from vaekit.core.errors import InputError
from vaekit.data import open_records
from vaekit.evaluation.semisupervised import label_set, measure_labels, measure_semisupervised
from vaekit.recipes import classic, labelled

LABEL = np.array([0, 1, 2, 2, 1, 0, -1, 0, 1, 2] * 6)


def test_a_set_of_labels_has_as_many_of_each_class():
    one, other = label_set(LABEL, 9, 3), label_set(LABEL, 9, 4)
    assert np.bincount(one[one >= 0]).tolist() == [3, 3, 3] and (one[one >= 0] == LABEL[one >= 0]).all()
    assert np.array_equal(one, label_set(LABEL, 9, 3)) and not np.array_equal(one, other)


@pytest.mark.parametrize(("seen", "words"), [
    (10, "cannot be shared evenly by 3 classes: give a multiple of 3"), (0, "cannot be shared"), (300, "100 of each are wanted"),
])
def test_a_number_that_cannot_be_shared_is_refused(seen, words):
    with pytest.raises(InputError, match=words):
        label_set(LABEL, seen)


class NearestMean(Conditional):
    """q(y|x) = softmax(-|x - m_y|^2 / 2), in the data's own units."""

    def __init__(self, means: np.ndarray, adapter):
        super().__init__()
        self.means, self.adapter = torch.tensor(means), adapter

    def forward(self, *given):
        raw = given[0].double() * torch.tensor(self.adapter.scale) + torch.tensor(self.adapter.location)
        return OneHotCategorical(logits=-(raw.unsqueeze(-2) - self.means).square().sum(-1).float() / 2)


def fitted(x: np.ndarray, label: np.ndarray, seed: int) -> vk.System:
    """A model whose classifier is the nearest mean of what it was shown, by hand."""
    modality = vk.modality(x, labels=np.where(label < 0, "", label.astype(str)))
    system = labelled.m2(modality, latent=2, hidden=(4,))
    system.model.classifier = NearestMean(np.stack([x[label == k].mean(0) for k in range(3)]), modality.adapter)
    return system


def test_accuracy_counts_the_rows_that_are_told_right():
    random = np.random.default_rng(1)
    label = np.arange(90) % 3
    x = random.normal(size=(90, 3)) + 2 * np.eye(3)[label]
    system = fitted(x, label, 0)
    rows = system.modality.store(open_records(x, np.where(np.arange(90) < 60, label.astype(str), "")))
    nearest = np.square(x[:, None] - np.stack([x[label == k].mean(0) for k in range(3)])).sum(-1).argmin(1)
    told = measure_labels(system, rows)
    assert told["figures"][0]["value"] == pytest.approx((nearest == label)[:60].mean()) and told["figures"][0]["n"] == 60
    near = (60 * told["figures"][0]["value"] + 2) / 64
    assert told["figures"][0]["standard_error"] == pytest.approx(np.sqrt(near * (1 - near) / 64))
    assert told["confusion"] == [[int(((label == j) & (nearest == k))[:60].sum()) for k in range(3)] for j in range(3)]

    asked = []

    def train(few: np.ndarray, seed: int) -> vk.System:
        asked.append((int((few >= 0).sum()), seed))
        return fitted(x, few, seed)

    found = measure_semisupervised(train, label, rows, seen=(6, 30), sets=2, seed=5)
    assert asked == [(6, 5), (6, 6), (30, 5), (30, 6)] and [f["name"] for f in found] == ["accuracy, 6 labels", "accuracy, 30 labels"]
    each = [measure_labels(fitted(x, label_set(label, 30, s), s), rows)["figures"][0]["value"] for s in (5, 6)]
    assert found[1]["value"] == pytest.approx(np.mean(each))


def test_a_model_that_tells_no_classes_has_no_accuracy():
    x = np.random.default_rng(0).normal(size=(30, 3))
    system = classic.vae(vk.modality(x), latent=2)
    rows = system.modality.store(open_records(x, np.arange(30) % 3))
    assert measure_labels(system, rows) is None
    with pytest.raises(InputError, match="tells no classes"):
        measure_semisupervised(lambda few, seed: system, np.arange(30) % 3, rows, seen=(3,), sets=1)
