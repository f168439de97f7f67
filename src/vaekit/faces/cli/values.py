"""Options that hold structure, read from text.

    --set rate=3e-4 --set hidden=256,128 --set beta.recipe=linear --set 'beta.arguments={"until": 0.2}'
    --condition class=3
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from vaekit.core.errors import InputError

__all__ = ["assigned", "condition_of", "numbers", "parsed"]


def assigned(options: Sequence[str], taken: Mapping[str, str] = {}) -> dict[str, Any]:
    """`key=value` texts as nested values; a dot in a key goes one level down.

    Arguments:
        options: the texts.
        taken: keys that are no options of a recipe, each with how the command is given it; empty = not at all.

    Raises:
        InputError: where a text has no `=`, or a key stands twice, has an option of its own, or is for Python alone.
    """
    found: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            raise InputError(f"--set {option!r} is not KEY=VALUE; write, say, --set latent=8")
        if path[0] in taken:
            own = f"has an option of its own; give {taken[path[0]]}" if taken[path[0]] else "can be given in Python alone; leave it out"
            raise InputError(f"--set {key}: {own}")
        place = found
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InputError(f"--set {key}: {part!r} is given as a value already; give one of the two")
        if path[-1] in place:
            raise InputError(f"--set {key} is given twice; give it once")
        place[path[-1]] = parsed(text)
    return found


def parsed(text: str) -> Any:
    """A value from text: a number, true, false, null, a JSON list or object, a list `256,128`, or the text itself."""
    text = text.strip()
    for read in (json.loads, float):
        try:
            return read(text)
        except ValueError:
            continue
    if "," in text and text[0] not in "[{\"'":
        return [parsed(part) for part in text.split(",") if part.strip()]
    return text


def condition_of(options: Sequence[str], names: Sequence[str]) -> Any:
    """A condition for rows to come or rows at hand: a file, or a mapping from facts to values as they are written.

    Arguments:
        options: `NAME=VALUE`, or `VALUE` where the model knows one fact alone, or a file with one value a row.
        names: the facts that the model knows.

    Raises:
        InputError: where a value has no name and there is more than one fact.
    """
    if not options:
        return None
    if len(options) == 1 and "=" not in options[0]:
        if Path(options[0]).is_file():
            return Path(options[0])
        if len(names) != 1:
            wanted = " and ".join(f"--condition {name}=..." for name in names) or "none, since the model was trained without one"
            raise InputError(f"--condition {options[0]}: give {wanted}")
        return {names[0]: options[0].strip()}
    pairs = [option.partition("=") for option in options]
    for option, (_, equals, _) in zip(options, pairs):
        if not equals:
            raise InputError(f"--condition {option!r} is not NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def numbers(name: str, text: str | None, kind: type = float) -> list[Any] | None:
    """A list of numbers such as `-3,3`; None stays None.

    Raises:
        InputError: where a part is no finite number of this kind.
    """
    if text is None:
        return None
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--{name} {text!r} is not a list of {'whole ' * (kind is int)}numbers; write, say, --{name} 0,1") from error
    if kind is float and not all(map(isfinite, found)):
        raise InputError(f"--{name} {text!r}: every number must be finite; write, say, --{name} 0,1")
    return found
