"""Laws of hierarchies: what several levels add, and that one level adds nothing."""

from dataclasses import replace

import pytest
import torch
from systems import held_out, made
from test_models import ladder, x_of
from torch import Tensor, nn

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, fixed, from_posterior, from_prior
from vaekit.core.conditional import Neural
from vaekit.core.noise import RowNoise
from vaekit.models import VAE
from vaekit.parts.networks import BlockStyle, Scaled, grid_pyramid
from vaekit.parts.objectives import KL
from vaekit.training import Settings, fit


class Read(nn.Module):
    """The way up of a ladder of one level, as a reader of a plain VAE."""

    def __init__(self, up: nn.Module, meet: nn.Module):
        super().__init__()
        self.up, self.meet, self.width = up, meet, meet.width

    def forward(self, *evidence: Tensor | None) -> Tensor:
        return self.meet(self.up(*evidence)[0], None)


class Written(nn.Module):
    """The way down of a ladder of one level, as a writer of a plain VAE."""

    def __init__(self, below: nn.Module, writer: nn.Module):
        super().__init__()
        self.below, self.writer, self.width = below, writer, writer.width

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.writer(self.below(None, z, condition), condition)


@pytest.mark.parametrize("name", ["real", "convolved"])
@pytest.mark.parametrize("condition", [False, True])
def test_one_level_is_a_plain_vae_of_the_same_networks(name, condition):
    system, feed = made(name, "ladder_vae", condition, levels=1)
    one, batch = system.model.eval(), held_out(feed)
    level = one.levels[0]
    posterior = Neural(Read(one.reader, level.posterior.away.network), level.posterior.away.family, level.posterior.away.head)
    likelihood = Neural(Written(level.below, one.likelihood.network), one.likelihood.family, one.likelihood.head)
    plain = VAE(posterior, level.prior, likelihood)
    noise = RowNoise(batch.x)
    found = one(batch, from_posterior(3, noise)).sites["level1"]
    wanted = plain(batch, fixed({"z": found.z}, centre()))
    mine = one(batch, fixed({"level1": found.z}, centre()))
    torch.testing.assert_close(found.kl(), wanted.sites["z"].kl())
    torch.testing.assert_close(found.kl_by_dimension(), wanted.sites["z"].kl_by_dimension())
    torch.testing.assert_close(mine.log_weight(), wanted.log_weight())
    torch.testing.assert_close(mine.elbo(), wanted.elbo())


def test_the_importance_estimate_is_the_integral_over_all_levels():
    model, batch = ladder(levels=2, latent=1, columns=1), Batch(x_of()[:1, :1])
    line = torch.linspace(-8, 8, 401)
    z = {name: grid.reshape(-1, 1, 1) for name, grid in zip(("level1", "level2"), torch.meshgrid(line, line, indexing="ij"))}
    with torch.no_grad():
        trace = model(batch, fixed(z, centre()))
        joint = trace.log_likelihood + sum(site.prior.log_prob(site.z) for site in trace.sites.values())
        integral = joint.double().logsumexp(0) + 2 * torch.log(line[1] - line[0]).double()
        torch.manual_seed(0)
        drawn = model(batch, from_posterior(100_000)).log_weight().double()
    estimate = drawn.logsumexp(0) - torch.tensor(len(drawn)).double().log()
    torch.testing.assert_close(estimate, integral, rtol=0, atol=0.02)


def test_a_posterior_that_changes_nothing_is_its_prior():
    model, batch = ladder(levels=3), Batch(x_of())
    for level in model.levels:
        nn.init.zeros_(level.posterior.away.head.weight)
        nn.init.zeros_(level.posterior.away.head.bias)
    trace = model(batch, from_posterior(4))
    for site in trace.sites.values():
        assert site.kl().abs().max() < 1e-6 and site.log_ratio().abs().max() < 1e-5
    assert trace.sites["level2"].prior.mean.std() > 0.01, "the lower priors must depend on what was decided above"


def test_the_rate_is_that_of_how_far_a_posterior_is_from_its_prior():
    """KL(q || N(n, t^2)) = (s^2 + d^2 / t^2 - 1) / 2 - log s wherever the prior's mean n lies."""
    model, batch = ladder(levels=2), Batch(x_of())
    trace = model(batch, from_posterior(5))
    seen = model.reader(*batch.evidence)
    h = model.levels[0].below(None, trace.sites["level1"].z, None)
    change = model.levels[1].posterior.away(seen[1], h)
    distance = change.mean / trace.sites["level2"].prior.stddev
    wanted = (0.5 * (change.variance + distance.square() - 1) - change.stddev.log()).sum(-1)
    torch.testing.assert_close(trace.sites["level2"].kl(), wanted, rtol=1e-4, atol=1e-5)


