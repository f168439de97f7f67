"""The report: one self-contained page whose pictures are right and whose numbers are those of the metrics."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from scipy.stats import ks_2samp
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

import vaekit as vk
from vaekit.evaluation.report import drawing, gather, page
from vaekit.evaluation.report.cautions import cautions
from vaekit.evaluation.report.gallery import correlations, differences
from vaekit.evaluation.report.rendering import number
from vaekit.faces.measuring import measured

DIGITS = load_digits()
IMAGES, LABELS = DIGITS.images[:240].astype(np.uint8), DIGITS.target[:240].astype(str)
TABLE = load_iris().data
VOID = {"meta", "img", "col", "br", "link", "input"}


class Reader(HTMLParser):
    """What a browser would see: text, headings, pictures without words, addresses, and tags left open."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.text, self.pieces, self.headings, self.silent, self.addresses, self.tags = [], "", [], [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href") and value]
        if tag == "img" and not given.get("alt"):
            self.silent.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if self.open and self.open[-1] != "style":
            self.text += data + " "
            self.pieces.append(data.strip())


def reported(data, baseline=False, **arguments):
    fitted = vk.fit(data, epochs=2, batch=32, hidden=16, progress=False, **arguments)
    metrics, gallery = measured(fitted, particles=8, baseline=baseline)
    return metrics, gallery, fitted.history.to_json()


@pytest.fixture(scope="module")
def cases():
    """A page of each kind of model and data, made once."""
    made = {
        "plane": reported(IMAGES, labels=LABELS, latent=2, baseline=True),
        "autoencoder": reported(IMAGES, recipe="autoencoder", latent=3),
        "conditional": reported(IMAGES, labels=LABELS, condition="label", latent=3),
        "learned": reported(IMAGES, labels=LABELS, recipe="vamp_vae", latent=3, pseudo_inputs=20),
        "table": reported(TABLE, latent=3),
        "tiny": reported(TABLE[:20], latent=1),
        "ladder": reported(IMAGES, recipe="ladder_vae", latent=2, levels=3),
        "critic": reported(TABLE, recipe="vae_gan", latent=2),
    }
    return {name: (metrics, page(metrics, gallery, history), gallery) for name, (metrics, gallery, history) in made.items()}


ALWAYS, END = ["Training"], ["Every figure", "Protocol"]
FIT = ["The prior's fit", "Aggregate posterior and prior"]
LATENT = ["Rate by dimension", *FIT]
ROWS = ["Columns, real and drawn", "Correlations", "A few rows", "What each dimension does"]
DRAWN = ["Reconstructions", "Samples", "Nearest training images", "Interpolation", "Traversals", "Map of the latent space"]


@pytest.mark.parametrize(("case", "headings"), [
    ("plane", [*DRAWN, "The decoded plane", *LATENT]),
    ("autoencoder", ["Reconstructions", "Interpolation", "Map of the latent space"]),
    ("conditional", [*DRAWN, *LATENT]),
    ("learned", [*DRAWN, *FIT]),
    ("table", ["Map of the latent space", *LATENT, *ROWS]),
    ("ladder", ["Rate by latent", *DRAWN, *LATENT]),
    ("critic", ["The critic", "Map of the latent space", *LATENT, *ROWS]),
    ("tiny", [*LATENT, *(heading for heading in ROWS if heading != "Correlations")]),
])
def test_a_page_has_the_sections_that_arise_and_no_other(cases, case, headings):
    assert Reader(cases[case][1]).headings == [*ALWAYS, *headings, *END]


@pytest.mark.parametrize("case", ["plane", "autoencoder", "conditional", "learned", "table", "tiny", "ladder"])
def test_a_page_is_whole_and_stands_alone(cases, case):
    metrics, text, _ = cases[case]
    seen = Reader(text)
    assert not seen.open and not seen.silent and "script" not in seen.tags and "link" not in seen.tags
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in seen.addresses)
    assert not re.search(r"url\((?!#)|@import", text)
    assert not {"None", "nan", "inf", "-inf", "True", "False", "[]", "{}"} & set(seen.pieces) and not re.search(r"\bnan\b", seen.text)
    assert len(text) < 3_000_000
    assert json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize("case", ["plane", "autoencoder", "conditional", "learned", "table", "tiny", "ladder"])
