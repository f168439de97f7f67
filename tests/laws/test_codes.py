"""Laws of latents of codes: quantisers, categories, what moves them, and the priors over them."""

import copy
import math
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from systems import ROWS, held_out, made
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, from_posterior, from_prior
from vaekit.core.dispatch import divergence, from_noise, stop, temper
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Objective, Step
from vaekit.core.trace import Site, Trace
from vaekit.parts.distributions import Categories, CodeSequence, OneHot, RelaxedOneHot, StraightOneHot, UniformCodes
from vaekit.parts.distributions import Quantised as QuantisedCodes
from vaekit.parts.networks import CausalTransformer
from vaekit.parts.objectives import CodebookLoss, Commitment, Reconstruction
from vaekit.parts.posteriors import Grid, MovingVectors, Quantised, Relaxed, Vectors, vectors
from vaekit.parts.priors import Autoregressive

RECIPES = ("vq_vae", "fsq_vae", "gumbel_vae")
SMALL = {"prior_width": 16, "prior_layers": 1}


def trace_of(encoded: Tensor, book: Vectors) -> Trace:
    posterior = QuantisedCodes(encoded, book)
    prior = UniformCodes(book, tuple(encoded.shape[2:-1]), encoded.device)
    return Trace(Batch(encoded[0].flatten(1)), {"z": Site(posterior.rsample(), prior, posterior, posterior)}, lambda: prior)


def with_vectors(book: Vectors, values: Tensor) -> Vectors:
    with torch.no_grad():
        book.vectors.copy_(values)
    return book


@pytest.mark.parametrize("kind", [MovingVectors, Vectors])
def test_the_code_is_the_nearest_vector(kind):
    torch.manual_seed(0)
    book, h = with_vectors(kind(11, 4), torch.randn(11, 4)), torch.randn(1, 50, 3, 4)
    wanted = [[min(range(11), key=lambda k: float((v - book.vectors[k].detach()).square().sum())) for v in row] for row in h[0]]
    assert book.codes(h)[0].tolist() == wanted
    torch.testing.assert_close(book.values(book.codes(h)), book.vectors[torch.tensor(wanted)][None])


def test_every_code_of_a_grid_has_one_value_of_its_own():
    levels = (4, 3, 5)
    grid = Grid(levels)
    values = grid.values(torch.arange(60))
    assert grid.size == 60 and torch.equal(grid.codes(values), torch.arange(60))
    axes = [[(2 * i + 1) / n - 1 for i in range(n)] for n in levels]
    assert {tuple(round(float(v), 5) for v in row) for row in values} == {tuple(round(v, 5) for v in row) for row in product(*axes)}
    torch.manual_seed(0)
    h = 3 * torch.randn(1, 200, 2, 3)
    nearest = torch.cdist(h.tanh().flatten(0, 2), values).argmin(-1).reshape(1, 200, 2)
    assert torch.equal(Quantised(grid)(h).codes, nearest)
    assert torch.equal(grid.codes(torch.tensor([[5.0, 5, 5], [-5, -5, -5]])), torch.tensor([59, 0]))


@pytest.mark.parametrize("make", [lambda: Quantised(MovingVectors(6, 2)), lambda: Quantised(Grid((3, 4)))])
def test_a_quantised_latent_is_its_codes_value_and_its_gradient_passes_straight_through(make):
    torch.manual_seed(0)
    family, raw = make(), torch.randn(1, 5, 3, 2, requires_grad=True)
    q = family(raw)
    z = q.rsample()
    assert torch.equal(z, family.book.values(q.codes))
    (gradient,) = torch.autograd.grad((z * torch.arange(30.0).reshape(1, 5, 3, 2)).sum(), [q.encoded])
    torch.testing.assert_close(gradient, torch.arange(30.0).reshape(1, 5, 3, 2))
    assert torch.equal(q.log_prob(z), torch.zeros(1, 5)) and torch.equal(q.log_prob(z + 1), torch.full((1, 5), -math.inf))
    assert torch.equal(q.expand((4, 5)).rsample(), z.expand(4, 5, 3, 2)) and torch.equal(from_noise(q, torch.rand(2, 5, 3, 2))[1], z[0])
    assert not stop(q).encoded.requires_grad and bool((q.variance == 0).all())


