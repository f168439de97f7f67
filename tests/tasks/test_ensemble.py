"""Several systems as one: the parts of the variance against closed forms, the mixture's score, and latents that are not mixed."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, Independent, Normal

from vaekit.core.conditional import Conditional
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.core.system import System
from vaekit.modalities import Vector
from vaekit.models import VAE
from vaekit.parts.priors import Standard
from vaekit.tasks import encode, encode_together, reconstruct_together, score, score_together
from vaekit.tasks.ensemble import alignment

ROWS, SPREAD, NOISE = 40, 0.5, 0.3
RAW = np.random.default_rng(0).normal([5, -1], [10, 0.1], (ROWS, 2))


class Straight(Conditional):
    """Normal around an affine map of its first given, with a spread that is known."""

    def __init__(self, shift: float, spread: float, latent: bool):
        super().__init__()
        self.shift, self.spread, self.latent = shift, spread, latent

    def forward(self, *given):
        around = Normal(given[0] + self.shift, torch.full((), self.spread).expand_as(given[0]))
        return Independent(around, 1) if self.latent else around


def members(shifts: list[float], spread: float = SPREAD) -> tuple[list[System], dict[str, torch.Tensor]]:
    modality = Vector().fit(Records(RAW))
    systems = [System(VAE(Straight(0, spread, True), Standard(2), Straight(s, NOISE, False)), [], modality) for s in shifts]
    return systems, modality.store(Records(RAW))


def test_the_parts_of_the_variance_are_those_that_were_put_in():
    shifts = [-1.0, 0.0, 0.4, 1.2]
    systems, rows = members(shifts)
    found = reconstruct_together(systems, rows, draws=4000)
    scale = RAW.std(0)
    assert np.allclose(found.mean, RAW + np.mean(shifts) * scale, atol=0.03 * scale.max())
    assert np.allclose(found.between / scale, np.std(shifts, ddof=1), atol=0.03)
    assert np.allclose(found.posterior / scale, SPREAD, atol=0.03) and np.allclose(found.noise / scale, NOISE, atol=0.03)
    epistemic = np.var(shifts, ddof=1)
    assert np.allclose(found.share, epistemic / (epistemic + SPREAD**2 + NOISE**2), atol=0.03)


def test_equal_members_do_not_disagree_however_few_their_draws():
    systems, rows = members([0.0] * 12)
    found = reconstruct_together(systems, rows, draws=4)
    # The members' means of four draws each differ by SPREAD / 2, which is what few draws do and no disagreement.
    assert np.square(found.between / RAW.std(0)).mean() < 0.3 * SPREAD**2 / 4 and found.share.mean() < 0.05


def test_the_score_is_that_of_the_mixture_and_no_member_s():
    systems, rows = members([-0.5, 0.8, 0.0])
    found = score_together(systems, rows, particles=3000)
    x, scale = (RAW - RAW.mean(0)) / RAW.std(0), RAW.std(0)
    known = np.stack([stats.norm(s, np.hypot(1, NOISE)).logpdf(x).sum(1) - np.log(scale).sum() for s in (-0.5, 0.8, 0.0)])
    assert np.abs(found.members - known).max() < 0.3
    assert np.abs(found.nats - (np.log(np.exp(known).mean(0)))).max() < 0.3
    assert np.abs(found.between - known.std(0, ddof=1)).max() < 0.3 and (found.within < 0.2).all()
    assert np.array_equal(found.members[1], score(systems[1], rows, 3000).nats)
    assert np.allclose(found.bits_per_dimension, -found.nats / 2 / np.log(2))
    fewer = score_together(systems, rows, particles=5)
    assert fewer.within.mean() > found.within.mean()


def test_latents_are_told_by_member_with_how_alike_their_spaces_are():
    systems, rows = members([0.0, 1.0])
    found = encode_together(systems, rows)
    assert found.mean.shape == found.spread.shape == found.sample.shape == (2, ROWS, 2) and np.allclose(found.spread, SPREAD)
    assert np.array_equal(found.mean[1], encode(systems[1], rows).mean) and np.allclose(found.agreement, 1)


def test_alignment_sees_through_rotations_and_scales_alone():
    random = np.random.default_rng(1)
    a = random.normal(size=(200, 3)) * [1, 2, 3]
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert alignment(a, 4 * a @ turn + 7) == pytest.approx(1)
    assert alignment(a, random.normal(size=(200, 5))) < 0.1
    assert np.isnan(alignment(a, np.ones((200, 2))))


def test_what_is_no_ensemble_or_has_no_mean_is_refused():
    systems, rows = members([0.0, 1.0])
    for verb in (encode_together, reconstruct_together, score_together):
        with pytest.raises(InputError, match="2 members or more, not 1"):
            verb(systems[:1], rows)
    with pytest.raises(InputError, match="draws must be 2 or more"):
        reconstruct_together(systems, rows, draws=1)

    class Classes(Conditional):
        def forward(self, *given):
            return Categorical(logits=given[0].unsqueeze(-1) * torch.arange(3.0))

    classes = [System(VAE(Straight(0, 1, True), Standard(2), Classes()), [], s.modality) for s in systems]
    with pytest.raises(InputError, match="classes have no mean"):
        reconstruct_together(classes, rows)