def test_the_top_may_speak_first():
    system, feed = made("real", "ladder_vae", levels=3, top_first=0.5)
    objective, trace = system.stages[0].objective, system.model(held_out(feed), from_posterior())
    kls = [site.kl().mean() for site in trace.sites.values()]
    for progress, weights in ((0.0, (0.0, 0.5, 1.0)), (0.25, (0.5, 0.75, 1.0)), (0.5, (1.0, 1.0, 1.0))):
        objective.advance(progress)
        wanted = -trace.log_likelihood.mean() + sum(w * kl for w, kl in zip(weights, kls, strict=True))
        torch.testing.assert_close(objective(trace)[0], wanted)


@pytest.mark.parametrize("bottleneck", [1.0, 0.5])
@pytest.mark.parametrize(("levels", "grids", "last"), [
    (1, [(4, 3)], (4, 3)), (2, [(4, 3), (7, 5)], (7, 5)), (3, [(4, 3), (7, 5), (14, 10)], (14, 10)),
    (5, [(4, 3), (4, 3), (7, 5), (7, 5), (14, 10)], (14, 10)),
])
def test_levels_are_spread_over_the_grids_from_the_coarsest_on(levels, grids, last, bottleneck):
    embedding = Scaled(torch.zeros(1), torch.ones(1))
    built = grid_pyramid((28, 20, 1), levels, 3, 0, False, embedding, (4, 6, 8), BlockStyle(bottleneck=bottleneck))
    assert list(built.grids) == grids and built.positions == last and built.width == {4: 8, 7: 6, 14: 4}[last[0]]
    seen, h = built.up(torch.randn(1, 2, 28, 20, 1), None, None), None
    for features, meet, below, grid in zip(seen, built.meet, built.below, grids, strict=True):
        assert features.shape[2:4] == grid and meet(features, h).shape[2:4] == grid
        h = below(h, torch.randn(2, 2, *grid, 3), None)
    assert h.shape == (2, 2, *last, built.width)


def test_what_the_top_decides_reaches_the_data_through_every_level():
    system, feed = made("convolved", "ladder_vae", levels=3)
    model, empty = system.model.eval(), held_out(feed).without_x()
    with torch.no_grad():
        torch.manual_seed(0)
        drawn = {name: site.z for name, site in model(empty, from_prior()).sites.items()}
        for name in drawn:
            moved = model(empty, fixed({**drawn, name: drawn[name] + 1}, centre())).likelihood.mean
            assert not torch.allclose(moved, model(empty, fixed(drawn, centre())).likelihood.mean)


def test_free_bits_of_a_grid_are_free_bits_of_its_channels():
    system, feed = made("convolved", "ladder_vae", levels=2, network="convolution")
    trace = system.model(held_out(feed), from_posterior())
    wanted = [site.kl_by_dimension()[0].sum((1, 2)).mean(0).clamp(min=0.7).sum() for site in trace.sites.values()]
    torch.testing.assert_close(KL(free_bits=0.7)(trace), torch.stack(wanted).sum())


@pytest.mark.parametrize("particles", [1, 3])
def test_the_way_up_is_walked_once_whatever_the_particles(particles):
    system, feed = made("convolved", "ladder_vae")
    seen: list[int] = []
    for part in system.model.levels:
        part.posterior.away.network.seen.register_forward_hook(lambda m, given, out: seen.append(out.shape[0]))
    system.model(held_out(feed), from_posterior(particles)).elbo()
    assert seen == [32] * len(system.model.levels)


def test_a_ladder_of_bottlenecks_learns_and_hears_its_condition():
    system, feed = made("convolved", "ladder_vae", condition=True, levels=2, channels=(8, 16), bottleneck=0.5, dropout=0.1)
    history = fit(system, feed, Settings(epochs=6, batch=32, rate=5e-3, validations=2, average=0, compile=False, precision="32"))
    first, last = (measured.held_out["elbo"] for measured in (history.validations[0], history.validations[-1]))
    assert last < first
    model, batch = system.model.eval(), held_out(feed)
    with torch.no_grad():
        told, otherwise = (model(replace(batch, condition=c), from_posterior(1, RowNoise(batch.x))).elbo() for c in
                           (batch.condition, batch.condition.flip(0)))
    assert bool((told != otherwise).any())
    within = [m for part in (model.reader, model.levels) for m in part.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    # What halves a grid is as wide as the grid; all else that looks about is narrow.
    assert {(m.in_channels, m.out_channels) for m in within if m.stride == (1, 1)} == {(4, 4), (8, 8)}


def test_each_level_has_a_reading_of_its_own():
    system, feed = made("real", "ladder_vae", levels=3)
    _, readings = system.stages[0].objective(system.model(held_out(feed), from_posterior()))
    kls = [readings[f"kl.level{place}"] for place in (1, 2, 3)]
    torch.testing.assert_close(torch.stack(kls).sum(), readings["rate"])


