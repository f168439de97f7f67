r"""Invertible maps whose Jacobian is triangular, made of the transforms of the `zuko` library (the `flows` extra).

    y_d = f(x_d; theta_d(x_<d, c)),   log |det dy/dx| = sum_d log f'(x_d)
    affine  f(x) = exp(a) x + b                                             (Kingma et al. 2016, arXiv:1606.04934, eq. 10)
    spline  f = a monotonic rational-quadratic spline on [-5, 5], the identity elsewhere   (Durkan et al. 2019, arXiv:1906.04032)

Autoregressive: theta comes from a masked network, one pass for all d; the way back, x from y, takes up to D passes. Coupling: half of the
dimensions stay and say how the others are moved; both directions are one pass. The last layer starts at zero, so each map starts as the
identity.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import log
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from vaekit.core.errors import InputError

__all__ = ["Backwards", "Steps", "affine_flow", "coupling_spline_flow", "spline_flow"]

# Numbers of a spline of 8 bins: widths, heights, and the slopes between them.
_SPLINE = (8, 8, 7)
# It reaches from -5 to 5, and no slope of a knot is below this or above its inverse.
_BOUND, _FLATTEST = 5.0, 1e-3
_CLOSE = 1e-6
# Values by row and network that are inverted at a time, where no gradient is kept.
_ROWS = 1 << 16


def _zuko() -> ModuleType:
    """The library of transforms.

    Raises:
        InputError: where it is not installed.
    """
    try:
        import zuko
    except ImportError as error:
        raise InputError("this needs the `flows` extra: pip install 'vaekit[flows]'") from error
    return zuko


@cache
def _spline() -> type:
    """The library's rational-quadratic spline, with its knots placed by a matrix product.

    The library sums widths up with `cumsum`. Compiled for a processor by torch 2.13, the gradient of a running sum after a softmax is off
    by half of its size, and nothing says so; that of a product is right.
    """
    spline = _zuko().transforms.MonotonicRQSTransform

    class Spline(spline):  # type: ignore[misc, valid-type]
        def __init__(self, widths: Tensor, heights: Tensor, slopes: Tensor):
            Transform.__init__(self)
            self.horizontal, self.vertical = _knots(widths), _knots(heights)
            self.derivatives = nn.functional.pad(_limited(slopes, 1.0), (1, 1)).exp()

    return Spline


class _Splined:
    """A spline of its numbers.

    The class that it makes has no name by which another process could find it: sent there, this makes it anew.
    """

    def __init__(self) -> None:
        self.kind = _spline()

    def __call__(self, widths: Tensor, heights: Tensor, slopes: Tensor) -> Any:
        """The transform."""
        return self.kind(widths, heights, slopes)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return _Splined, ()


def _knots(sizes: Tensor) -> Tensor:
    """Ends of the bins, `(..., K + 1)`, from the first to the last of the interval."""
    shares = nn.functional.softmax(_limited(sizes, 2.0), dim=-1)
    count = sizes.shape[-1]
    return _BOUND * (2 * shares @ shares.new_ones(count, count + 1).triu(1) - 1)


def _limited(numbers: Tensor, steepness: float) -> Tensor:
    """u / (1 + |a u / log l|): between +-log(l) / a, and about u near zero."""
    return numbers / (1 + (steepness * numbers / log(_FLATTEST)).abs())


class Steps(nn.Module):
    """Maps one after another, all cheap forwards.

    Arguments:
        steps: each maps `(value, context, backwards)` to an image and log |det|.
    """

    def __init__(self, steps: Sequence[nn.Module]):
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """The image `(S, B, D)` and log |det|, `(S, B)`, of either direction."""
        if not backwards or torch.is_grad_enabled():
            return self._through(value, context, backwards)
        # In pieces: rows that meet every particle make the networks hold the product of both.
        rows = 1 if context is None else context.shape[-2]
        parts = value.split(max(_ROWS // max(rows, value.shape[-2]), 1))
        own = context is not None and context.dim() == value.dim() and len(context) == len(value)
        contexts = context.split(len(parts[0])) if own else [context] * len(parts)  # type: ignore[union-attr]
        images, log_dets = zip(*(self._through(part, given, backwards) for part, given in zip(parts, contexts)))
        return torch.cat(images), torch.cat(log_dets)

    def _through(self, value: Tensor, context: Tensor | None, backwards: bool) -> tuple[Tensor, Tensor]:
        if context is not None:
            # The value for each row of the context: the library's own maps expect as many of both.
            value = value.expand(*torch.broadcast_shapes(value.shape[:-1], context.shape[:-1]), -1)
        total = torch.zeros((), dtype=value.dtype, device=value.device)
        for step in reversed(self.steps) if backwards else self.steps:
            value, log_det = step(value, context, backwards)
            total = total + log_det
        return value, total


class _Autoregressive(nn.Module):
    """One map of each dimension given those before it, in an order.

    Arguments:
        order: place of each dimension.
        context: numbers of the context; 0 = none.
        hidden: widths of the masked network.
        univariate: makes f of its numbers.
        shapes: of those numbers.
    """

    def __init__(
        self, order: Tensor, context: int, hidden: Sequence[int], univariate: Callable[..., Any], shapes: Sequence[Sequence[int]]
    ):
        super().__init__()
        self.step = _zuko().flows.MaskedAutoregressiveTransform(
            len(order), context, order=order, univariate=univariate, shapes=shapes, hidden_features=hidden, activation=nn.SiLU
        )
        # One dimension without a context has numbers of its own in place of a network.
        _silence(self.step.hyper[-1] if len(order) > 1 or context else self.step)

    def forward(self, value: Tensor, context: Tensor | None, backwards: bool) -> tuple[Tensor, Tensor]:
        made = self.step(context)
        if not backwards:
            return made.call_and_ladj(value)
        found = _solved(made, value)
        return found, -made.call_and_ladj(found)[1]


def _solved(made: Any, y: Tensor) -> Tensor:
    """x with T(x) = y: after k passes the first k dimensions are right, and most values stand still long before the last pass."""
    if not isinstance(made, _zuko().transforms.AutoregressiveTransform):
        return made.inv(y)
    x = torch.zeros_like(y)
    for _ in range(made.passes):
        before, x = x, made.meta(x).inv(y)
        # With a gradient, all passes: it goes back through each of them.
        if not torch.is_grad_enabled() and bool(((x - before).abs() <= _CLOSE * (1 + x.abs())).all()):
            break
    return x


class _Coupling(nn.Module):
    """One map of half of the dimensions given the other half, which stays.

    Arguments:
        order: the dimensions, those that stay first.
        context: numbers of the context; 0 = none.
        hidden: widths of the network.
        univariate: makes f of its numbers.
        sizes: how many of each of those numbers.
    """

    order: Tensor
    back: Tensor

    def __init__(self, order: Tensor, context: int, hidden: Sequence[int], univariate: Callable[..., Any], sizes: Sequence[int]):
        super().__init__()
        self.kept = len(order) // 2
        self.univariate, self.sizes = univariate, list(sizes)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)
        moved = len(order) - self.kept
        self.network = _zuko().nn.MLP(self.kept + context, moved * sum(sizes), hidden_features=hidden, activation=nn.SiLU)
        _silence(self.network[-1])

    def forward(self, value: Tensor, context: Tensor | None, backwards: bool) -> tuple[Tensor, Tensor]:
        kept, moved = value.index_select(-1, self.order).tensor_split([self.kept], dim=-1)
        told = kept if context is None else torch.cat([kept, context.expand(*kept.shape[:-1], -1)], dim=-1)
        numbers = self.network(told).unflatten(-1, (moved.shape[-1], -1)).split(self.sizes, dim=-1)
        made = self.univariate(*numbers)
        if backwards:
            moved = made.inv(moved)
            log_det = -made.call_and_ladj(moved)[1]
        else:
            moved, log_det = made.call_and_ladj(moved)
        return torch.cat([kept, moved], dim=-1).index_select(-1, self.back), log_det.sum(-1)


def _silence(layer: nn.Module) -> None:
    """A last layer that says nothing yet."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Backwards(nn.Module):
    """Steps that are cheap backwards: what has to be judged is judged in one pass, and what is drawn takes several.

    Arguments:
        steps: cheap forwards.
    """

    def __init__(self, steps: Steps):
        super().__init__()
        self.steps = steps

    def forward(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """The image `(S, B, D)` and log |det|, `(S, B)`, of either direction."""
        return self.steps(value, context, not backwards)


def _turned(latent: int, steps: int) -> list[Tensor]:
    """The dimensions in order, then backwards, and so on: the last of one step is the first of the next."""
    forwards = torch.arange(latent)
    return [forwards.flip(0) if step % 2 else forwards for step in range(steps)]


def _shuffled(latent: int, steps: int) -> list[Tensor]:
    """An order for each step, the same in every process: of two steps, the second moves what the first kept, and each two halve anew."""
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(latent, generator=generator) for _ in range((steps + 1) // 2)]
    return [orders[step // 2].flip(0) if step % 2 else orders[step // 2] for step in range(steps)]


def affine_flow(latent: int, context: int = 0, steps: int = 4, hidden: Sequence[int] = (128,)) -> Steps:
    """Autoregressive affine maps.

    Arguments:
        latent: dimensions D.
        context: numbers of the context; 0 = none.
        steps: how many maps.
        hidden: widths of each map's network.

    Raises:
        InputError: where the `flows` extra is not installed.
    """
    affine = _zuko().transforms.MonotonicAffineTransform
    return Steps([_Autoregressive(order, context, hidden, affine, ((), ())) for order in _turned(latent, steps)])


def spline_flow(latent: int, context: int = 0, steps: int = 2, hidden: Sequence[int] = (128,)) -> Steps:
    """Autoregressive rational-quadratic splines of 8 bins.

    Arguments:
        latent: dimensions D.
        context: numbers of the context; 0 = none.
        steps: how many maps.
        hidden: widths of each map's network.

    Raises:
        InputError: where the `flows` extra is not installed.
    """
    shapes = [(size,) for size in _SPLINE]
    return Steps([_Autoregressive(order, context, hidden, _Splined(), shapes) for order in _turned(latent, steps)])


def coupling_spline_flow(latent: int, context: int = 0, steps: int = 4, hidden: Sequence[int] = (128,)) -> Steps:
    """Couplings by rational-quadratic splines: half of the dimensions given the other half; the way back is one pass too.

    Arguments:
        latent: dimensions D; one alone has no halves, and is moved by itself.
        context: numbers of the context; 0 = none.
        steps: how many maps.
        hidden: widths of each map's network.

    Raises:
        InputError: where the `flows` extra is not installed.
    """
    if latent == 1:
        return spline_flow(latent, context, steps, hidden)
    return Steps([_Coupling(order, context, hidden, _Splined(), _SPLINE) for order in _shuffled(latent, steps)])
