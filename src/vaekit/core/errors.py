"""What went wrong, in one line that a person can act on.

Every error that a user can cause is an `InputError`: what is wrong, where, and what to do. The command turns it
into exit code 2; everything else that stops a run on purpose is a `WorkFailed`, exit code 1.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "WorkFailed", "nearest"]

# A longer list helps nobody who has only misspelt a name.
_LISTED = 12


class InputError(ValueError):
    """The input or an argument is wrong; the message says what, where, and what to do."""


class WorkFailed(RuntimeError):
    """The input was right, but the work could not be done; the message names the cause."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt name: the nearest known one, and the list of all where it is short or none is near.

    Arguments:
        word: what was given.
        known: the names that exist.

    Returns:
        Text to append to an error, such as `did you mean 'vae'? Known: beta_vae, vae.`
    """
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.5)
    if not close:
        return f"known are {', '.join(names)}"
    suggestion = f"did you mean {close[0]!r}?"
    return suggestion if len(names) > _LISTED else f"{suggestion} Known: {', '.join(names)}."
