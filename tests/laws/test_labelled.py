"""Laws of labels: the bounds are those of the paper, exactly; a label that is hidden tells nothing; batches stand for the data."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from systems import LABELLED, held_out, made
from test_models import COLUMNS, LATENT, labelled, stacked, x_of

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, enumerate_, fixed, from_posterior, from_prior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Objective, Step
from vaekit.data.loading import Loader
from vaekit.models import LabelledVAE
from vaekit.parts.objectives import KL, Classification, CovariancePenalty, ImportanceBound, MeanDiscrepancy, RateUnder, Reconstruction
from vaekit.tasks import augment, encode, generate, predict, ranked_dimensions, score

ROWS, K = 7, 3
LABEL = torch.tensor([0, -1, 1, 2, -1, -1, 0])


def by_class(model: LabelledVAE, x: torch.Tensor, noise: RowNoise) -> tuple[torch.Tensor, torch.Tensor]:
    """The labelled bound of every class, `(K, B)`, and log q(y|x), by definition: no belief, no enumeration."""
    states = torch.eye(K).unsqueeze(1).expand(K, len(x), K)
    trace = model(Batch(x), fixed({"y": states}, from_posterior(1, noise)))
    z = trace.sites["z"]
    prior = torch.log(torch.tensor([4.0, 2.0, 3.0]) / 9)
    return trace.log_likelihood - z.kl() + prior.unsqueeze(1), trace.sites["y"].posterior.probs[0].log().T


@pytest.mark.parametrize("seen", ["all", "none", "some"])
def test_the_enumerated_bound_is_the_papers(seen):
    model, x = labelled(), x_of()
    noise = RowNoise(x)
    bound, log_q = by_class(model, x, noise)
    unlabelled = (log_q.exp() * (bound - log_q)).sum(0)
    label = {"all": torch.arange(ROWS) % K, "none": torch.full((ROWS,), -1), "some": LABEL}[seen]
    supervised = bound.gather(0, label.clamp(min=0).unsqueeze(0))[0]
    trace = model(Batch(x, label=label), enumerate_("y", from_posterior(1, noise)))
    torch.testing.assert_close(trace.elbo(), torch.where(label >= 0, supervised, unlabelled))
    loss, _ = Objective(Reconstruction(), KL())(trace)
    torch.testing.assert_close(loss, -trace.elbo().mean())
    assert torch.equal(trace.weight.sum(0).round(decimals=5), torch.ones(ROWS))


@pytest.mark.parametrize("term", [ImportanceBound(3), MeanDiscrepancy(), CovariancePenalty()])
def test_a_term_that_takes_particles_for_draws_is_refused_where_they_are_classes(term):
    trace = labelled()(Batch(x_of()), enumerate_("y", from_posterior()))
    with pytest.raises(InputError, match="all states of a class") as caught:
        term(trace)
    assert "\n" not in str(caught.value)


def test_an_exact_label_moves_the_classifier_by_its_own_term_alone():
    model, batch = labelled(), Batch(x_of(), label=torch.arange(ROWS) % K)
    trace = model(batch, enumerate_("y", from_posterior()))
    torch.autograd.backward(Objective(Reconstruction(), KL())(trace)[0], inputs=list(model.parameters()), retain_graph=True)
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.classifier.parameters())
    model.zero_grad()
    Objective(Classification())(trace)[0].backward()
    assert all(p.grad.abs().max() > 0 and bool(p.grad.isfinite().all()) for p in model.classifier.parameters())
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.posterior.parameters())


def test_the_classification_term_is_the_mean_over_labelled_rows():
    model, batch = labelled(), Batch(x_of(), label=LABEL)
    share = 4 / ROWS
    trace = model(batch, enumerate_("y", from_posterior()))
    wanted = torch.nn.functional.cross_entropy(trace.sites["y"].posterior.logits[0], LABEL, ignore_index=-1)
    torch.testing.assert_close(Objective.reduce(Classification(share)(trace), trace), wanted)
    unseen = model(Batch(x_of()), enumerate_("y", from_posterior()))
    assert Objective.reduce(Classification(share)(unseen), unseen) == 0


def wide(model, latent: int):
    """Posteriors wider than the true ones, or their draws would leave out what weighs most."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("posterior.head.weight"):
                parameter[latent:] = 0
            if name.endswith("posterior.head.bias"):
                parameter[latent:] = 0.5
            if name.endswith("above.likelihood.head.weight"):
                parameter[latent:] = 0
    return model


