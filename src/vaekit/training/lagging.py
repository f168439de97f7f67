r"""A decoder that waits: until latents tell what they can, the encoder steps alone, many times for each step of the rest.

    phi <- phi - grad_phi L   at most n times, while the mean of L over ten steps falls;   then once theta <- theta - grad_theta L
    ends where I(x; z), summed over latents and measured on held-out rows, no longer rises

A posterior that lags behind the model's own is close to the prior, and a decoder that learns from it learns to do without the latent.
(He, Spokoyny, Neubig, Berg-Kirkpatrick 2019, arXiv:1901.05534)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.information import mutual_information
from vaekit.core.noise import RowNoise, random_state_kept
from vaekit.core.objective import Step
from vaekit.core.trace import Trace
from vaekit.training.measure import Rows

__all__ = ["Lagging"]

_WINDOW = 10
# Rows whose information is measured: it takes time with their square.
_ROWS = 1000


class Lagging:
    """Which side of a model steps.

    Arguments:
        step: the walk and its losses; its stage has been prepared.
        limit: n, steps of the encoder for each of the rest; 0 = both step together, always.
        mean: of a tensor over all processes.
    """

    def __init__(self, step: Step, limit: int, mean: Callable[[Tensor], Tensor]):
        self.step, self.limit, self.mean = step, limit, mean
        self.sides: tuple[list[torch.nn.Parameter], ...] = ([], [])
        for name, parameter in step.model.named_parameters():
            if parameter.requires_grad:
                self.sides[self._explains(name)].append(parameter)
        # Where one side is frozen, a prior that is fitted later say, none can wait for the other.
        self.ahead = bool(limit) and all(self.sides)
        self.rests, self.taken, self.alone = False, 0, 0
        self.before, self.information = float("inf"), float("-inf")
        self.summed = torch.zeros(())

    def _explains(self, name: str) -> bool:
        return not set(name.split(".")) & set(self.step.model.encoder)

    def check(self, batch: Batch) -> None:
        """See that the encoder can run ahead.

        Raises:
            InputError: where the model has no encoder of its own, or a code that has no density and so no information to be measured.
        """
        if self.limit and all(self._explains(name) for name, _ in self.step.model.named_parameters()):
            raise InputError("encoder_steps: the encoder of this recipe shares parts with its decoder and cannot run ahead: leave it out")
        if self.ahead:
            # A look that takes none of the steps' own randomness: a run that is resumed looks once more.
            with torch.no_grad(), random_state_kept(batch.x.device):  # type: ignore[union-attr]
                trace = self.step.model(batch, from_posterior(1, RowNoise(batch.x)))  # type: ignore[arg-type]
            if not all(site.random for site in trace.sites.values()):
                raise InputError("encoder_steps: the code of this recipe has no density, so it cannot collapse onto a prior: leave it out")

    def drop(self) -> None:
        """Forget the gradients of the side that waits."""
        if self.ahead:
            for parameter in self.sides[not self.rests]:
                parameter.grad = None

    def moves(self, name: str) -> bool:
        """Whether the part of the step with this dotted name moves at this step."""
        side, _, part = name.partition(".")
        return not self.ahead or side != "model" or self._explains(part) == self.rests

    def after_step(self, loss: Tensor) -> None:
        """Whose turn is next, after a step with this loss, ()."""
        if not self.ahead:
            return
        if self.rests:
            self.rests, self.taken, self.before = False, 0, float("inf")
            return
        self.taken, self.alone = self.taken + 1, self.alone + 1
        self.summed = self.summed.to(loss.device) + loss
        if self.taken % _WINDOW == 0:
            found = float(self.mean(self.summed)) / _WINDOW
            self.rests, self.before, self.summed = found >= self.before, found, torch.zeros(())
        if self.taken >= self.limit:
            self.rests, self.summed = True, torch.zeros(())

    @torch.no_grad()
    def measured(self, rows: Rows) -> str:
        """Measure the information under the weights as they are, and end where it has not risen; a note then, else empty.

        Arguments:
            rows: held out.
        """
        if not self.ahead:
            return ""
        traces: list[Trace] = []
        for batch in rows.in_order():
            # A class that a label decides was not drawn from the posterior that is asked how much it tells.
            batch = replace(batch, label=None)
            traces.append(self.step.model(batch, from_posterior(1, RowNoise(batch.x))))  # type: ignore[arg-type]
            if sum(trace.batch.rows for trace in traces) >= _ROWS:
                break
        found = sum(mutual_information([trace.sites[name] for trace in traces]) for name in traces[0].sites)
        found = float(self.mean(torch.tensor(found)))
        self.information, self.ahead = found, found > self.information
        return "" if self.ahead else f"the encoder no longer runs ahead: latents tell {found:.2f} nats of a row, no more than before"

    @property
    def state(self) -> dict[str, Any]:
        """What decides the turns to come, as JSON."""
        return {
            "ahead": self.ahead, "rests": self.rests, "taken": self.taken, "alone": self.alone, "before": self.before,
            "information": self.information, "summed": float(self.summed),
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.ahead, self.rests, self.taken, self.alone = (state[name] for name in ("ahead", "rests", "taken", "alone"))
        self.before, self.information, self.summed = state["before"], state["information"], torch.tensor(state["summed"])