def test_every_figure_stands_on_the_page_with_its_protocol(cases, case):
    metrics, text, _ = cases[case]
    flat = re.sub(r"\s+", " ", Reader(text).text).replace(" ", "")
    for name in ("likelihood", "reconstruction", "latent", "prior", "representation", "samples"):
        for figure in (metrics[name] or {"figures": []})["figures"]:
            if figure["value"] is not None:
                assert number(figure["value"], figure["unit"]).replace(" ", "") in flat, figure["name"]
                assert figure["protocol"].replace(" ", "") in flat
    for sentence in metrics["verdict"]["sentences"]:
        assert sentence.replace(" ", "") in flat


def test_each_of_several_latents_has_its_rate_its_curve_and_its_picture(cases):
    metrics, text, gallery = cases["ladder"]
    levels = metrics["latent"]["levels"]
    rate = next(f["value"] for f in metrics["likelihood"]["figures"] if f["name"] == "rate")
    assert [level["name"] for level in levels] == ["level1", "level2", "level3"]
    assert sum(level["rate"] for level in levels) == pytest.approx(rate, rel=0.05)
    assert gallery.kept.labels == ("held out", "top 1 kept", "top 2 kept") and gallery.kept.images.shape[:2] == (3, 10)
    told = ("KL of each latent over training", "In the order they are decided", "What each level decides")
    assert all(words in text for words in (*told, *(level["name"] for level in levels)))
    assert cases["plane"][0]["latent"]["levels"] == [] and "Rate by latent" not in cases["plane"][1]


def test_the_autoencoder_stands_beside_the_model(cases):
    metrics, text, _ = cases["plane"]
    assert metrics["baseline"]["recipe"] == "autoencoder"
    assert "same networks" in text
    assert text.count('<th scope="col" class="n">autoencoder</th>') == 2


def test_a_critics_curves_are_drawn(cases):
    text = Reader(cases["critic"][1]).text
    for words in ("Critic's logits", "Rows that the critic is right of", "The two sides", "drawn or encoded", "rebuilt", "what it judges"):
        assert words in text


def test_what_is_absent_says_why(cases):
    assert "there is no bound on the likelihood" in cases["autoencoder"][1]


def test_names_from_the_data_are_text_and_never_markup():
    frame = dict(zip(["<script>alert(1)</script>", "$x_{1", "_under", "列"], TABLE.T))
    import pandas as pd

    metrics, gallery, history = reported(pd.DataFrame(frame), latent=2, labels=np.where(TABLE[:, 0] > 5, "_a", "<b>"))
    text = page(metrics, gallery, history)
    assert "<script" not in text and "&lt;script&gt;" in text and "$x_{1" in text and "列" in text and "_a" in text
    assert "script" not in Reader(text).tags


def test_a_conditional_sheet_has_a_row_a_class(cases):
    _, _, gallery = cases["conditional"]
    assert gallery.sampled.labels == tuple("0123456789") and gallery.sampled.images.shape[0] == 10


def test_the_map_is_the_first_two_principal_components():
    fitted = vk.fit(TABLE, epochs=1, hidden=16, latent=4, progress=False)
    rows = fitted.parts["test"]
    shown = gather(fitted.system, rows, None).map
    expected = PCA(2).fit_transform(vk.tasks.encode(fitted.system, rows).mean)
    # Rows are shown in another order, and a component has no sign of its own.
    np.testing.assert_allclose(np.sort(np.abs(shown.points), axis=0), np.sort(np.abs(expected), axis=0), atol=1e-4)
    assert shown.projected


def test_a_sheet_shows_each_pixel_where_it_belongs():
    images = np.zeros((2, 3, 8, 8, 1))
    images[1, 2, 0, 7] = 16
    address, width = drawing.sheet(images, (0, 16), gap=1)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
    assert picture.shape == (2 * 56 + 1, width, 4) and width == 3 * 56 + 2
    bright = np.argwhere(picture[..., 0] == 255)
    assert bright.min(0).tolist() == [57, width - 7] and bright.max(0).tolist() == [57 + 6, width - 1] and len(bright) == 7 * 7
    assert (picture[56, :, 3] == 0).all(), "the gap is transparent"


