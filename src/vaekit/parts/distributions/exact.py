"""Numbers that cancel, in the widest type that a device has."""

from torch import Tensor

__all__ = ["exactly"]


def exactly(values: Tensor) -> Tensor:
    """The values in float64; as they are on a device that has none.

    Arguments:
        values: of any shape.
    """
    return values if values.device.type == "mps" else values.double()
