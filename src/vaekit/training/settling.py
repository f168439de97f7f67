r"""Buffers that learn from data, where the weights are not those that they learnt under.

    s^2(a) = mean over batches of the statistics under the average a of the weights, not a moving mean under the weights w on their way

The average of the weights is measured and kept, never trained: a scale that is the optimum for the moving weights is not the optimum
for it. So each such buffer is set anew, from a fixed number of walks over training batches, while the average stands in the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice, repeat

import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.learned import LearnsFromData
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Step

__all__ = ["settled"]

_WALKS = 32


@contextmanager
def settled(step: Step, epoch: Callable[[], Iterator[Batch]], mean: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Buffers that learn from data at their best for the weights as they are; afterwards as they were.

    Draws belong to the rows, so that no random state moves.

    Arguments:
        step: in eval mode.
        epoch: gives the batches of an epoch; where they are few, they are walked again with other draws.
        mean: of a tensor over all processes.
    """
    learners = {name: part for name, part in step.learners.items() if isinstance(part, LearnsFromData)}
    kept = [(buffer, buffer.clone()) for name in learners for buffer in step.get_submodule(name).buffers()]
    if learners:
        _settle(step, learners, epoch, mean)
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


@torch.no_grad()
def _settle(
    step: Step, learners: dict[str, LearnsFromData], epoch: Callable[[], Iterator[Batch]], mean: Callable[[Tensor], Tensor]
) -> None:
    batches = chain.from_iterable(epoch() for _ in repeat(None))
    # What one learner sees may hang on the buffers of another: in a chain of them the last one is right after as many rounds.
    for _ in learners:
        totals: dict[str, Tensor] = {}
        for walk, batch in enumerate(islice(batches, _WALKS)):
            trace = step.model(batch, step.chooser(RowNoise(batch.x, walk)))  # type: ignore[arg-type]
            for name, learner in learners.items():
                observed = learner.observe(trace)
                totals[name] = totals.get(name, torch.zeros_like(observed)) + observed
        for name, learner in learners.items():
            learner.settle(mean(totals[name] / _WALKS))
