"""What a verb gives back: a few lines for a person, or the same facts as one JSON object.

    0 done     1 the work failed     2 the input or an argument is wrong     130 interrupted
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Stopped", "refuse", "say"]


class Stopped(Exception):
    """A person stopped the work; the message says how to go on."""


@dataclass(frozen=True)
class Answer:
    """What a verb found or made.

    Arguments:
        lines: for a person.
        facts: for a program, as JSON.
    """

    lines: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def say(answer: Answer, as_json: bool) -> None:
    """Print an answer on standard output.

    Arguments:
        answer: of a verb.
        as_json: one JSON object and nothing else.
    """
    print(json.dumps(_finite(answer.facts), allow_nan=False) if as_json else "\n".join(answer.lines))


def refuse(message: str, code: int, as_json: bool) -> int:
    """Print an error as one line on standard error, and as JSON on standard output where that was asked for; returns its code."""
    line = " ".join(message.split())
    print(f"vae: {line}" if code == 130 else f"vae: error: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": line, "exit": code}))
    return code


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, Mapping):
        return {name: _finite(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
