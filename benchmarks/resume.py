"""Whether a run that is killed again and again ends as if it had not been.

One run trains in peace. Another, with the same arguments, is killed with SIGKILL at random moments of its life (start-up, steps,
measurements and the writing of checkpoints alike), resumed each time, and left in peace at last. Then every weight is compared, bit by bit.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import Record, Skipped, arguments, bar, figure, run
from safetensors.torch import load_file

from vaekit.core.errors import WorkFailed


def command() -> str:
    """The installed command, beside this interpreter.

    Raises:
        Skipped: where it is not installed.
    """
    found = shutil.which("vae", path=str(Path(sys.executable).parent))
    if found is None:
        raise Skipped(f"the command is not installed beside {sys.executable}: pip install -e .")
    return found


def training(folder: Path, epochs: int, seed: int) -> list[str]:
    """The command line of a fresh run."""
    return [command(), "fit", "digits", "--run", str(folder), "--epochs", str(epochs), "--seed", str(seed), "--no-report", "--json"]


def in_peace(words: list[str]) -> dict[str, Any]:
    """The answer of a run that nobody stops.

    Raises:
        WorkFailed: where it fails.
    """
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise WorkFailed(f"{' '.join(words[1:])}: {(done.stderr.strip() or done.stdout.strip() or 'no word').splitlines()[-1]}")
    return json.loads(done.stdout)


def killed(words: list[str], after: float) -> bool:
    """Whether the run was still alive when it was killed, so many seconds after its start."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def measure(options: Any, record: Record) -> None:
    """Train in peace, train under fire, compare."""
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, bar("runs", options.kills + 2) as reach:
        peaceful, harassed = Path(folder) / "peaceful", Path(folder) / "harassed"
        began = time.monotonic()
        answer = in_peace(training(peaceful, options.epochs, options.seed))
        whole, trained = time.monotonic() - began, answer["training"]["seconds"]
        reach(1)
        kills = resumed = 0
        for number in range(options.kills):
            going_on = (harassed / "run.json").exists()
            words = [command(), "fit", "--resume", "--run", str(harassed), "--no-report", "--json"] if going_on else training(
                harassed, options.epochs, options.seed
            )
            # From the middle of start-up to a small share of training: a resumed run starts sooner than the one in peace, and none shall
            # finish before its last kill.
            start = whole - trained
            kills += killed(words, draw.uniform(0.5 * start, start + 0.4 * trained / options.kills))
            resumed += going_on
            reach(number + 2)
        in_peace([command(), "fit", "--resume", "--run", str(harassed), "--no-report", "--json"])
        reach(options.kills + 2)
        one, other = (load_file(path / "weights.safetensors") for path in (peaceful, harassed))
    if one.keys() != other.keys():
        raise WorkFailed(f"the two runs have different weights: {sorted(one.keys() ^ other.keys())}")
    differing = sum(int((one[name].view(torch.uint8) != other[name].view(torch.uint8)).sum()) for name in one)
    n = sum(values.numel() for values in one.values())
    how = f"vae fit digits --epochs {options.epochs}, killed {kills} times at random moments, {resumed} of them in a resumed run"
    record.add(
        figure("kills", kills, "", options.kills, how, options.seed, at_least=options.kills),
        figure("bytes of weights that differ", differing, "bytes", n, "against the same run left in peace", options.seed, at_most=0),
        figure("training in peace", trained, "s", 1, f"{whole:.1f} s with start-up", options.seed),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, "Resume", measure)


if __name__ == "__main__":
    raise SystemExit(main())