def test_moving_means_follow_a_step_worked_out_by_hand():
    book = with_vectors(MovingVectors(2, 1, momentum=0.75), torch.tensor([[0.0], [10.0]]))
    book.counts.copy_(torch.tensor([4.0, 2.0]))
    # Codes 0, 0, 1: counts become 3 + 0.5 and 1.5 + 0.25, sums 0.25 * (1 + 2) and 0.75 * 20 + 0.25 * 14.
    book.after_step(book.observe(trace_of(torch.tensor([[[[1.0]], [[2.0]], [[14.0]]]]), book)))
    torch.testing.assert_close(book.counts, torch.tensor([3.5, 1.75]))
    torch.testing.assert_close(book.vectors, torch.tensor([[0.75 / 3.5], [(15 + 3.5) / 1.75]]))


def test_the_vectors_start_where_k_means_ends():
    torch.manual_seed(0)
    h = torch.randn(1, 60, 4, 3) + 8 * torch.randint(0, 3, (1, 60, 4, 1))
    book = MovingVectors(9, 3)
    book.start(trace_of(h, book))
    rows = h.reshape(-1, 3).numpy()
    found = book.vectors.numpy()
    own = np.square(rows[:, None] - found).sum(-1).min(1).sum()
    assert own < 1.1 * KMeans(9, n_init=5, random_state=0).fit(rows).inertia_
    again = KMeans(9, init=found, n_init=1, max_iter=1).fit(rows)
    np.testing.assert_allclose(np.sort(np.bincount(again.labels_, minlength=9)), np.sort(book.counts.numpy()), atol=3)
    few = MovingVectors(9, 3)
    few.start(trace_of(h[:, :1], few))
    assert bool(torch.isfinite(few.vectors).all()) and len(torch.unique(few.vectors, dim=0)) == 9


@pytest.mark.parametrize("kind", [MovingVectors, Vectors])
def test_a_code_that_is_not_used_is_revived_beside_the_one_with_the_largest_error(kind):
    torch.manual_seed(0)
    wide = torch.cat([5 * torch.randn(200, 2), 0.1 * torch.randn(200, 2) + 50])
    book = with_vectors(kind(3, 2, momentum=0.5), torch.tensor([[0.0, 0], [50, 50], [900, 900]]))
    trace = trace_of(wide.reshape(1, 400, 1, 2), book)
    for _ in range(8):
        book.after_step(book.observe(trace))
    assert float(book.vectors[2].norm()) < 25 and float((book.vectors[1] - 50).abs().max()) < 1
    assert sorted(book.codes(wide).unique().tolist()) == [0, 1, 2]
    assert float(book.counts.sum()) == pytest.approx(400, rel=0.05)


@pytest.mark.parametrize("term", [Commitment, CodebookLoss])
def test_commitment_moves_the_encoder_alone_and_the_codebook_loss_the_codes_alone(term):
    system, feed = made("real", "vq_vae", codebook="gradient", **SMALL)
    system.stages[0].prepare(system.model)
    Step(system.model, Objective(term(), Reconstruction(0.0)))(held_out(feed))[0].backward()
    moved = {name for name, p in system.model.named_parameters() if p.grad is not None and float(p.grad.abs().max()) > 0}
    codes = {"posterior.family.book.vectors"}
    encoder = {name for name, _ in system.model.named_parameters() if name.startswith("posterior")} - codes
    assert moved == (encoder if term is Commitment else codes)
    q = system.model(held_out(feed), from_posterior()).sites["z"].posterior
    wanted = (q.encoded - q.book.values(q.codes)).square().sum((2, 3))
    torch.testing.assert_close(term()(system.model(held_out(feed), from_posterior())), wanted)


@pytest.mark.parametrize("learning", ["ema", "gradient"])
def test_a_frozen_or_resting_codebook_stays(learning):
    system, feed = made("real", "vq_vae", codebook=learning, **SMALL)
    system.stages[1].prepare(system.model)
    step = Step(system.model, system.stages[1].objective)
    assert not step.learners and step.beginners == [system.model.prior]
    before = copy.deepcopy(system.model.state_dict())
    step(held_out(feed))
    assert all(torch.equal(v, before[n]) for n, v in system.model.state_dict().items())


