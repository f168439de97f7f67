r"""How far the aggregate posterior is from the prior, by their draws alone: the maximum mean discrepancy.

    MMD^2(q, p) = E k(z, z') - 2 E k(z, u) + E k(u, u'),   z, z' ~ q(z),  u, u' ~ p(z)          (Gretton et al. 2012)
    rbf  k(a, b) = exp(-|a - b|^2 / s d)          imq  k(a, b) = s d / (s d + |a - b|^2),   d dimensions, mean over scales s

The estimate pairs draws of different rows alone, since those of one row are not two draws of q(z): so it is unbiased, for any number of
particles and under a condition too, and may be negative. Needs no density of the posterior.
(Zhao, Song, Ermon 2019, arXiv:1706.02262; the inverse multiquadratic's scales: Tolstikhin et al. 2018, arXiv:1711.01558)
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from vaekit.core.declared import conform
from vaekit.core.dispatch import from_noise
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Term
from vaekit.core.schedule import Weight
from vaekit.core.trace import Site, Trace
from vaekit.parts.objectives.draws import needs_draws

__all__ = ["Kernel", "MeanDiscrepancy"]

Kernel = Literal["imq", "rbf"]

_SCALES = (0.2, 0.5, 1.0, 2.0, 4.0)


class MeanDiscrepancy(Term):
    """MMD^2 of the draws of the batch's rows and as many from the prior, `()`; uses the rows of the batch, on each rank its own.

    Arguments:
        kernel: `imq`, whose tails reach draws far from the prior, or `rbf`.
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where the kernel is unknown.
    """

    def __init__(self, kernel: Kernel = "imq", weight: Weight = 1.0):
        super().__init__("discrepancy", weight)
        conform("kernel", kernel, Kernel)
        self.kernel: Callable[[Tensor, float], Tensor] = {"imq": _inverse_multiquadratic, "rbf": _gaussian}[kernel]

    def forward(self, trace: Trace) -> Tensor:
        """The squared discrepancy, summed over the sites, `()`.

        Raises:
            InputError: where particles are states of a class, each with a weight.
        """
        needs_draws(self, trace)
        return torch.stack([self._of(name, site, trace) for name, site in trace.sites.items()]).sum()

    def _of(self, name: str, site: Site, trace: Trace) -> Tensor:
        # While measuring, draws belong to rows: two measurements differ by the weights alone.
        noise = torch.rand_like(site.z) if self.training else RowNoise(trace.batch.x)(f"prior.{name}", site.z.shape)  # type: ignore[arg-type]
        wanted = from_noise(site.prior, noise.clamp(1e-7, 1 - 1e-7)).expand_as(site.z)
        found, wanted = (values.flatten(2).float() for values in (site.z, wanted))
        return self._similar(found, found) + self._similar(wanted, wanted) - 2 * self._similar(found, wanted)

    def _similar(self, a: Tensor, b: Tensor) -> Tensor:
        """The kernel's mean over pairs of draws, `(S, B, d)` each, of different rows; 0 where there is one row."""
        draws, rows = a.shape[:2]
        kernel = self._kernel(a.flatten(0, 1), b.flatten(0, 1)).unflatten(1, (draws, rows)).unflatten(0, (draws, rows))
        alike = kernel.diagonal(dim1=1, dim2=3)
        return (kernel.sum() - alike.sum()) / max(draws**2 * rows * (rows - 1), 1)

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """The kernel of every pair, `(draws of a, draws of b)`."""
        # In bf16, the difference of large squares would be lost.
        with torch.autocast(a.device.type, enabled=False):
            apart = (a.square().sum(-1)[:, None] + b.square().sum(-1) - 2 * a @ b.T).clamp(min=0)
        return torch.stack([self.kernel(apart, scale * a.shape[-1]) for scale in _SCALES]).mean(0)


def _gaussian(apart: Tensor, scale: float) -> Tensor:
    return torch.exp(-apart / scale)


def _inverse_multiquadratic(apart: Tensor, scale: float) -> Tensor:
    return scale / (scale + apart)
