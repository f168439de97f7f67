"""Whether the house keeps its rules: files, lines, circles, shared lines.

The rules are tests (`tests/laws/test_house.py`). They run here as they run there, and the figures are read by the same functions.
"""

import subprocess
import sys
from typing import Any

from record import Record, arguments, bar, figure, root, run

_RULES = root / "tests" / "laws" / "test_house.py"


def measure(options: Any, record: Record) -> None:
    """Run the rules, then count."""
    with bar("rules", 2) as reach:
        command = [sys.executable, "-m", "pytest", "--no-header", str(_RULES)]
        broken = subprocess.run(command, cwd=root, capture_output=True, text=True)
        reach(1)
        sys.path.insert(0, str(_RULES.parent))
        import test_house as house

        lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in house.MODULES.items()}
        functions = {
            f"{module}.{f.name}": f.end_lineno - f.lineno + 1 for module, path in house.MODULES.items() for f in house.functions(path)
        }
        (shared, code), circles = house.written_twice(), house.in_circles()
        reach(2)
    longest, widest = max(lines, key=lambda m: lines[m]), max(functions, key=lambda f: functions[f])
    n = len(lines)
    record.add(
        figure("rules broken", broken.returncode, "exit code", 1, f"pytest: {broken.stdout.strip().splitlines()[-1]}", at_most=0),
        figure("files", n, "", n, "Python files under src/vaekit"),
        figure("lines", sum(lines.values()), "", n, f"all of them; {code:,} are code outside docstrings and imports"),
        figure("largest file", lines[longest], "lines", n, longest, at_most=400),
        figure("longest function", functions[widest], "lines", len(functions), widest, at_most=60),
        figure("modules in import circles", len(circles), "", n, "imports at the top of a file", at_most=0),
        figure("lines that stand twice", 100 * len(shared) / code, "%", code, "in runs of six or more, in two files", at_most=5.0),
    )


def main() -> int:
    """The command line."""
    return run(arguments(__doc__), "House", measure)


if __name__ == "__main__":
    raise SystemExit(main())