def test_categories_are_the_distribution_of_their_draws():
    torch.manual_seed(0)
    book, logits = Categories(4), torch.randn(1, 2, 3, 4)
    q = OneHot(logits, book)
    draws = q.expand((4000, 2)).sample()
    assert torch.equal(draws.sum(-1), torch.ones(4000, 2, 3)) and torch.equal(book.values(book.codes(draws)), draws)
    torch.testing.assert_close(draws.mean(0), q.probs[0], atol=0.04, rtol=0)
    by_row = from_noise(q, torch.rand(4000, 2, 3, 4))
    torch.testing.assert_close(by_row.mean(0), q.probs[0], atol=0.04, rtol=0)
    every = torch.stack([book.values(torch.tensor(k)) for k in product(range(4), repeat=3)]).unsqueeze(1).expand(-1, 2, 3, 4)
    torch.testing.assert_close(q.log_prob(every).exp().sum(0), torch.ones(2))
    uniform = UniformCodes(book, (3,), logits.device)
    exact = divergence(q, uniform)
    by_enumeration = (q.log_prob(every).exp() * (q.log_prob(every) - uniform.log_prob(every))).sum(0)
    torch.testing.assert_close(exact.sum(-1)[0], by_enumeration)
    assert exact.shape == (1, 2, 3)


@pytest.mark.parametrize(("hard", "kind"), [(False, RelaxedOneHot), (True, StraightOneHot)])
def test_draws_are_relaxed_while_training_alone(hard, kind):
    torch.manual_seed(0)
    family = Relaxed(5, {"recipe": "linear", "arguments": {"start": 1.0, "stop": 0.5, "until": 1.0}}, hard)
    raw = torch.randn(1, 6, 2, 5, requires_grad=True)
    q = family(raw)
    z = q.rsample()
    one_hot = bool(((z == 0) | (z == 1)).all())
    assert type(q) is kind and one_hot is hard and torch.autograd.grad(z[..., 0].sum(), [raw])[0].abs().max() > 0
    torch.testing.assert_close(z.sum(-1), torch.ones(1, 6, 2))
    family.clock.advance(0.5)
    assert float(family(raw).temperature) == 0.75
    with pytest.raises(TypeError, match="no category and has no probability: put the model in eval mode"):
        q.log_prob(z)
    resting = family.eval()(raw)
    drawn = resting.sample()
    assert type(resting) is OneHot and bool(((drawn == 0) | (drawn == 1)).all())


def small(condition: int = 0, learned: bool = True) -> CausalTransformer:
    torch.manual_seed(0)
    network = CausalTransformer(3, 4, condition, 16, 2).eval()
    if learned:
        torch.nn.init.normal_(network.last.weight)
    return network


def test_a_later_code_changes_no_earlier_logit():
    network = small()
    codes = torch.randint(3, (5, 4))
    before = network(codes)
    for place in range(4):
        changed = codes.clone()
        changed[:, place] = (codes[:, place] + 1) % 3
        after = network(changed)
        torch.testing.assert_close(after[:, : place + 1], before[:, : place + 1])
        assert place == 3 or not torch.allclose(after[:, place + 1 :], before[:, place + 1 :], atol=1e-4)


def test_an_untrained_transformer_holds_all_codes_as_probable():
    network = small(learned=False)
    assert torch.equal(network(torch.randint(3, (5, 4))), torch.zeros(5, 4, 3))


@pytest.mark.parametrize("condition", [0, 2])
def test_draws_with_a_cache_are_those_without(condition):
    network = small(condition)
    given = torch.randn(7, 2) if condition else None
    torch.manual_seed(3)
    drawn = network.draw(7, given, 0.7)
    torch.manual_seed(3)
    slowly = torch.zeros(7, 4, dtype=torch.int64)
    for place in range(4):
        logits = network(slowly, given)[:, place] / 0.7
        slowly[:, place] = torch.multinomial(logits.softmax(-1), 1).squeeze(1)
    assert torch.equal(drawn, slowly)


def sequence(condition: Tensor | None = None) -> CodeSequence:
    rows = 1 if condition is None else condition.shape[1]
    network = small(0 if condition is None else condition.shape[-1])
    return CodeSequence(network, Categories(3), (2, 2), condition, torch.Size((1, rows)))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_learned_prior_sums_to_one_and_is_the_law_of_its_draws(temperature):
    p = temper(sequence(), temperature)
    every = torch.tensor(list(product(range(3), repeat=4))).reshape(81, 1, 2, 2)
    values = p.book.values(every)
    chances = p.log_prob(values).exp().flatten()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    torch.manual_seed(0)
    drawn = p.book.codes(p.expand((1, 20_000)).sample()).reshape(-1, 4)
    shares = torch.bincount((drawn * torch.tensor([27, 9, 3, 1])).sum(-1), minlength=81) / 20_000
    torch.testing.assert_close(shares, chances, atol=0.015, rtol=0)
    assert p.log_prob(values).requires_grad and not stop(p).log_prob(values).requires_grad


