"""A borrowed module has one owner, through copies, weights files, moves and training."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vaekit.core.batch import Batch
from vaekit.core.borrowed import Borrowed
from vaekit.core.choose import from_posterior
from vaekit.core.conditional import Conditional, Neural
from vaekit.models.vae import VAE
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.networks import MLP
from vaekit.parts.posteriors import Normal as NormalPosterior


class _Reader(nn.Module):
    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.layers = MLP(4, [3])

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        return self.layers(x)


class _OnePseudoInput(Conditional):
    """The posterior at one input that is learnt: the smallest prior that borrows."""

    def __init__(self, posterior: Conditional):
        super().__init__()
        self.posterior = Borrowed(posterior)
        self.pseudo_input = nn.Parameter(torch.ones(1, 1, 4))

    def forward(self, *given: Tensor | None) -> Distribution:
        return self.posterior(self.pseudo_input, None, None)


@pytest.fixture
def vae() -> VAE:
    torch.manual_seed(0)
    posterior = Neural(_Reader(), NormalPosterior(2))
    return VAE(posterior, _OnePseudoInput(posterior), Neural(MLP(2, [3]), LIKELIHOODS["normal"]((4,))))


def _mean(d: Distribution) -> Tensor:
    assert isinstance(d, Independent) and isinstance(d.base_dist, Normal)
    return d.base_dist.loc


def test_weights_and_names_stand_once(vae: VAE) -> None:
    names = list(vae.state_dict())
    assert [n for n in names if n.startswith("prior.")] == ["prior.pseudo_input"]
    assert sum(p is vae.posterior.head.weight for p in vae.parameters()) == 1


def test_a_copy_borrows_from_the_copy(vae: VAE) -> None:
    twin = copy.deepcopy(vae)
    assert twin.prior.posterior.module is twin.posterior
    before = _mean(vae.prior()).clone()
    with torch.no_grad():
        twin.posterior.head.bias.add_(1.0)
    torch.testing.assert_close(_mean(vae.prior()), before)
    assert (_mean(twin.prior()) - before).abs().min() > 0.5


def test_a_move_is_seen_by_the_borrower(vae: VAE) -> None:
    vae.double()
    assert _mean(vae.prior()).dtype == torch.float32 and vae.prior.posterior.module.head.weight.dtype == torch.float64


def test_gradient_reaches_the_owner_through_the_borrower(vae: VAE) -> None:
    trace = vae(Batch(torch.randn(5, 4)), from_posterior())
    # KL(q || q at the pseudo-input) by torch's own rule, row by row.
    site = trace.sites["z"]
    expected = torch.distributions.kl_divergence(site.posterior.base_dist, site.prior.base_dist).sum(-1)
    torch.testing.assert_close(site.kl(), expected)
    torch.autograd.grad(_mean(vae.prior()).sum(), [vae.posterior.head.bias, vae.prior.pseudo_input])


def test_only_an_owned_module_is_lent(vae: VAE) -> None:
    with pytest.raises(TypeError, match="not Borrowed"):
        Borrowed(vae.prior.posterior)
    assert repr(vae.prior.posterior) == "Borrowed(Neural)"