def marginal(model, x: torch.Tensor) -> np.ndarray:
    """log p(x) of linear parts: a mixture of normals over the classes, worked out by hand."""
    above = model.above if model is not None and "above" in dict(model.named_children()) else model
    weight, bias = (t.detach().double().numpy() for t in above.likelihood.head.parameters())
    size = len(bias) if above is model else len(bias) // 2
    spread = np.full(size, 0.25) if above is model else np.exp(2 * 6 * np.tanh(bias[size:] / 6))
    loads, shift, covariance = weight[:size], bias[:size], np.diag(spread)
    covariance = covariance + loads[:, K:] @ loads[:, K:].T
    means = loads[:, :K].T + shift
    if above is not model:
        lower, offset = (t.detach().double().numpy() for t in model.likelihood.head.parameters())
        means, covariance = means @ lower.T + offset, lower @ covariance @ lower.T + 0.25 * np.eye(COLUMNS)
    each = [np.atleast_1d(stats.multivariate_normal(m, covariance).logpdf(x.numpy())) for m in means]
    return np.logaddexp.reduce(np.array(each) + np.log(np.array([4, 2, 3]) / 9)[:, None], axis=0)


@pytest.mark.parametrize("make", [labelled, stacked])
def test_the_importance_estimate_is_the_marginal_over_all_classes(make):
    model, x = wide(make(), LATENT), x_of()
    torch.manual_seed(0)
    with torch.no_grad():
        log_weight = model(Batch(x), from_posterior(100_000)).log_weight()
        found = log_weight.logsumexp(0) - math.log(len(log_weight))
    np.testing.assert_allclose(found.numpy(), marginal(model, x), atol=0.06)


def test_with_classes_enumerated_the_estimate_is_their_sum():
    """log sum_y q(y) w_y, each w_y of one z, is unbiased too: over many rows that are one row it comes to the marginal."""
    model, x = wide(labelled(), LATENT), x_of(1).expand(100_000, COLUMNS)
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model(Batch(x), enumerate_("y", from_posterior()))
        each = (trace.log_weight() + trace.weight.log()).logsumexp(0)
    assert float(each.logsumexp(0)) - math.log(len(x)) == pytest.approx(marginal(model, x[:1])[0], abs=0.05)


@pytest.mark.parametrize("recipe", LABELLED)
def test_a_label_tells_a_verb_nothing(recipe):
    system, feed = made("real", recipe)
    rows = dict(feed.validation.rows)
    hidden, other = ({**rows, "label": label} for label in (torch.full((32,), -1), (rows["label"] + 1) % K))
    for verb in (lambda r: score(system, r).nats, lambda r: encode(system, r).mean, lambda r: predict(system, r).probability):
        wanted = verb(hidden)
        assert np.array_equal(verb(rows), wanted) and np.array_equal(verb(other), wanted)
        assert np.array_equal(verb({n: t for n, t in rows.items() if n != "label"}), wanted)


@pytest.mark.parametrize("recipe", ["m2", "m1_m2"])
def test_a_class_that_is_asked_for_is_drawn(recipe):
    system, _ = made("real", recipe)
    asked = torch.tensor([0, 1, 2, -1] * 50)
    trace = system.model(Batch(label=asked, size=200), from_prior())
    drawn = trace.sites["y"].z[0].argmax(-1)
    assert torch.equal(drawn[asked >= 0], asked[asked >= 0]) and len(set(drawn[asked < 0].tolist())) == K
    rows = generate(system, 6, label="low")
    assert rows.shape == (6, 5) and np.array_equal(rows, generate(system, 6, label=["low"] * 6))
    assert not np.array_equal(rows, generate(system, 6, label="high"))
    made_up = augment(system, 7)
    assert made_up.values.shape == (7, 5) and made_up.names.tolist() == ["low", "middle", "high"] * 2 + ["low"]


def balanced(share: float, rows: int = 100, known: int = 6, size: int = 20) -> Loader:
    _, feed = made("real", "m2")
    label = torch.full((rows,), -1)
    label[torch.arange(known) * 7] = torch.arange(known) % K
    stored = {"x": torch.arange(rows).float().unsqueeze(1).expand(rows, 5).contiguous(), "label": label}
    return Loader(stored, feed.train.modality, size, 3, share)


def test_batches_with_more_labels_stand_for_the_data():
    loader, total, weights = balanced(0.3), torch.zeros(100), []
    for number in range(60):
        for batch in loader.epoch(number):
            assert (batch.label >= 0).sum() == 6 and batch.rows == 20
            total.index_add_(0, batch.x[:, 0].long(), batch.weight)
            weights.append(batch.weight.mean())
    # The mean weight is 1, the labelled rows' part of it theirs of the data, and no row is preferred.
    assert torch.stack(weights).numpy() == pytest.approx(1, abs=1e-5)
    assert float(total[::7][:6].sum() / total.sum()) == pytest.approx(0.06, abs=1e-6)
    assert (total / total.mean()).numpy() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("share", "known"), [(0.0, 6), (0.05, 6), (0.3, 0), (1.0, 100)])