def test_charts_are_xml_in_the_colours_of_the_page():
    charts = [
        drawing.curves("t", {"a": ([1, 2], [3, 4]), "b": ([1, 2], [4, 5])}, "x", "y"),
        drawing.bars(["z1"], [0.5], "nats"),
        drawing.scatter(np.zeros((3, 2)), np.array([0, 1, -1]), ("a", "b"), ("x", "y")),
        drawing.scatter(np.ones((2, 2)), None, (), ("x", "y")),
        drawing.overlap({"a": np.eye(4)[:, :2], "b": np.ones((4, 2))}, ("x", "y")),
        drawing.overlap({"a": np.eye(4)[:, :2], "b": np.ones((4, 2))}, ("x", "y"), [np.array([0, 0, 1, 10])] * 2, tuple("abcdefghijk")),
        drawing.histogram("h", np.arange(30.0), np.ones(30), ("a", "b")),
        drawing.heat("m", np.eye(3), ("a", "b", "c"), ("d", "e", "f"), (-1.0, 1.0), True),
    ]
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root.get("viewBox") and "var(--ink)" in chart and not re.search(r"#0[14-9a]0", chart)


def test_lines_of_an_overlap_are_passed_by_half_and_nine_tenths_of_the_first_cloud():
    points = np.random.default_rng(0).normal(size=(400, 2)) * [1, 5]
    x, y, density, levels = drawing._density(points, points)
    column, row = (np.searchsorted(grid, points[:, i]).clip(0, 89) for i, grid in enumerate((x, y)))
    np.testing.assert_allclose([(density[row, column] > level).mean() for level in levels], [0.9, 0.5], atol=0.03)


def test_the_priors_section_tells_the_figures_of_the_metrics(cases):
    for case in ("conditional", "learned", "table", "tiny"):
        metrics, text, _ = cases[case]
        words = re.sub(r"\s+", " ", Reader(text).text)
        prior = metrics["prior"]
        told = {figure["name"]: figure for figure in prior["figures"]}
        least, most = (told[f"KL of the aggregate posterior, at {end}"] for end in ("least", "most"))
        above = f"{least['value']:.2f} ± {least['standard_error']:.2f}"
        meet = most["value"] <= least["value"]
        above = f"about {above} nats are paid" if meet else f"at least {above} and at most {most['value']:.2f} nats are paid"
        assert f"Of the {prior['rate']:.2f} nats a row" in words and above in words
        assert all(f"{prior['rate'] + other['more']:.2f}" in words for other in prior["others"])
        assert ("Each colour, a class" in words) == (case == "conditional") == ("follow the condition" in words)
        assert ("The pictures show the two dimensions" in words) == (case != "tiny")
    assert cases["autoencoder"][0]["prior"] is None


def test_columns_are_compared_by_the_kolmogorov_smirnov_distance():
    generator = np.random.default_rng(0)
    real, drawn = generator.normal(size=(50, 3)), generator.normal(0.5, 2, size=(70, 3))
    expected = [ks_2samp(real[:, i], drawn[:, i]).statistic for i in range(3)]
    np.testing.assert_allclose(differences(real, drawn), expected)
    real[:10, 0] = np.nan
    assert differences(real, drawn)[0] == pytest.approx(ks_2samp(real[10:, 0], drawn[:, 0]).statistic)


def test_correlations_are_numpys_and_a_constant_column_has_none():
    values = np.random.default_rng(0).normal(size=(40, 3)) @ np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T))
    values[:, 1] = 7.0
    assert (correlations(values)[1] == 0).all()


@pytest.mark.parametrize(("value", "unit", "words"), [
    (None, "", "–"), (0.0, "1", "0"), (7.0, "of 8", "7"), (1.0, "share", "1.00"), (0.04567, "1", "0.046"), (98.419, "nats", "98.42"),
    (-123.456, "nats", "-123.5"), (12345.6, "nats", "12,346"), (0.00012, "1", "1.2e-04"), (0, "of 8", "0"),
])
def test_numbers_are_read_in_four_digits_or_so(value, unit, words):
    assert number(value, unit) == words


def told(rows=500, auc=0.6, probe=0.9, width=0):
    def figures(name, **numbers):
        return {"figures": [{"name": name, **numbers}]}

    return {
        "samples": figures("two-sample test", value=auc, ceiling=0.5), "representation": figures("linear probe", value=probe, pca=0.9),
        "protocol": {"measured_rows": rows, "condition_width": width},
    }


def with_repeats(p: float):
    made = told()
    made["samples"]["figures"].append({"name": "repeated training rows", "value": 0.12, "expected": 0.01, "p_value": p})
    return made


