"""The command `vae` as the tests call it: in this process, in a folder of its own, with everything it prints and leaves on disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vaekit.faces.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a call of the command gave."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which is one JSON object and nothing else."""
        return json.loads(self.out)


class Command:
    """`vae`.

    Arguments:
        folder: where it runs.
        capture: of what it prints.
    """

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]):
        self.folder, self.capture = folder, capture

    def __call__(self, *words: object) -> Outcome:
        """Run it, whatever comes of it."""
        self.capture.readouterr()
        code = main([str(word) for word in words])
        printed = self.capture.readouterr()
        return Outcome(code, printed.out, printed.err)

    def done(self, *words: object) -> Outcome:
        """Run it; it must succeed."""
        outcome = self(*words)
        assert outcome.code == 0, outcome.error
        return outcome

    def refused(self, *words: object, names: tuple[str, ...]) -> str:
        """Run it; it must end with code 2 and one line that holds these words, and leave the folder as it was."""
        before = listing(self.folder)
        outcome = self(*words)
        one_line(outcome.code, outcome.error, names)
        assert not outcome.out
        assert listing(self.folder) == before
        return outcome.error


def one_line(code: int, error: str, names: tuple[str, ...]) -> None:
    """Check that an error is code 2 and one line that holds these words."""
    assert code == 2, (code, error)
    line = error.removesuffix("\n")
    assert line.startswith("vae: error: ") and "\n" not in line and len(line) < 500, error
    for name in names:
        assert name in line, line


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with its content; None for a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def vae(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)