def test_the_prior_knows_each_rows_condition():
    given = torch.randn(1, 3, 2)
    p = sequence(given)
    z = p.book.values(torch.randint(3, (5, 3, 2, 2)))
    for row in range(3):
        alone = CodeSequence(p.network, p.book, (2, 2), given[:, row : row + 1], torch.Size((1, 1)))
        torch.testing.assert_close(p.log_prob(z)[:, row], alone.log_prob(z[:, row : row + 1])[:, 0])
    assert p.expand((5, 3)).sample().shape == (5, 3, 2, 2, 3)
    cold = temper(p, 0.0)
    torch.manual_seed(1)
    assert torch.equal(cold.sample(), cold.sample())


def test_the_prior_is_uniform_until_its_stage_begins_and_remembers_that_it_began():
    system, feed = made("grey", "fsq_vae", **SMALL)
    model, batch = system.model.eval(), held_out(feed)
    trace = model(batch, from_posterior())
    assert type(trace.sites["z"].prior) is UniformCodes
    torch.testing.assert_close(trace.kl(), torch.full((1, 32), 3 * math.log(125)))
    model.prior.start(trace)
    learned = model(batch, from_posterior())
    assert type(learned.sites["z"].prior) is CodeSequence
    torch.testing.assert_close(learned.kl(), trace.kl(), msg="its own network starts there too")
    other, _ = made("grey", "fsq_vae", **SMALL)
    other.model.load_state_dict(model.state_dict())
    assert other.model.prior.learned and type(other.model.prior(None)) is CodeSequence
    assert copy.deepcopy(model).prior.book.module is not model.posterior.family.book


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("data", ["real", "convolved"])
def test_a_score_is_the_rows_own_and_the_rate_is_exact(recipe, data):
    system, feed = made(data, recipe, condition=True, **{"latent": None} if data == "convolved" else {}, **SMALL)
    model, batch = system.model.eval(), held_out(feed)
    model.prior.start(model(batch, centre()))
    torch.nn.init.normal_(model.prior.network.last.weight, std=0.1)

    def scored(rows: slice) -> Tensor:
        part = Batch(batch.x[rows], condition=batch.condition[rows])
        with torch.no_grad():
            return model(part, from_posterior(2, RowNoise(part.x))).log_weight()

    whole = scored(slice(None))
    torch.testing.assert_close(torch.cat([scored(slice(i, i + 4)) for i in range(0, 32, 4)], 1), whole, rtol=1e-4, atol=1e-3)
    trace = model(batch, from_posterior(1, RowNoise(batch.x)))
    torch.testing.assert_close(trace.kl(), -trace.sites["z"].log_ratio())
    positions = trace.sites["z"].z.shape[2:-1]
    assert positions == ((2, 2) if data == "convolved" else (3,))
    assert model(batch.without_x(), from_prior(0.7)).sites["z"].z.shape[2:-1] == positions


@pytest.mark.parametrize(
    ("recipe", "arguments", "words"),
    [
        ("vq_vae", {"codes": ROWS + 1000}, r"codes=1128 are more than there are rows to learn from \(160\): give fewer"),
        ("gumbel_vae", {"codes": 161}, "codes=161 are more than there are rows"),
        ("vq_vae", {"codes": 1}, "codes must be a whole number of 2 or more, not 1"),
        ("vq_vae", {"codebook": "gradients"}, "codebook must be 'ema' or 'gradient'"),
        ("fsq_vae", {"levels": (8, 1)}, "levels must be a whole number of 2 or more"),
        ("gumbel_vae", {"temperature": 0.0}, "temperature must be a number above 0"),
        ("vq_vae", {"share": 1.0}, "share must be a number above 0 and below 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(recipe, arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        made("real", recipe, **arguments)
    assert "\n" not in str(caught.value)


def test_parts_composed_by_hand_are_as_strict():
    for make, words in (
        (lambda: vectors("emma", 4, 2), "codebook must be 'ema' or 'gradient'"),
        (lambda: Grid((3, 1)), "levels must be"),
        (lambda: Relaxed(1), "codes must be"),
        (lambda: Commitment(-1.0), "commitment must be"),
    ):
        with pytest.raises(InputError, match=words):
            make()
    system, feed = made("real")
    with pytest.raises(InputError, match="commitment is of latents that are quantised, and this model has none"):
        Commitment()(system.model(held_out(feed), from_posterior()))
    assert Autoregressive(Grid((3, 3)), (4,), small()).begun.item() is False