def test_where_labels_are_enough_or_none_rows_come_as_they_do(share, known):
    loader = balanced(share, known=min(known, 6))
    if known == 100:
        loader = replace(loader, rows={"x": loader.rows["x"], "label": torch.zeros(100).long()})
    plain = replace(loader, labelled=0.0)
    for one, other in zip(loader.epoch(2), plain.epoch(2), strict=True):
        assert one.weight is None and torch.equal(one.x, other.x)


def test_a_run_that_goes_on_within_an_epoch_sees_the_same_rows():
    loader = balanced(0.3)
    whole = list(loader.epoch(4))
    for batch, again in zip(whole[2:], loader.epoch(4, start=2), strict=True):
        assert torch.equal(batch.x, again.x) and torch.equal(batch.weight, again.weight)


@pytest.mark.parametrize(
    ("recipe", "stage", "learnt"),
    [
        ("m1", 1, {"classifier"}), ("m1_m2", 0, {"posterior", "likelihood"}), ("m1_m2", 1, {"above"}),
        ("m1_m2", 2, {"posterior", "likelihood", "above"}),
    ],
)
def test_a_stage_moves_what_it_says_and_nothing_else(recipe, stage, learnt):
    system, feed = made("real", recipe)
    stage = system.stages[stage]
    stage.prepare(system.model)
    loss = Step(system.model, stage.objective)(held_out(feed))[0]
    loss.backward()
    moved = {name.split(".")[0] for name, p in system.model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved == learnt


def test_what_m1_m2_ends_with_is_the_bound_of_the_whole_model():
    system, feed = made("real", "m1_m2")
    *_, last = system.stages
    last.prepare(system.model)
    step, batch = Step(system.model, last.objective), held_out(feed)
    system.model.eval()
    unlabelled = replace(batch, label=None)
    torch.manual_seed(0)
    loss = step(unlabelled)[0]
    torch.manual_seed(0)
    trace = step.walk(unlabelled)
    torch.testing.assert_close(loss, -trace.elbo().mean())


def test_the_stages_of_m1_m2_share_the_whole_budget():
    system, _ = made("real", "m1_m2", vae_share=0.2, joint=0.5)
    assert [stage.share for stage in system.stages] == pytest.approx([0.2, 0.4, 0.4])


def test_the_class_of_m1_costs_its_bound_nothing():
    system, feed = made("real", "m1")
    trace = system.model(held_out(feed), centre())
    assert trace.sites["y"].kl().abs().max() < 1e-6
    torch.testing.assert_close(trace.elbo(), (trace.log_likelihood - trace.sites["z"].kl())[0])


def test_coordinates_are_ranked_where_some_have_no_rate():
    system, feed = made("real", "m2")
    order = ranked_dimensions(system, feed.validation.rows)
    # The class has no rate by coordinate; what z has comes first.
    assert sorted(order[:3]) == [3, 4, 5] and order[3:] == [0, 1, 2]


def test_free_bits_of_features_are_a_floor_under_each_coordinate():
    model, batch = stacked(), Batch(x_of())
    trace = model(batch, from_posterior())
    posterior = trace.sites["features"].posterior
    means = (0.5 * (posterior.variance + posterior.mean.square() - 1) - posterior.stddev.log())[0].mean(0)
    floor = means.mean().item()
    torch.testing.assert_close(RateUnder("features", model.prior, free_bits=floor)(trace), means.clamp(min=floor).sum())


def test_a_class_that_is_read_from_the_latent_has_no_rate_to_floor():
    system, feed = made("real", "m1")
    trace = system.model(held_out(feed), from_posterior())
    means = trace.sites["z"].kl_by_dimension()[0].mean(0)
    torch.testing.assert_close(KL(free_bits=0.05)(trace), means.clamp(min=0.05).sum())


def test_what_is_no_size_of_the_classifier_is_refused_in_a_line():
    for other, words in (({"own": 1}, "'own' is no size"), ({"grid": True}, "'grid' is no size"), ({"hiden": [8]}, "hidden")):
        with pytest.raises(InputError, match=words):
            made("real", "m2", classifier=other)
    with pytest.raises(InputError, match="with reader= it is a copy of that one"):
        made("real", "m2", reader=torch.nn.Linear(4, 8), classifier={"dropout": 0.3})
