"""`python -m benchmarks --list` names every benchmark; `python -m benchmarks NAME [options]` runs one."""

import ast
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SHARED = {"__main__", "bound", "classifier", "comparison_page", "outsider", "pieces", "record"}


def benchmarks() -> dict[str, str]:
    """Every benchmark's name, with the first line of what it says of itself."""
    found = sorted(path for path in _HERE.glob("*.py") if path.stem not in _SHARED)
    return {path.stem: (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0] for path in found}


def main(given: list[str]) -> int:
    """The command line."""
    known = benchmarks()
    if given[:1] == ["--list"]:
        for name, about in known.items():
            print(f"{name:<18} {about}")
        return 0
    if not given or given[0] not in known:
        print(f"usage: python -m benchmarks --list | NAME [options]; known: {', '.join(known)}", file=sys.stderr)
        return 2
    # A process of its own, as if the file were run: what one benchmark imports is no part of another's measurement.
    return subprocess.run([sys.executable, str(_HERE / f"{given[0]}.py"), *given[1:]]).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
