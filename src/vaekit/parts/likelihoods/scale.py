r"""Where a normal likelihood's scale comes from: four answers, one contract.

Each is a module with `numbers` (how many it needs of the network for each element) and `forward(*raw) -> scale`, which broadcasts
against the location. All but the fixed one keep log s within [-7, 4].
"""

import math

import torch
from torch import Tensor, nn

from vaekit.core.dispatch import centre
from vaekit.core.errors import InputError
from vaekit.core.learned import LearnsFromData
from vaekit.core.trace import Trace, over_event
from vaekit.parts.distributions import soft_clamp

__all__ = ["DimensionScale", "FixedScale", "NetworkScale", "Scale", "SharedScale", "bounded_scale", "scale_from"]

_LOW, _HIGH = -7.0, 4.0


def bounded_scale(raw: Tensor) -> Tensor:
    """exp of the soft-clamped log-scale."""
    return soft_clamp(raw, _LOW, _HIGH).exp()


class Scale(nn.Module):
    """A scale's source.

    Attributes:
        numbers: how many it needs of the network for each element.
    """

    numbers = 0

    def forward(self, *raw: Tensor) -> Tensor:
        """The scale, broadcastable to `(S, B, *positions, *event)`."""
        raise NotImplementedError


class NetworkScale(Scale):
    """One scale an element and row, given by the network."""

    numbers = 1

    def forward(self, *raw: Tensor) -> Tensor:
        """s = exp(clamp(raw))."""
        return bounded_scale(raw[0])


class DimensionScale(Scale):
    """One learned scale an element, the same for all rows: log s = 10 r.

    An optimiser such as Adam moves each parameter by about its rate a step, and a logarithm has units to go where a weight has
    hundredths: without the factor, a short run would end with a noise far wider than its residuals.

    Arguments:
        event: shape of the elements.
    """

    def __init__(self, event: tuple[int, ...]):
        super().__init__()
        self.tenth_of_log_scale = nn.Parameter(torch.zeros(event))

    def forward(self, *raw: Tensor) -> Tensor:
        """s = exp(clamp(10 r))."""
        return bounded_scale(10 * self.tenth_of_log_scale)


class FixedScale(Scale):
    """One constant.

    Arguments:
        scale: s > 0, in units of the model's space.

    Raises:
        InputError: where it is not a positive finite number.
    """

    constant: Tensor

    def __init__(self, scale: float):
        super().__init__()
        if isinstance(scale, bool) or not (math.isfinite(scale) and scale > 0):
            raise InputError(f"a fixed scale must be a positive number, not {scale}")
        self.register_buffer("constant", torch.tensor(float(scale)), persistent=False)

    def forward(self, *raw: Tensor) -> Tensor:
        """s."""
        return self.constant


class SharedScale(Scale, LearnsFromData):
    r"""One scale for all elements and rows, always at its optimum: the mean squared residual of what was seen.

        s^2 = sum_b w_b E_q[sum_i (x_bi - m_bi)^2] / sum_b w_b n_b

    Both sums are exponential moving means, so that their quotient is unbiased from the first step on, when it is that batch's own
    optimum. A forward never changes them. (Rybkin, Daniilidis, Levine 2021, arXiv:2006.13202)

    Arguments:
        momentum: how much of the moving means each step keeps, in [0, 1); 0 = the last batch alone.

    Raises:
        InputError: where the momentum is outside [0, 1).
    """

    log_scale: Tensor
    moments: Tensor

    def __init__(self, momentum: float = 0.9):
        super().__init__()
        if not 0 <= momentum < 1:
            raise InputError(f"a momentum must be in [0, 1), not {momentum}")
        self.momentum = momentum
        self.register_buffer("log_scale", torch.zeros(()))
        self.register_buffer("moments", torch.zeros(2))

    def forward(self, *raw: Tensor) -> Tensor:
        """s."""
        return self.log_scale.exp()

    @torch.no_grad()
    def start(self, trace: Trace) -> None:
        """The optimum for the untrained decoder, so that the first step is not taken at an arbitrary scale."""
        self._set(self.observe(trace))

    @torch.no_grad()
    def observe(self, trace: Trace) -> Tensor:
        """The two sums, `(2,)`: squared residuals and cells. Their means over processes have the same quotient."""
        batch = trace.batch
        if batch.x is None:
            raise ValueError("a shared scale learns from residuals: the batch has no x")
        seen = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
        x = torch.where(seen, batch.x, torch.zeros((), dtype=batch.x.dtype, device=batch.x.device))
        squared = (x - centre(trace.likelihood)).square() * seen
        rows = torch.stack([trace.mean(over_event(squared)), over_event(seen.unsqueeze(0).float()).squeeze(0)])
        return (rows if batch.weight is None else rows * batch.weight).sum(-1)

    @torch.no_grad()
    def after_step(self, observed: Tensor) -> None:
        """Move the means towards a step's sums."""
        self.moments.lerp_(observed, 1 - self.momentum)
        self._set(self.moments)

    @torch.no_grad()
    def settle(self, observed: Tensor) -> None:
        """The optimum for the rows that the sums are of."""
        self.moments.copy_(observed)
        self._set(self.moments)

    def _set(self, moments: Tensor) -> None:
        squares, cells = moments
        # A batch in which nothing was seen says nothing.
        log_scale = 0.5 * (squares / cells).clamp(min=torch.finfo(torch.float32).tiny).log()
        self.log_scale.copy_(torch.where(cells > 0, log_scale.clamp(_LOW, _HIGH), self.log_scale))


def scale_from(choice: str | float, event: tuple[int, ...], momentum: float = 0.9) -> Scale:
    """The source of this name, or a constant.

    Arguments:
        choice: `network`, `dimension`, `shared`, or a positive number.
        event: shape of the elements.
        momentum: of a shared scale.

    Raises:
        InputError: where the choice is none of these.
    """
    if choice == "network":
        return NetworkScale()
    if choice == "dimension":
        return DimensionScale(event)
    if choice == "shared":
        return SharedScale(momentum)
    if isinstance(choice, (int, float)):
        return FixedScale(choice)
    raise InputError(f"scale {choice!r} is unknown: use 'network', 'dimension', 'shared' or a positive number")