def with_labels(known: int):
    return {**told(), "labels": {"figures": [{"name": "accuracy", "value": 1.0, "n": known}]}}


def on_training_rows(share: float):
    made = told()
    made["protocol"]["trained_on"] = share
    return made


def course(losses):
    return {"validations": [{"stage": 0, "held_out": {"loss": loss}} for loss in losses]}


LEVEL = [9, 5, 4, 3, 2.5, 2.2, 2.1, 2.05, 2.02, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(("metrics", "losses", "words"), [
    (told(), LEVEL, None), (told(auc=0.97), LEVEL, "do not use them in place of real rows"), (told(probe=0.8), LEVEL, "less of the labels"),
    (told(probe=0.8, width=3), LEVEL, None), (told(rows=18), LEVEL, "Only 18 rows"), (told(), [9, 8, 7, 6, 5, 4, 3, 2], "still falling"),
    (told(), [9, 5, 4, 3, 2, 2, 2.5, 3], "rose again"), (told(), [9, 2.3, 2.2, 2.1, 2, 2, 2.02, 2.04], None),
    (told(), [2.0] * 12, None), (told(), [3, 2], None), (with_repeats(0.02), LEVEL, None),
    (with_repeats(1e-5), LEVEL, "12% of the drawn rows lie as close to one training row as 1% of held-out rows do (p = 1e-05)"),
    (with_labels(17), LEVEL, "Only 17 of the rows have a label"), (with_labels(500), LEVEL, None), (with_labels(120), LEVEL, None),
    (on_training_rows(0.0), LEVEL, None), (on_training_rows(0.8), LEVEL, "80% of these rows are rows that the model was trained on"),
])
def test_a_person_is_told_what_to_mind_and_nothing_else(metrics, losses, words):
    found = cautions(metrics, course(losses))
    assert (not found) if words is None else (len(found) == 1 and words in found[0])


def test_coordinates_are_sorted_by_what_rows_differ_in_where_a_kl_has_none(cases):
    metrics, _, gallery = cases["learned"]
    dimensions = metrics["latent"]["dimensions"]
    assert dimensions["kl"] == [None] * 3
    assert gallery.moved.labels == tuple(f"z{d}" for d in np.argsort(dimensions["variance_of_means"])[::-1])


def test_coordinates_of_several_latents_are_called_by_name_and_a_class_has_no_shape(tmp_path):
    iris = load_iris()
    told = {"hidden": [8], "epochs": 1, "compile": False, "progress": False}
    two = vk.fit(iris.data, "ladder_vae", levels=2, latent=1, **told)
    names = gather(two.system, two.parts["test"], None).coordinates
    assert names == ("level1_0", "level2_0") and gather(two.system, two.parts["test"], None).map.axes == names
    known = vk.fit(iris.data, "m2", labels=iris.target, latent=2, **told)
    known.report(tmp_path / "known.html", particles=2)
    drawn = (tmp_path / "known.html").read_text(encoding="utf-8")
    shapes = drawn.partition("Aggregate posterior and prior")[2].partition("<section")[0]
    assert "y_0" in drawn and "z_0" in shapes and "y_0" not in shapes


@pytest.mark.parametrize("case", ["plane", "conditional"])
def test_each_row_of_a_traversal_stands_with_its_own_rate_the_largest_first(cases, case):
    metrics, text, _ = cases[case]
    rates = metrics["latent"]["dimensions"]["kl"]
    told = re.findall(r"z(\d+)\s+([\d.]+) nats", text)
    assert len(told) == len(rates) and [float(rate) for _, rate in told] == [round(rates[int(d)], 2) for d, _ in told]
    assert [rates[int(d)] for d, _ in told] == sorted(rates, reverse=True)


def test_a_whole_number_that_moves_by_less_than_one_is_seen_to_move():
    visits = np.random.default_rng(0).integers(0, 3, size=(120, 2))
    fitted = vk.fit(visits, likelihood="normal", latent=2, epochs=1, batch=64, hidden=8, progress=False)
    rows = fitted.parts["test"]
    ends = fitted.traverse(visits[:1], span=(-2.0, 2.0), steps=2)[0]
    assert (ends[:, 0] == ends[:, 1]).all(), "rounded, nothing moves after one pass"
    change = gather(fitted.system, rows, [1.0, 1.0]).movement.change
    assert change.shape == (2, 2) and (np.abs(change) > 0).all()
