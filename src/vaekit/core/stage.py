"""Which parts train, on what, for how long.

A stage is a part of one `fit`: a prior over codes is fitted in a second stage, after the first has been frozen.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from vaekit.core.errors import InputError
from vaekit.core.objective import Objective

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Arguments:
        objective: what is minimised.
        learn: dotted names of the parts that train; all else is frozen and in eval mode. Empty = everything.
        share: fraction of the budget, relative to the other stages.
        watch: the reading that should fall on held-out rows: `loss`, what is minimised, schedules at their ends; `elbo`, -ELBO; or a term.
        keep: the weights that it ends with: of the `best` measurement of what is watched, or of the `last` one, where what is watched
            does not see all that is minimised.
    """

    objective: Objective
    learn: tuple[str, ...] = ()
    share: float = 1.0
    watch: str = "loss"
    keep: Literal["best", "last"] = "best"

    def prepare(self, model: nn.Module) -> list[nn.Parameter]:
        """Put the learning parts in training mode, freeze all else in eval mode, and give the parameters that train.

        Raises:
            InputError: where a name in `learn` is not a part of the model.
        """
        parts = dict(model.named_modules())
        unknown = [name for name in self.learn if name not in parts]
        if unknown:
            children = ", ".join(name for name, _ in model.named_children())
            raise InputError(f"stage learns {unknown[0]!r}, which the model lacks; its parts are {children}")
        learning = [parts[name] for name in self.learn] or [model]
        model.eval()
        model.requires_grad_(False)
        for part in learning:
            part.train()
            part.requires_grad_(True)
        return [p for p in model.parameters() if p.requires_grad]
