"""What samples are judged by: trained on half of the rows, the same for every model of them, and blind to no shuffling."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vaekit.core.records import Records
from vaekit.core.system import build
from vaekit.evaluation import frechet_distance, measure_samples
from vaekit.evaluation.values import filled
from vaekit.faces.extractors import own_extractor
from vaekit.faces.preparing import BOOK

DIGITS = load_digits()


def prepared(kind: str = "image", recipe: str = "vae", rows: int = 800, **of_rows):
    x = DIGITS.images[:rows].astype(np.uint8) if kind == "image" else DIGITS.data[:rows, DIGITS.data.std(0) > 4][:, :9] + 0.5
    records = Records(x, classes=tuple(map(str, range(10))), **of_rows)
    modality = BOOK.modality(kind)().fit(records)
    return build(BOOK, recipe, modality, latent=2, hidden=(8,)), modality.store(records)


def told(word: str, share: float) -> None:
    assert word and 0 <= share <= 1


def test_a_classifier_s_features_tell_shuffled_rows_from_real_ones():
    system, rows = prepared(label=DIGITS.target[:800].astype(np.int64))
    judge = own_extractor(system, rows, told)
    assert judge is not None and "a classifier of 10 labels trained on 400 training rows, right about 9" in judge.about
    unseen = np.setdiff1d(np.arange(800), judge.seen)
    assert len(judge.seen) == 400 and len(unseen) == 400
    x = filled(system, rows)[0][torch.from_numpy(unseen)]
    shuffled = torch.from_numpy(np.random.default_rng(0).permuted(x[200:].flatten(1).numpy(), axis=0)).reshape(200, 8, 8, 1)
    first, second, broken = (judge.features(values) for values in (x[:200], x[200:], shuffled))
    assert first.shape == (200, 64) and frechet_distance(first, broken) > 4 * frechet_distance(first, second)
    # Of another recipe, the same judge.
    other, _ = prepared(recipe="autoencoder", label=DIGITS.target[:800].astype(np.int64))
    again = own_extractor(other, rows, told)
    assert again.digest == judge.digest and len(judge.digest) == 12
    fewer = {name: values[:700] for name, values in rows.items()}
    assert own_extractor(system, fewer, told).digest != judge.digest


def test_few_labels_or_none_leave_images_to_an_autoencoder_and_columns_to_themselves():
    label = np.full(300, -1)
    label[:40] = DIGITS.target[:40]
    system, rows = prepared(rows=300, label=label)
    judge = own_extractor(system, rows, told)
    assert judge.about == "a plain autoencoder's code, trained on 150 training rows without labels"
    assert judge.features(filled(system, rows)[0][:7]).shape == (7, 32)
    assert own_extractor(*prepared("vector", rows=300), told) is None


@pytest.mark.parametrize("kind", ["image", "vector"])
def test_a_report_without_labels_has_distances(kind):
    system, rows = prepared(kind, rows=260)
    train, test = ({n: v[part] for n, v in rows.items()} for part in (slice(0, 200), slice(200, 260)))
    found = {f["name"]: f for f in measure_samples(system, train, test, extractor=own_extractor(system, train, told))["figures"]}
    fid, kid = found["Frechet distance (FID)"], found["kernel distance (KID)"]
    assert fid["floor"] > fid["ceiling"] > 0 and kid["standard_error"] > 0
    assert ("figures of different extractors cannot be compared" in fid["protocol"]) is (kind == "image")
    assert found["repeated training rows"]["p_value"] > 1e-3
