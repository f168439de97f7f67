r"""Codes and the values that stand for them.

    codes(z) in {0 .. K-1}          values(k) in R^width          codes(values(k)) = k

A latent of codes is what the decoder reads, the values; whoever speaks of the codes themselves - a prior, a measure, a table - asks the
codebook that both were made with.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["Categories", "Codebook"]


class Codebook(nn.Module, ABC):
    """K codes with a value each.

    Arguments:
        size: K.
        width: numbers of a value.
    """

    def __init__(self, size: int, width: int):
        super().__init__()
        self.size, self.width = size, width

    def encoded(self, raw: Tensor) -> Tensor:
        """An encoder's numbers brought to where the values lie, `(..., width)`."""
        return raw

    @abstractmethod
    def codes(self, z: Tensor) -> Tensor:
        """The code of each value, `(..., width) -> (...)`, int64: of the nearest one where a value is none."""

    @abstractmethod
    def values(self, codes: Tensor) -> Tensor:
        """The value of each code, `(...) -> (..., width)`."""

    def chances(self, soft: Tensor) -> Tensor:
        """How much of each code is in a value, `(..., width) -> (..., K)`, which sums to one."""
        return nn.functional.one_hot(self.codes(soft), self.size).float()


class Categories(Codebook):
    """A value is one-hot: e_k.

    Arguments:
        size: K.
    """

    def __init__(self, size: int):
        super().__init__(size, size)

    def codes(self, z: Tensor) -> Tensor:
        """The largest place of each value."""
        return z.argmax(-1)

    def values(self, codes: Tensor) -> Tensor:
        """One-hot, float32."""
        return nn.functional.one_hot(codes, self.size).float()

    def chances(self, soft: Tensor) -> Tensor:
        """The value itself: a mixture of one-hot values is one of categories."""
        return soft
