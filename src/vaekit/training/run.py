"""One stage under way: steps, measurements, checkpoints, and what to do when a number is not finite.

The state that a checkpoint holds is also the state that a non-finite loss goes back to; both are taken right after a measurement, and
where a person stops the run, so that a run which is killed and resumed takes the same steps as one that is not, as long as all are finite.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vaekit.core.batch import Batch
from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.objective import Step
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.training.archive import save_tensors
from vaekit.training.averaging import Average
from vaekit.training.budget import Budget
from vaekit.training.hardware import suited_threads
from vaekit.training.held import Held
from vaekit.training.interrupt import Interrupt
from vaekit.training.lagging import Lagging
from vaekit.training.measure import Feed, measure
from vaekit.training.optimisation import Optimisation
from vaekit.training.progress import History, Hook, Moment, Validation, told
from vaekit.training.settings import Settings
from vaekit.training.settling import settled

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["StageRun"]

_FAILURES = 3
_EVERY_SECONDS = 0.25


class StageRun:
    """One stage of a run.

    Arguments:
        fabric: device, precision and processes.
        system: what is trained.
        index: which stage.
        feed: rows to learn from and rows to measure on, on the device.
        settings: the run's.
        budget: what the stage may use.
        compiled: whether the step is compiled.
        history: of the whole run; grows.
        hooks: who watches.
        file: where checkpoints are written; None = nowhere.
        interrupt: says when a person asked to stop.
        held: what no stage trains.
    """

    def __init__(
        self, fabric: "Fabric", system: System, index: int, feed: Feed, settings: Settings, budget: Budget, compiled: bool,
        history: History, hooks: Sequence[Hook], file: Path | None, interrupt: Interrupt, held: Held,
    ):
        self.fabric, self.feed, self.settings, self.budget = fabric, feed, settings, budget
        self.history, self.hooks, self.file, self.interrupt, self.held = history, hooks, file, interrupt, held
        self.index, self.stages = index, len(system.stages)
        self.stage: Stage = system.stages[index]
        self.parameters = held.prepare(self.stage, system.model)
        self.step = Step(system.model, self.stage.objective).to(fabric.device)
        self.optimisation = Optimisation(self.step, settings)
        self.lagging = Lagging(self.step, settings.encoder_steps, partial(self._all_reduced, operation="mean"))
        self.average = Average(self.parameters, settings.average)
        module: torch.nn.Module = torch.compile(self.step, dynamic=False) if compiled else self.step  # type: ignore[assignment]
        self.forward: Callable[..., Any] = fabric.strategy.setup_module(module) if fabric.world_size > 1 else module
        self.epoch = self.within = self.steps = self.failures = self.since_best = 0
        self.best_value, self.best = float("inf"), self._weights()
        self.latest: dict[str, torch.Tensor] = {}
        self.sums: dict[str, torch.Tensor] = {}
        self.summed = 0
        self.done, self.stopping, self.affordable = 0.0, False, True
        self.saved: tuple[dict[str, torch.Tensor], dict[str, Any]] = ({}, {})
        self.active = self.units = 0
        self.told_at, self.told_steps, self.rows_per_second = 0.0, 0, 0.0

    def go(self) -> None:
        """Run the stage to its end, and leave the best weights in the model.

        Raises:
            WorkFailed: where a number stays non-finite through three halvings; names the term or the part.
            KeyboardInterrupt: where a person asked to stop; a checkpoint has been written.
        """
        first = next(iter(self._batches(0, 0)))
        self.lagging.check(first)
        with suited_threads(self.step, first):
            if not self.steps:
                self._start(first)
                self._keep_start()
            self.saved = self.snapshot()
            self._agree()
            finished = self.steps > 0 and (self.done >= 1 or self._out_of_patience())
            while not finished:
                finished = self._through(self._batches(self.epoch, self.within))
        if not math.isfinite(self.best_value):
            raise WorkFailed(f"'{self.stage.watch}' was never finite on the held-out rows: lower rate=, or look for extreme values in them")
        self.step.model.load_state_dict(self.best)
        self.history.best = self.best_value

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        return self.feed.train.epoch(epoch, start, self.fabric.global_rank, self.fabric.world_size)

    def _start(self, batch: Batch) -> None:
        if not self.step.beginners:
            return
        with torch.no_grad():
            trace = self.step.walk(batch)
            for part in self.step.beginners:
                part.start(trace)
            # Each process began with rows of its own: all go on from what the first one found.
            for tensor in (t for part in self.step.beginners for t in (*part.parameters(), *part.buffers())):
                tensor.copy_(self._everywhere(tensor))

    def _keep_start(self) -> None:
        """What an earlier stage has left counts as a measurement: a later one does not end worse than it begins."""
        if not self.index:
            return
        began = self.budget.elapsed()
        self.step.eval()
        self.step.advance(1.0)
        with self.fabric.autocast():
            self._measure()
        self.held.prepare(self.stage, self.step.model)
        self.step.objective.train()
        self.budget.measured += self.budget.elapsed() - began

    def _through(self, batches: Iterator[Batch]) -> bool:
        """Steps through the rest of an epoch; True where the stage is over. Leaves early after going back to a saved state."""
        for batch in batches:
            # The clock is read once a step: a measurement that falls due between two readings would be missed.
            progress = self.done
            if not self._take(batch, progress):
                self._go_back()
                return False
            self.within += 1
            self.steps += 1
            self.average.after_step(self.steps)
            if self.within == self.feed.train.steps(self.fabric.world_size):
                self.epoch, self.within = self.epoch + 1, 0
            self._agree()
            due = int(self.done * self.settings.validations) > int(progress * self.settings.validations)
            if (due and self.affordable) or self.done >= 1:
                self._validate(progress)
                self.keep()
                if self.done >= 1 or self._out_of_patience():
                    return True
            self._tell(batch.rows)
            if self.stopping:
                self.keep()
                raise KeyboardInterrupt
            if self.within == 0:
                return False
        return False

    def _take(self, batch: Batch, progress: float) -> bool:
        """One step; False, with the weights untouched, where a number was not finite."""
        self.step.advance(progress)
        with self.fabric.autocast():
            loss, opponent, readings, observed = self.forward(batch)
        total = loss if opponent is None else loss + opponent
        self.fabric.backward(total)
        self.lagging.drop()
        norm = self.optimisation.norm()
        # One look at the sum of both is one wait for the device instead of two; where one process stops, all do.
        sound = torch.isfinite(self._all_reduced(total.detach() + norm, "sum"))
        self.latest = readings
        if not sound:
            return False
        self._sum(readings)
        self.optimisation.step(progress, norm)
        for name, learner in self.step.learners.items():
            if self.lagging.moves(name):
                learner.after_step(self._all_reduced(observed[name], "mean"))
        self.lagging.after_step(loss.detach())
        return True

    def _sum(self, readings: dict[str, torch.Tensor]) -> None:
        if not self.summed:
            self.sums = {n: torch.zeros_like(v) for n, v in readings.items()}
        torch._foreach_add_(list(self.sums.values()), list(readings.values()))
        self.summed += 1

    def _all_reduced(self, values: torch.Tensor, operation: str) -> torch.Tensor:
        return self.fabric.all_reduce(values, reduce_op=operation) if self.fabric.world_size > 1 else values  # type: ignore[return-value]

    def _everywhere(self, found: Any) -> Any:
        """What the first process found."""
        return self.fabric.broadcast(found) if self.fabric.world_size > 1 else found

    def _agree(self) -> None:
        """Read the clock, and whether to stop; all processes go by the one that is furthest, or one would wait for another for ever."""
        self.done, self.stopping = self.budget.progress(self.steps - self.lagging.alone), self.interrupt.asked
        self.affordable = self.budget.affords_measuring()
        if self.fabric.world_size > 1:
            here = torch.tensor([self.done, float(self.stopping), float(not self.affordable)], dtype=torch.float64)
            self.done, stopping, dear = self._all_reduced(here, "max").tolist()
            self.stopping, self.affordable = bool(stopping), not dear

    def _go_back(self) -> None:
        self.failures += 1
        bad = [name for name, value in self.latest.items() if not torch.isfinite(value)]
        cause = f"'{bad[0]}'" if bad else f"the gradient of '{self.optimisation.culprit()}'"
        self.optimisation.forget()
        if self.failures > _FAILURES:
            raise WorkFailed(
                f"{cause} was not finite at step {self.steps}, after the learning rate had been halved {_FAILURES} times: "
                f"lower rate= (now {self.settings.rate:g}), or look for extreme values in the data"
            )
        failures, step, halved = self.failures, self.steps, self.settings.rate * 0.5**self.failures
        self.load(*self.saved)
        self.failures = self.optimisation.halvings = failures
        self._agree()
        told(
            self.hooks, self.history,
            f"{cause} was not finite at step {step}: went back to step {self.steps} and halved the learning rate to {halved:g}",
        )

    def _validate(self, before: float) -> None:
        began = self.budget.elapsed()
        self.average.catch_up(self.steps)
        self.average.swap()
        self.step.eval()
        self.step.advance(1.0)
        rows, mean = partial(self._batches, self.epoch, 0), partial(self._all_reduced, operation="mean")
        with self.fabric.autocast(), settled(self.step, rows, mean):
            held_out = self._measure()
            ended = self.lagging.measured(self.feed.validation)
        self.held.prepare(self.stage, self.step.model)
        self.step.objective.train()
        self.average.swap()
        train = {n: float(v) / self.summed for n, v in self.sums.items()}
        self.summed = 0
        epoch = self.epoch + self.within / self.feed.train.steps(self.fabric.world_size)
        seconds, rate = self._seconds(), self.optimisation.rate(before)
        found = Validation(self.index, self.steps, epoch, self.done, seconds, rate, train, held_out, self.active, self.units)
        self.history.validations.append(found)
        self.budget.measured += self.budget.elapsed() - began
        for hook in self.hooks:
            hook.validation(found)
        if ended:
            told(self.hooks, self.history, f"{ended}, at step {self.steps}")

    def _measure(self) -> dict[str, float]:
        """What is read on held-out rows of the weights as they stand in the model, which are kept where they are the best so far."""
        # Where a part has buffers of its own rows, as batch normalisation does, processes measure differently: all go by the first.
        held_out: dict[str, float]
        held_out, self.active, self.units = self._everywhere(measure(self.step, self.feed.validation))
        if self.stage.watch not in held_out:
            raise InputError(f"the stage watches {self.stage.watch!r}, which is not measured; measured are {', '.join(sorted(held_out))}")
        value = held_out[self.stage.watch]
        # Of equals the later: where nothing that is watched was held out, what was learnt is kept.
        better = value <= self.best_value
        self.best_value, self.since_best = (value, 0) if better else (self.best_value, self.since_best + 1)
        if better or (self.stage.keep == "last" and math.isfinite(value)):
            self.best = self._weights()
        return held_out

    def _out_of_patience(self) -> bool:
        if not self.settings.patience or self.since_best < self.settings.patience:
            return False
        told(self.hooks, self.history, f"stopped at step {self.steps}: no better '{self.stage.watch}' in {self.since_best} measurements")
        return True

    def _seconds(self) -> float:
        """Seconds since the run began: those of the stages before this one, and its own."""
        return max((v.seconds for v in self.history.validations if v.stage < self.index), default=0.0) + self.budget.elapsed()

    def _tell(self, rows: int) -> None:
        now = self.budget.elapsed()
        if now - self.told_at < _EVERY_SECONDS or not self.hooks:
            return
        speed = (self.steps - self.told_steps) * rows * self.fabric.world_size / max(now - self.told_at, 1e-9)
        self.rows_per_second = speed if not self.rows_per_second else 0.8 * self.rows_per_second + 0.2 * speed
        self.told_at, self.told_steps = now, self.steps
        readings = {n: float(v) for n, v in self.latest.items()}
        moment = Moment(
            self.index, self.steps, self.epoch, self.done, self._seconds(), self.rows_per_second, self.optimisation.rate(self.done),
            readings, self.active, self.units, self.stages,
        )
        for hook in self.hooks:
            hook.moment(moment)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {n: v.detach().clone() for n, v in self.step.model.state_dict().items()}

    def keep(self) -> None:
        """Take a snapshot, and write it where there is a file."""
        self.saved = self.snapshot()
        self.keep_saved()

    def keep_saved(self) -> None:
        """Write the latest snapshot where there is a file.

        Raises:
            InputError: in every process, where the first one cannot write; else the others would wait for it for ever.
        """
        failure = ""
        if self.file is not None and self.fabric.is_global_zero:
            try:
                save_tensors(self.file, *self.saved)
            except InputError as error:
                failure = str(error)
        if failure := self._everywhere(failure):
            raise InputError(failure)

    def snapshot(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Everything that decides the steps to come: tensors, and facts as JSON."""
        tensors = {f"step.{n}": v.detach().clone() for n, v in self.step.state_dict().items()}
        tensors |= {n: v.clone() for n, v in (self.optimisation.state() | self.average.state()).items()}
        tensors |= {f"best.{n}": v for n, v in self.best.items()}
        tensors["random"] = torch.get_rng_state()
        if self.fabric.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        facts = {
            "stage": self.index, "epoch": self.epoch, "within": self.within, "steps": self.steps, "failures": self.failures,
            "since_best": self.since_best, "best_value": self.best_value, "seconds": self.budget.elapsed(),
            "measured": self.budget.measured, "averaged": self.average.moved, "halvings": self.optimisation.halvings,
            "active": self.active, "units": self.units, "lagging": self.lagging.state, "history": self.history.to_json(),
            "frozen": self.held.names,
        }
        return tensors, facts

    def load(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Go to the state of a snapshot.

        Raises:
            ValueError: where other parameters were frozen by a person then: what is known of each goes by its place among the open ones.
        """
        if facts.get("frozen", []) != self.held.names:
            raise ValueError("other parameters were frozen when it was written")
        self.step.load_state_dict({n.removeprefix("step."): v for n, v in tensors.items() if n.startswith("step.")})
        self.optimisation.load(tensors)
        self.average.load(tensors, facts["averaged"])
        self.best = {n.removeprefix("best."): v.to(self.fabric.device) for n, v in tensors.items() if n.startswith("best.")}
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.fabric.device)
        self.epoch, self.within, self.steps = facts["epoch"], facts["within"], facts["steps"]
        self.failures, self.since_best, self.best_value = facts["failures"], facts["since_best"], facts["best_value"]
        self.active, self.units = facts["active"], facts["units"]
        self.optimisation.halvings, self.lagging.state = facts["halvings"], facts["lagging"]
        self.summed = 0
