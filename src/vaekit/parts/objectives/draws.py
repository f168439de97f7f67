"""Terms that read a walk's particles as draws of the posterior, where each counts as much as another."""

from vaekit.core.errors import InputError
from vaekit.core.objective import Term
from vaekit.core.trace import Trace

__all__ = ["needs_draws"]


def needs_draws(term: Term, trace: Trace) -> None:
    """Refuse a walk whose particles are all states of a class, each with a weight: read as draws, they would be no bound and no sample.

    Arguments:
        term: to be told.
        trace: of the walk.

    Raises:
        InputError: where the particles have weights.
    """
    if trace.weight is not None:
        raise InputError(
            f"term {term.name!r} reads particles as draws of the posterior, but here they are all states of a class, by their weights: "
            "leave it out, or train without enumerating the class"
        )
