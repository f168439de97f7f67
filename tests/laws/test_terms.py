"""Laws of every term and of the objective that adds them. A new term is tested by one line in `TERMS`."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from systems import held_out, made, modality_of
from torch import Tensor, nn
from torch.distributions import Independent

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior
from vaekit.core.conditional import Neural
from vaekit.core.dispatch import from_noise, soft
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Needs, Objective, Step, Term, cut_off
from vaekit.core.schedule import Linear
from vaekit.core.trace import Site, Trace
from vaekit.models import VAE
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.networks import MLP, Scaled, VectorReader, VectorWriter
from vaekit.parts.objectives import (
    KL,
    Adversary,
    Classification,
    CovariancePenalty,
    CriticTotalCorrelation,
    FeatureReconstruction,
    FlowMatching,
    ImportanceBound,
    LatentAdversary,
    MeanDiscrepancy,
    RateUnder,
    Reconstruction,
    TotalCorrelation,
    of_aggregate,
    of_means,
)
from vaekit.parts.posteriors import Normal
from vaekit.parts.priors import LatentDiffusion, Standard


class Critic(Term):
    """A generator's and a critic's sides on draws from the prior: a term with a network of its own."""

    needs = Needs(fantasies=True)

    def __init__(self, weight=1.0):
        super().__init__("critic", weight)
        self.network = nn.Linear(5, 1)

    def forward(self, trace: Trace) -> Tensor:
        return nn.functional.softplus(-self.network(soft(trace.fantasy)).squeeze(-1))

    def opponent(self, trace: Trace) -> Tensor:
        real = nn.functional.softplus(-self.network(trace.batch.x)).squeeze(-1)
        return real + nn.functional.softplus(self.network(soft(trace.fantasy)).squeeze(-1))[0]


def adversary(weight=1.0) -> Adversary:
    return Adversary(modality_of("real").critic((8,)), weight=weight)


TERMS: dict[str, Callable[..., Term]] = {
    "reconstruction": Reconstruction,
    "kl": KL,
    "free_bits": partial(KL, free_bits=0.01),
    "capacity": partial(KL, capacity=0.01),
    "both": partial(KL, free_bits=0.01, capacity=0.01),
    "importance": ImportanceBound,
    "doubly": partial(ImportanceBound, particles=3, doubly_reparameterised=True),
    "grouped": partial(ImportanceBound, groups=3),
    "critic": Critic,
    "total_correlation": TotalCorrelation,
    "weighted_total_correlation": partial(TotalCorrelation, "weighted"),
    "critic_total_correlation": partial(CriticTotalCorrelation, 3, (8,)),
    "covariance_of_means": CovariancePenalty,
    "covariance_of_aggregate": partial(CovariancePenalty, of_aggregate),
    "discrepancy": MeanDiscrepancy,
    "rbf_discrepancy": partial(MeanDiscrepancy, "rbf"),
    "adversary": adversary,
    "features": lambda weight=1.0: FeatureReconstruction(adversary(), weight),
    "latent_adversary": partial(LatentAdversary, 3, hidden=(8,)),
    "flow_matching": partial(FlowMatching, LatentDiffusion(3, width=8)),
    "base_rate": partial(RateUnder, "z", Standard(3)),
    "classification": partial(Classification, 0.3),
}
# Terms that read more than every walk leaves: which recipe's walk they are tried on.
ON = {"classification": "m2"}
every = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


@cache
def walk_of(recipe: str):
    return made("real", recipe)


@pytest.fixture
def system(request):
    term = getattr(request.node, "callspec", None) and request.node.callspec.params.get("term")
    return walk_of(next((recipe for name, recipe in ON.items() if TERMS[name] is term), "vae"))


def walked(system, particles: int = 3, **fields) -> Trace:
    model, feed = system
    batch = replace(held_out(feed), **fields)
    torch.manual_seed(0)
    return cut_off(model.model, model.model(batch, from_posterior(particles, RowNoise(batch.x)), fantasies=True))


@every
def test_a_term_is_finite_and_has_one_of_three_shapes(system, term):
    torch.manual_seed(0)
    value = term()(walked(system))
    assert value.shape in ((3, 32), (1, 32), (32,), ()) and bool(torch.isfinite(value).all())


@every
def test_the_weight_scales_the_loss_and_its_gradient_but_not_the_reading(system, term):
    found = []
    for weight in (1.0, 2.5):
        torch.manual_seed(0)
        objective = Objective(term(weight=weight))
        system[0].model.zero_grad()
        loss, readings = objective(walked(system))
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in system[0].model.parameters() if p.grad is not None])
        found.append((loss.detach(), gradient, readings[objective.terms[0].name]))
    torch.testing.assert_close(found[1][0], 2.5 * found[0][0])
    torch.testing.assert_close(found[1][1], 2.5 * found[0][1])
    assert torch.equal(found[0][2], found[1][2]) and found[0][1].abs().max() > 0


@every
def test_a_weight_can_be_a_schedule(system, term):
    torch.manual_seed(0)
    objective = Objective(term(weight=Linear(0.0, 4.0, until=0.5)))
    trace = walked(system)
    losses = []
    for progress in (0.0, 0.25, 1.0):
        objective.advance(progress)
        torch.manual_seed(1)
        losses.append(objective(trace)[0])
    assert float(losses[0].detach()) == 0
    torch.testing.assert_close(losses[2], 2 * losses[1])


def test_the_two_sides_of_the_bound_add_up(system):
    trace = walked(system)
    loss, readings = Objective(Reconstruction(), KL())(trace)
    torch.testing.assert_close(loss, -trace.elbo().mean())
    torch.testing.assert_close(readings["distortion"] + readings["rate"], loss.detach())
    assert torch.equal(readings["kl.z"], readings["rate"])


def test_rows_weigh_what_they_are_told(system):
    weight = torch.linspace(0, 2, 32)
    trace = walked(system, weight=weight)
    loss, _ = Objective(Reconstruction(), KL())(trace)
    torch.testing.assert_close(loss, (weight * -trace.elbo()).mean())
    by_dimension = trace.sites["z"].kl_by_dimension()[0]
    torch.testing.assert_close(KL(free_bits=0.2)(trace), (weight[:, None] * by_dimension).mean(0).clamp(min=0.2).sum())
    torch.testing.assert_close(KL(capacity=1.5)(trace), ((weight * by_dimension.sum(-1)).mean() - 1.5).clamp(min=0))


def test_free_bits_are_a_floor_under_each_coordinates_mean(system):
    trace = walked(system)
    means = trace.sites["z"].kl_by_dimension()[0].mean(0)
    floor = means.median().item()
    torch.testing.assert_close(KL(free_bits=floor)(trace), sum(m if m > floor else torch.tensor(floor) for m in means))
    (gradient,) = torch.autograd.grad(KL(free_bits=means.max().item() + 1)(trace), [system[0].model.posterior.head.weight])
    assert gradient.abs().max() == 0, "below the floor nothing is to be gained"


def test_capacity_is_a_rising_limit_below_which_a_rate_is_neither_charged_nor_paid(system):
    trace = walked(system)
    rate = trace.kl().mean()
    term = KL(capacity={"recipe": "linear", "arguments": {"stop": 2 * rate.item(), "until": 0.5}})
    for progress, limit in ((0.0, 0.0), (0.125, 0.5 * rate), (0.9, 2 * rate)):
        Objective(term).advance(progress)
        torch.testing.assert_close(term(trace), (rate - limit).clamp(min=0))
    (gradient,) = torch.autograd.grad(term(trace), [system[0].model.posterior.head.weight])
    assert gradient.abs().max() == 0, "below the limit, a rate that tells nothing must not pay"


def test_a_site_has_a_weight_of_its_own():
    system, feed = made("real", "ladder_vae", levels=3)
    trace = system.model(held_out(feed), from_posterior(2))
    top, middle, low = (site.kl() for site in trace.sites.values())
    term = KL(sites={"level1": {"recipe": "linear", "arguments": {"until": 0.5}}, "level3": 2.0})
    for progress, weight in ((0.0, 0.0), (0.25, 0.5), (0.9, 1.0)):
        Objective(term).advance(progress)
        torch.testing.assert_close(term(trace), weight * top + middle + 2 * low)
    floored = KL(free_bits=0.1, sites={"level3": 2.0})(trace)
    torch.testing.assert_close(floored, KL(free_bits=0.1)(trace) + KL(free_bits=0.1, sites={"level1": 0.0, "level2": 0.0})(trace))
    with pytest.raises(InputError, match=r"the rate of 'levle1' has a weight: did you mean 'level1'"):
        KL(sites={"levle1": 0.5})(trace)
    with pytest.raises(InputError, match="weight of 'level1'"):
        KL(sites={"level1": -1.0})


@pytest.mark.parametrize("others", [(Reconstruction,), (KL, Critic)])
def test_a_term_that_reweights_what_flows_back_stands_alone(others):
    doubly = partial(ImportanceBound, 3, doubly_reparameterised=True)
    for terms in ([doubly(), *(other() for other in others)], [*(other() for other in others), doubly()]):
        with pytest.raises(ValueError, match=r"term 'bound' changes every gradient.*: let it stand alone") as caught:
            Objective(*terms)
        assert "\n" not in str(caught.value) and all(repr(other().name) in str(caught.value) for other in others)
    Objective(ImportanceBound(3), *(other() for other in others))
    assert Objective(doubly()).needs == Needs(3, alone=True)


def test_the_doubly_reparameterised_gradient_is_refused_for_several_latents(system):
    trace = walked(system)
    deep = replace(trace, sites={"upper": trace.sites["z"], "lower": trace.sites["z"]})
    with pytest.raises(InputError, match="right for one latent, but this model has upper, lower") as caught:
        ImportanceBound(3, doubly_reparameterised=True)(deep)
    assert "\n" not in str(caught.value) and ImportanceBound(3)(deep).shape == (32,)


@pytest.mark.parametrize("doubly", [False, True])
def test_one_particle_gives_the_bound_of_one_draw(system, doubly):
    trace = walked(system, particles=1)
    torch.testing.assert_close(ImportanceBound(1, doubly)(trace), -trace.log_weight()[0])


def test_more_particles_give_the_log_of_the_mean_weight(system):
    trace = walked(system)
    torch.testing.assert_close(ImportanceBound(3)(trace).exp(), 1 / trace.log_weight().exp().mean(0))
    assert ImportanceBound(7).needs == Needs(particles=7) and Objective(KL(), ImportanceBound(7), Critic()).needs == Needs(7, True)


def test_groups_of_particles_are_averaged(system):
    trace = walked(system, particles=7)
    whole = trace.log_weight()[:6].unflatten(0, (3, 2))
    wanted = -(whole.exp().mean(1).log()).mean(0)
    torch.testing.assert_close(ImportanceBound(2, groups=3)(trace), wanted)
    assert ImportanceBound(2, groups=3).needs == Needs(particles=6)
    torch.testing.assert_close(ImportanceBound(1, groups=7)(trace), -trace.log_weight().mean(0))
    deeper = walked(system, particles=6)
    torch.testing.assert_close(ImportanceBound(2, True, groups=3)(deeper), ImportanceBound(2, groups=3)(deeper))


def gaussians(rows: int, turned: float = 0.9) -> tuple[Trace, float]:
    """A linear-Gaussian encoder of correlated means, with the total correlation of its aggregate posterior."""
    torch.manual_seed(0)
    covariance = torch.tensor([[1.0, turned, 0.0], [turned, 1.0, 0.0], [0.0, 0.0, 1.0]])
    means = torch.randn(rows, 3) @ torch.linalg.cholesky(covariance).T
    posterior = Independent(torch.distributions.Normal(means.unsqueeze(0), torch.full((1, rows, 3), 0.5)), 1)
    prior = Independent(torch.distributions.Normal(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), 1)
    site = Site(posterior.rsample(), prior, posterior, posterior)
    whole = covariance + 0.25 * torch.eye(3)
    wanted = 0.5 * (whole.diagonal().log().sum() - whole.logdet())
    return Trace(Batch(means, population=rows), {"z": site}, lambda: prior), float(wanted)


def test_total_correlation_is_that_of_correlated_normals():
    trace, wanted = gaussians(1500)
    found = TotalCorrelation()(trace)[0]
    assert float(found.mean()) == pytest.approx(wanted, abs=0.05) and wanted > 0.3
    apart, nothing = gaussians(1500, turned=0.0)
    assert abs(float(TotalCorrelation()(apart).mean())) < 0.05 and nothing == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("weighting", ["weighted", "stratified"])
def test_total_correlation_is_the_papers_formula_worked_out_by_loops(weighting):
    trace, _ = gaussians(5)
    trace = replace(trace, batch=replace(trace.batch, population=40))
    site = trace.sites["z"]
    z, mean = site.z[0].double().numpy(), site.posterior.mean[0].double().numpy()
    n, b = 40, 5
    for i in range(b):
        together, apart = 0.0, [0.0] * 3
        for j in range(b):
            w = 1 / (n * b)
            if weighting == "stratified":
                w = 1 / n if i == j else (n - b + 1) / (n * (b - 1)) if j == (i + 1) % b else 1 / (b - 1)
            each = [math.exp(-0.5 * ((z[i, d] - mean[j, d]) / 0.5) ** 2) / (0.5 * math.sqrt(2 * math.pi)) for d in range(3)]
            together += w * math.prod(each)
            apart = [a + w * e for a, e in zip(apart, each)]
        wanted = math.log(together) - sum(map(math.log, apart))
        assert float(TotalCorrelation(weighting)(trace)[0, i]) == pytest.approx(wanted, abs=1e-4)


def test_a_critic_at_its_best_gives_the_total_correlation():
    trace, wanted = gaussians(2000)
    critic = CriticTotalCorrelation(3, (32, 32))
    optimiser = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(400):
        optimiser.zero_grad()
        critic.opponent(trace).mean().backward()
        optimiser.step()
    assert float(critic(trace).mean()) == pytest.approx(wanted, abs=0.15)


def test_covariance_penalties_are_numpys():
    trace, _ = gaussians(200)
    posterior = trace.sites["z"].posterior
    for term, extra in ((CovariancePenalty(of_means, 3.0), 0.0), (CovariancePenalty(of_aggregate, 3.0), 0.25)):
        covariance = np.cov(posterior.mean[0].numpy().T, bias=True) + extra * np.eye(3)
        off = covariance - np.diag(np.diag(covariance))
        wanted = np.square(off).sum() + 3 * np.square(np.diag(covariance) - 1).sum()
        assert float(term(trace)) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("particles", [1, 3])
@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_the_discrepancy_is_the_mean_over_pairs_of_rows_and_tells_a_shift(kernel, particles):
    trace, _ = gaussians(60 // particles)
    site = trace.sites["z"]
    site = replace(site, z=site.posterior.rsample((particles,))[:, 0])
    trace = replace(trace, sites={"z": site})
    term = MeanDiscrepancy(kernel).eval()
    noise = RowNoise(trace.batch.x)("prior.z", site.z.shape).clamp(1e-7, 1 - 1e-7)
    draws, z = (values.flatten(0, 1).double().numpy() for values in (from_noise(site.prior, noise), site.z))

    def similar(a, b):
        apart = np.square(a - b).sum()
        scales = 3 * np.array([0.2, 0.5, 1.0, 2.0, 4.0])
        return (np.exp(-apart / scales) if kernel == "rbf" else scales / (scales + apart)).mean()

    def mean(a, b):
        return np.mean([similar(a[i], b[j]) for i in range(60) for j in range(60) if (i - j) % (60 // particles)])

    wanted = mean(z, z) + mean(draws, draws) - 2 * mean(z, draws)
    assert float(term(trace)) == pytest.approx(wanted, abs=1e-5) and torch.equal(term(trace), term(trace))
    shifted = replace(trace, sites={"z": replace(site, z=site.z + 2)})
    assert float(term(shifted)) > 0.2 > float(term(trace)) > -0.05


def test_total_correlation_is_refused_where_it_has_no_meaning(system):
    trace = walked(system)
    deep = replace(trace, sites={"upper": trace.sites["z"], "lower": trace.sites["z"]})
    for term in (TotalCorrelation(), CriticTotalCorrelation(3, (8,))):
        with pytest.raises(InputError, match="of one latent, but this model has upper, lower"):
            term(deep)
    with pytest.raises(InputError, match="give latent=2 or more"):
        CriticTotalCorrelation(1)


def linear() -> VAE:
    torch.manual_seed(3)
    reader = VectorReader((3,), 0, False, Scaled(torch.zeros(1), torch.ones(1)), partial(MLP, hidden=()))
    writer = VectorWriter(2, (), 0, partial(MLP, hidden=()))
    return VAE(Neural(reader, Normal(2)), Standard(2), Neural(writer, LIKELIHOODS["normal"]((3,), scale=0.5)))


def test_the_doubly_reparameterised_gradient_is_the_same_in_expectation_and_steadier():
    model = linear()
    batch = Batch(torch.tensor([[0.5, -1.0, 1.5]]).expand(400, 3))
    names = [n for n, _ in model.named_parameters()]
    draws: dict[bool, list[list[Tensor]]] = {False: [], True: []}
    for doubly, kept in draws.items():
        torch.manual_seed(0)
        for _ in range(150):
            kept.append(torch.autograd.grad(ImportanceBound(4, doubly)(model(batch, from_posterior(4))).mean(), list(model.parameters())))
    for i, name in enumerate(names):
        plain, other = (torch.stack([d[i] for d in draws[doubly]]) for doubly in (False, True))
        error = (plain.var(0) / 150 + other.var(0) / 150).sqrt()
        assert bool(((plain.mean(0) - other.mean(0)).abs() < 5 * error + 1e-6).all()), name
        if name.startswith("posterior"):
            assert other.var(0).sum() < 0.7 * plain.var(0).sum(), name
        else:
            torch.testing.assert_close(other, plain)


def test_one_backward_serves_both_sides_and_each_touches_only_its_own():
    system, feed = made("real")
    critic, batch = Critic(), held_out(feed)
    step = Step(system.model, Objective(Reconstruction(), KL(), critic))

    def gradients(of: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Tensor]:
        torch.manual_seed(0)
        step.zero_grad()
        loss, opponent, _, _ = step(batch)
        of(loss, opponent).backward()
        return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in step.named_parameters()}

    both, loss, opponent = gradients(lambda a, b: a + b), gradients(lambda a, b: a), gradients(lambda a, b: b)
    for name, gradient in both.items():
        own = name.startswith("objective.")
        assert (loss if own else opponent)[name].abs().max() == 0, f"{name} is moved by the other side"
        torch.testing.assert_close(gradient, (opponent if own else loss)[name])
        assert gradient.abs().max() > 0, name
    without = Step(system.model, Objective(Reconstruction(), KL()))
    assert without(batch)[1] is None
    plain = torch.autograd.grad(without(batch)[0], list(system.model.likelihood.parameters()))
    assert any(not torch.equal(p, both[f"model.likelihood.{n}"]) for p, (n, _) in zip(plain, system.model.likelihood.named_parameters()))


def test_particles_weights_are_used():
    trace = walked(made("real"))
    uneven = replace(trace, weight=torch.tensor([0.7, 0.2, 0.1]).unsqueeze(1).expand(3, 32))
    wanted = (torch.tensor([0.7, 0.2, 0.1])[:, None] * -trace.log_likelihood).sum(0).mean()
    torch.testing.assert_close(Objective(Reconstruction())(uneven)[0], wanted)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KL(free_bits=-1), "free_bits must be a number of 0 or more"),
        (lambda: KL(free_bits=math.nan), "free_bits must be finite and a number of 0 or more"),
        (lambda: KL(weight=math.nan), "finite number"),
        (lambda: KL(capacity="much"), "capacity must be a number of 0 or more or a schedule"),
        (lambda: ImportanceBound(0), "particles must be a whole number of 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_an_objective_needs_terms_of_different_names():
    for terms in ((), (KL(), KL())):
        with pytest.raises(ValueError, match="different names"):
            Objective(*terms)


def test_a_point_has_no_bound_and_says_so():
    system, feed = made("real", "autoencoder")
    trace = system.model(held_out(feed), from_posterior())
    loss, readings = system.stages[0].objective(trace)
    assert set(readings) == {"distortion"} and bool(torch.isfinite(loss))
    for ask in (trace.log_weight, lambda: ImportanceBound(1)(trace)):
        with pytest.raises(TypeError, match="no density"):
            ask()


@pytest.mark.parametrize("capacity", [-3.0, Linear(0.0, -3.0), {"recipe": "linear", "arguments": {"start": -1.0}}])
def test_a_negative_capacity_is_refused(capacity):
    with pytest.raises(InputError, match="capacity must be a number of 0 or more"):
        KL(capacity=capacity)
