r"""What the first layer of a reader sees of a value.

    Scaled     (x - m) / s           numbers of any size, brought to about one
    Logarithm  (log(1 + x) - m) / s  counts, whose tails would drown the rest
    OneHot     [x = 0, ..., x = K-1]  codes, which have no order
    Ordered    (x - m) / s           codes that have one

Each also has `soft`, which embeds what stands for a value where gradients must pass: a mean in place of a number, K probabilities in place
of a code.
"""

import torch
from torch import Tensor, nn

__all__ = ["Logarithm", "OneHot", "Ordered", "Scaled", "with_gaps"]


class Scaled(nn.Module):
    """A shift and a scale by element.

    Arguments:
        location: subtracted, broadcastable to a flat row.
        scale: divides, broadcastable to a flat row.
    """

    location: Tensor
    scale: Tensor

    def __init__(self, location: Tensor, scale: Tensor):
        super().__init__()
        self.register_buffer("location", location.float())
        self.register_buffer("scale", scale.float())
        self.each = 1

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, size)`."""
        return (x - self.location).div_(self.scale)

    def soft(self, x: Tensor) -> Tensor:
        """A mean is embedded as a value is."""
        return self(x)


class Logarithm(nn.Module):
    """A logarithm before another embedding.

    Arguments:
        then: embeds log(1 + x).
    """

    def __init__(self, then: Scaled):
        super().__init__()
        self.then = then
        self.each = then.each

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, size)`."""
        return self.then(torch.log1p(x.clamp(min=0)))

    def soft(self, x: Tensor) -> Tensor:
        """A mean is embedded as a count is."""
        return self(x)


class Ordered(nn.Module):
    """Codes on a scale, as the levels of a pixel are, before another embedding.

    Arguments:
        then: embeds a code as the number that it is.
        classes: K.
    """

    codes: Tensor

    def __init__(self, then: Scaled, classes: int):
        super().__init__()
        self.then = then
        self.each = then.each
        self.register_buffer("codes", torch.arange(float(classes)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, ..., size) -> (S, B, ..., size)`."""
        return self.then(x)

    def soft(self, x: Tensor) -> Tensor:
        """Probabilities side by side, `(S, B, ..., K size)`, are embedded as the code that they expect."""
        return self.then((x.unflatten(-1, (-1, len(self.codes))) * self.codes).sum(-1))


class OneHot(nn.Module):
    """A column for every code.

    Arguments:
        classes: K.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.each = classes

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, K size)`."""
        return nn.functional.one_hot(x.long(), self.each).flatten(-2).float()

    def soft(self, x: Tensor) -> Tensor:
        """Probabilities side by side, `(S, B, K size)`, are what a code's columns are."""
        return x


def with_gaps(h: Tensor, observed: Tensor | None, each: int = 1) -> Tensor:
    """Embedded values with gaps at zero, and which values are gaps beside them, `(S, B, *positions, (each + 1) channels)`.

    Arguments:
        h: `(S, B, *positions, each channels)`.
        observed: bool, `(1 or S, B, *positions, channels)`; None = everything is seen.
        each: numbers a value.
    """
    seen = torch.ones_like(h[..., ::each]) if observed is None else observed.to(h.dtype).expand(h.shape[0], *observed.shape[1:])
    return torch.cat([h * seen.repeat_interleave(each, dim=-1), seen], dim=-1)
