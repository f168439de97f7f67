r"""A module that a part uses and another part owns: a prior that asks the posterior where its pseudo-inputs lie.

The owner alone registers, trains, saves and moves it. A copy of a system that holds both lends the copy's own module: a closure would
go on using the original's.
"""

from typing import Any, Generic, TypeVar

from torch import nn

__all__ = ["Borrowed"]

Lent = TypeVar("Lent", bound=nn.Module)


class Borrowed(Generic[Lent]):
    """Another part's module, used without being registered.

    Arguments:
        module: what is borrowed.

    Raises:
        TypeError: where it is not a module, or is itself borrowed: borrow from the owner.
    """

    def __init__(self, module: Lent):
        if not isinstance(module, nn.Module):
            raise TypeError(f"borrowed is a module that another part owns, not {type(module).__name__}")
        self.module = module

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Ask the module."""
        return self.module(*given, **named)

    def __repr__(self) -> str:
        return f"Borrowed({type(self.module).__name__})"
