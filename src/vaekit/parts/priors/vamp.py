r"""p(z|c) = (1/K) sum_k q(z|u_k, c): a mixture of the posteriors of K learned pseudo-inputs u.

The prior that maximises the bound is the aggregate posterior; this one is its shape with K rows in place of all. It begins as that: the
pseudo-inputs are rows of the data, which the first batch gives, and noise that tells apart those that a small batch gives twice.
A walk costs K rows of the encoder more, and with a condition K for each row.
(Tomczak, Welling 2018, arXiv:1705.07120)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.declared import Count, conform
from vaekit.core.errors import InputError
from vaekit.core.learned import Begins
from vaekit.core.trace import Trace
from vaekit.parts.distributions import NormalMixture

__all__ = ["Vamp"]


_NOISE = 0.1


class Vamp(Conditional, Begins):
    """The variational mixture of posteriors.

    Arguments:
        posterior: q(z|x, c); borrowed. Its network has `trunk`, which reads rows that are embedded.
        embedded: shape of an embedded row: pseudo-inputs live there, so that codes and counts have gradients too.
        pseudo_inputs: K.

    Raises:
        InputError: where there is not at least one pseudo-input; in a walk, where the posterior is not a diagonal normal.
    """

    def __init__(self, posterior: Neural, embedded: Sequence[int], pseudo_inputs: Count = 500):
        super().__init__()
        conform("pseudo_inputs", pseudo_inputs, Count)
        self.posterior = Borrowed(posterior)
        # An embedded value is about one in size.
        self.pseudo_inputs = nn.Parameter(torch.randn(pseudo_inputs, 1, *embedded))

    def forward(self, *given: Tensor | None) -> Distribution:
        """The mixture, batch shape `(1, B or 1)`, event `(*positions, latent)`."""
        posterior, condition = self.posterior.module, given[0]
        rows = 1 if condition is None else condition.shape[1]
        found = posterior.read(posterior.network.trunk(self._repeated(rows), condition))  # type: ignore[operator]
        if not isinstance(found, Independent) or not isinstance(found.base_dist, Normal):
            raise InputError(f"a mixture of posteriors needs normal ones, not {type(found).__name__}: use the standard prior")
        # (K, B, *event) -> (1, B, K, *event): the components are the last of the batch's axes.
        location, scale = (values.movedim(0, 1).unsqueeze(0) for values in (found.base_dist.loc, found.base_dist.scale))
        return NormalMixture(location, scale)

    def start(self, trace: Trace) -> None:
        """Take the rows of the first batch, in turn, as pseudo-inputs."""
        x, observed, _ = trace.batch.evidence
        rows = self.posterior.module.network.embed(x, observed)[0]  # type: ignore[operator]
        inputs = self.pseudo_inputs[:, 0]
        inputs.copy_(rows[torch.arange(len(inputs), device=rows.device) % len(rows)] + _NOISE * torch.randn_like(inputs))

    def _repeated(self, rows: int) -> Tensor:
        """Each pseudo-input for each row's condition, `(K, rows, *embedded)`."""
        # A copy: torch's counter of operations cannot follow a parameter through views where no gradient is kept.
        return self.pseudo_inputs.clone().expand(-1, rows, *self.pseudo_inputs.shape[2:])
