r"""How fast a VAE trains, beside another library and beside what the machine's matrix products allow.

    speed = images trained on / seconds of the trainer's own call
    share = speed * operations an image / operations a second of a matrix product
    operations an image = 2 (3 m - m_1),   m multiply-adds forward, m_1 those of the first layer, whose input needs no gradient

The network is 784-400-20-400-784 with ReLU, the data binarised MNIST (Bernoulli(brightness), drawn once for all), batch 128, a mean
rate of 1e-3. They take turns, each in a process of its own, and who goes first changes; ratios are taken turn by turn, since a machine's
speed wanders. Each library uses its own loop as documented and its own defaults: ours has fused AdamW, bf16 where the machine has it, a
falling rate and averaged weights, and its time includes set-up and a measurement on held-out images; the other's has Adam in float32. A
plain loop in torch alone, with fused AdamW and bf16 and nothing else, shows what the machine would let an uncompiled trainer reach. One
judge measures all.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import Figure, Record, arguments, bar, environment, figure, mnist, root, run

from vaekit.core.errors import WorkFailed

_RACERS = Path(__file__).resolve().parent / "racers"
_PEERS = {"pythae": ("pythae==0.1.2",)}
_WATCHED = 1_000
_BATCH = 128
_LAYERS = ((784, 400), (400, 40), (20, 400), (400, 784))


def operations() -> int:
    """Floating-point operations that training needs for an image: forward, and backward to weights and inputs."""
    products = [inputs * outputs for inputs, outputs in _LAYERS]
    return 2 * (3 * sum(products) - products[0])


def product_rate(dtype: torch.dtype, size: int = 2048, seconds: float = 0.5) -> float:
    """The machine's own rate of matrix products, operations a second: the median of those done in the time."""
    a, b = torch.randn(2, size, size).to(dtype)
    taken, began = [], time.perf_counter()
    while time.perf_counter() - began < seconds or len(taken) < 3:
        start = time.perf_counter()
        torch.mm(a, b)
        taken.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(taken)


def peer_python(peer: str) -> Path:
    """The interpreter of the peer's own environment, made when it is missing.

    Raises:
        WorkFailed: where it cannot be installed.
    """
    folder = root / f".venv-{peer}"
    python, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        wanted = (f"torch=={version('torch').partition('+')[0]}", *_PEERS[peer])
        for command in ([sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "--disable-pip-version-check", *wanted]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode:
                raise WorkFailed(f"{peer} could not be installed into {folder}: {_last_words(done)}")
        made.touch()
    return python


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip() or "ended without a word").splitlines()[-1]


def turn(python: str | Path, script: str, images: Path, epochs: int, seed: int) -> dict[str, Any]:
    """One program's turn in a process of its own.

    Raises:
        WorkFailed: where it ends with an error.
    """
    command = [str(python), str(_RACERS / script), str(images), str(epochs), str(_BATCH), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(TQDM_DISABLE="1"))
    if done.returncode:
        raise WorkFailed(f"{script}: {_last_words(done)}")
    return json.loads(done.stdout.splitlines()[-1])


def binarised(seed: int) -> dict[str, np.ndarray]:
    """MNIST as bits, drawn once: images to learn from, to watch and to be judged on."""
    train, test = mnist()
    draw = np.random.default_rng(seed)
    x, judged = ((draw.random(part.x.shape) * 255 < part.x).astype(np.uint8) for part in (train, test))
    return {"train": x[:-_WATCHED], "watched": x[-_WATCHED:], "test": judged}


def measure(options: Any, record: Record) -> None:
    """Let all take their turns, then compare."""
    images = binarised(options.seed)
    peer = None if options.peer == "none" else peer_python(options.peer)
    sides = {"ours": (sys.executable, "ours.py"), "plain": (sys.executable, "plain.py")} | ({"theirs": (peer, "theirs.py")} if peer else {})
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    rates: dict[str, list[float]] = {"fp32": [], "bf16": []}
    with tempfile.TemporaryDirectory() as folder, bar("turns", options.turns * len(sides)) as reach:
        file = Path(folder) / "images.npz"
        np.savez(file, **images)
        for number in range(options.turns):
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                rates[name].append(product_rate(dtype))
            first = number % len(sides)
            for side in [*sides, *sides][first : first + len(sides)]:
                results[side].append(turn(*sides[side], file, options.epochs, options.seed + number))
                reach(sum(map(len, results.values())))
    _compare(record, options, results, rates)


def _compare(record: Record, options: Any, results: dict[str, list[dict[str, Any]]], rates: dict[str, list[float]]) -> None:
    seed, turns = options.seed, options.turns
    shape = f"784-400-20-400-784, binarised MNIST, batch {_BATCH}, {options.epochs} epochs, median of {turns} turns"
    judged = f"exact KL, 10 draws of z an image, mean of {turns} runs, standard error over images "
    speed = {side: [r["images"] / r["seconds"] for r in found] for side, found in results.items()}
    bound = {side: statistics.mean(r["bound"] for r in found) for side, found in results.items()}
    for side, found in results.items():
        name = {"ours": "vaekit", "plain": "a plain loop", "theirs": options.peer}[side]
        record.add(
            figure(f"{name}: training", statistics.median(speed[side]), "images/s", turns, f"{shape}; {found[0]['facts']}", seed),
            figure(f"{name}: slowest turn", min(speed[side]), "images/s", turns, "the same", seed),
            figure(f"{name}: fastest turn", max(speed[side]), "images/s", turns, "the same", seed),
            figure(f"{name}: test -ELBO", bound[side], "nats", 10_000, f"{judged}{found[0]['error']:.2f}", seed),
        )
    for name, measured in rates.items():
        share = [s * operations() / rate for s, rate in zip(speed["ours"], measured)]
        per_image = f"{operations():,} operations an image"
        record.add(
            figure(f"matrix products, {name}", statistics.median(measured) / 1e9, "GFLOP/s", turns, "2048 x 2048, before each pair"),
            figure(f"share of them that vaekit reaches, {name}", statistics.median(share), "", turns, per_image, seed),
        )
    record.add(_ratio("speed beside a plain loop", speed["ours"], speed["plain"], seed))
    if "theirs" in results:
        record.add(
            _ratio("a plain loop's speed ratio", speed["plain"], speed["theirs"], seed),
            _ratio("speed ratio", speed["ours"], speed["theirs"], seed, at_least=3.0),
            figure("-ELBO above the peer's", bound["ours"] - bound["theirs"], "nats", 10_000, "same images, same judge", seed, at_most=0.5),
        )


def _ratio(name: str, ours: list[float], others: list[float], seed: int, at_least: float | None = None) -> Figure:
    ratio = [a / b for a, b in zip(ours, others)]
    turns = f"turn by turn: {min(ratio):.2f} to {max(ratio):.2f}"
    return figure(name, statistics.median(ratio), "x", len(ratio), turns, seed, at_least=at_least)


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--peer", default="pythae", choices=[*_PEERS, "none"], help="the library to compare with")
    parser.add_argument("--turns", type=int, default=5, help="how often each trains")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, "Training throughput", measure)


if __name__ == "__main__":
    raise SystemExit(main())
