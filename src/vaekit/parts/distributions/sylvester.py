r"""Maps of one hidden layer whose numbers, each row's own, are given whole: triangular Sylvester flows.

    y = x + R tanh(S x + b),   R and S upper triangular,   log |det dy/dx| = sum_d log(1 + r_d s_d tanh'(S x + b)_d)

(van den Berg et al. 2018, arXiv:1803.05649: Sylvester's identity makes the determinant one of D x D, and triangles make that a product.)
r_d s_d > -1 keeps every factor above zero, and the map invertible; every second map reads the dimensions backwards, so that all of them
bear on each other. The way back has no formula: x_d is the one root of an increasing function, found from the last dimension to the first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SylvesterMaps"]

# Diagonals stay within this of zero: at 1, a slope could be zero, and no number would find the way back.
_STEEPEST = 0.999
# An interval of at most 2 halved so often is at the grain of float32, in which draws are judged.
_HALVINGS = 24


@dataclass(frozen=True)
class SylvesterMaps:
    """Maps one after another, without parameters: their context is the numbers themselves.

    Arguments:
        latent: dimensions D.
        steps: how many maps.
    """

    latent: int
    steps: int

    def outer(self) -> Tensor:
        """For each number of a row's maps, whether it is one of an R, `(steps (D^2 + 2 D),)`; where those are 0, nothing moves."""
        square = torch.ones(self.latent, self.latent).triu().bool().flatten()
        return torch.cat([square, torch.zeros(2 * self.latent).bool()]).repeat(self.steps)

    def __call__(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """The image `(S, B, D)` of a value, and log |det| of the direction that was gone, `(S, B)`; context `(S or 1, B or 1, numbers)`."""
        maps = self._maps(context)  # type: ignore[arg-type]
        total = torch.zeros((), dtype=value.dtype, device=value.device)
        for step in reversed(range(self.steps)) if backwards else range(self.steps):
            turned = value.flip(-1) if step % 2 else value
            image, log_det = maps[step].undone(turned) if backwards else maps[step].done(turned)
            value, total = image.flip(-1) if step % 2 else image, total + log_det
        return value, total

    def _maps(self, context: Tensor) -> list["_Map"]:
        """Each map, of numbers that are sorted for all of them at once."""
        size = self.latent * self.latent
        square, diagonal, shift = context.unflatten(-1, (self.steps, -1)).split((size, self.latent, self.latent), dim=-1)
        square = square.unflatten(-1, (self.latent, self.latent))
        # One square holds both triangles: R on and above the diagonal, the rest of S below it, lying down.
        r, s = _STEEPEST * square.diagonal(dim1=-2, dim2=-1).tanh(), _STEEPEST * diagonal.tanh()
        above, below = square.triu(1), square.tril(-1).mT
        each = zip(above.unbind(-3), r.unbind(-2), below.unbind(-3), s.unbind(-2), shift.unbind(-2))
        return [_Map(*numbers) for numbers in each]


@dataclass(frozen=True)
class _Map:
    """One map: R = above + diag(r), S = below + diag(s), and b.

    Arguments:
        above: of R, `(S or 1, B or 1, D, D)`, nothing on and below the diagonal.
        r: its diagonal, `(S or 1, B or 1, D)`.
        below: of S.
        s: its diagonal.
        shift: b.
    """

    above: Tensor
    r: Tensor
    below: Tensor
    s: Tensor
    shift: Tensor

    def done(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log |det dy/dx|."""
        bent = self._bent(x)
        y = x + _times(self.above, bent) + self.r * bent
        return y, (self.r * self.s * (1 - bent.square())).log1p().sum(-1)

    def undone(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x and log |det dx/dy|; where a gradient is asked for, that of the implicit function."""
        with torch.no_grad():
            x = self._root(y)
        if torch.is_grad_enabled():
            # One step of Newton's moves the root by next to nothing, and makes it depend on y and the numbers as dx = J^-1 (dy - df).
            with torch.no_grad():
                outer, inner = self.above + self.r.diag_embed(), self.below + self.s.diag_embed()
                slope = 1 - self._bent(x).square()
                jacobian = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device) + (outer * slope.unsqueeze(-2)) @ inner
            missed = (y - self.done(x)[0]).unsqueeze(-1)
            x = x + torch.linalg.solve_triangular(jacobian, missed, upper=True).squeeze(-1)
        return x, -self.done(x)[1]

    def _bent(self, x: Tensor) -> Tensor:
        return (_times(self.below, x) + self.s * x + self.shift).tanh()

    def _root(self, y: Tensor) -> Tensor:
        """x with x + R tanh(S x + b) = y, the last dimension first: those after it are known, and x_d is within |r_d| of what is left."""
        shape = torch.broadcast_shapes(y.shape, self.r.shape)
        x, bent = y.new_zeros(shape), y.new_zeros(shape)
        for d in reversed(range(shape[-1])):
            r, s = self.r[..., d], self.s[..., d]
            left = y[..., d] - (self.above[..., d, :] * bent).sum(-1)
            told = (self.below[..., d, :] * x).sum(-1) + self.shift[..., d]
            low, width = left - r.abs(), 2 * r.abs()
            for _ in range(_HALVINGS):
                width = width / 2
                middle = low + width
                low = torch.where(middle + r * (s * middle + told).tanh() < left, middle, low)
            x[..., d] = low + width / 2
            bent[..., d] = (s * x[..., d] + told).tanh()
        return x


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Each row's product; a matrix that particles share is not copied for them."""
    return torch.einsum("...ij,...j->...i", matrix, vector)
