r"""The optimisers and their rate.

    rate(p) = peak * min(p / w, 1) * [f + (1 - f) (1 + cos(pi p)) / 2]          warm-up w, final fraction f

AdamW, fused (Kingma, Ba 2014, arXiv:1412.6980; Loshchilov, Hutter 2017, arXiv:1711.05101). The objective's own networks, where it has
any, are an opponent and have an optimiser of their own.
"""

import math

import torch
from torch import nn

from vaekit.core.objective import Step
from vaekit.training.settings import Settings

__all__ = ["Optimisation"]


class Optimisation:
    """The optimisers of one stage.

    Arguments:
        step: the walk and its losses; its stage has been prepared.
        settings: the run's.
    """

    def __init__(self, step: Step, settings: Settings):
        self.settings = settings
        self.halvings = 0
        sides = [[p for p in side.parameters() if p.requires_grad] for side in (step.model, step.objective)]
        # One group a side: Adam's Python runs once a group, which on small networks takes longer than its arithmetic.
        betas = (settings.momentum, 0.999)
        self.optimisers = [
            torch.optim.AdamW(side, settings.rate, betas, weight_decay=settings.weight_decay, fused=True) for side in sides if side
        ]
        self.parameters = [p for side in sides for p in side]
        self.named = {id(p): name for name, p in step.named_parameters()}

    def rate(self, progress: float) -> float:
        """The learning rate at this progress."""
        s = self.settings
        rise = min(progress / s.warm_up, 1.0) if s.warm_up else 1.0
        fall = s.final + (1 - s.final) * (1 + math.cos(math.pi * progress)) / 2
        # A first step at rate zero would do nothing.
        return s.rate * max(rise, 1e-3) * fall * 0.5**self.halvings

    def norm(self) -> torch.Tensor:
        """The norm of the whole gradient, ()."""
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm([p.grad for p in self.parameters if p.grad is not None])))

    def step(self, progress: float, norm: torch.Tensor) -> None:
        """Move the weights along the gradient, clipped, and forget it.

        Arguments:
            progress: fraction of the stage that is done.
            norm: of the whole gradient.
        """
        # A product with 1 would be one more pass over all gradients at every step.
        if self.settings.clip and norm > self.settings.clip:
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip, norm, foreach=True)
        rate = self.rate(progress)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        self.forget()

    def forget(self) -> None:
        """Drop the gradients."""
        for p in self.parameters:
            p.grad = None

    def culprit(self) -> str:
        """The first parameter whose gradient is not finite, by name."""
        for p in self.parameters:
            if p.grad is not None and not torch.isfinite(p.grad).all():
                return self.named[id(p)]
        return "the loss"

    def state(self) -> dict[str, torch.Tensor]:
        """The optimisers' tensors, for a checkpoint."""
        return {
            f"optimiser.{o}.{index}.{name}": value
            for o, optimiser in enumerate(self.optimisers)
            for index, values in optimiser.state_dict()["state"].items()
            for name, value in values.items()
        }

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the optimisers' tensors from a checkpoint."""
        for o, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in tensors.items():
                if name.startswith(f"optimiser.{o}."):
                    index, field = name.split(".")[2:]
                    state.setdefault(int(index), {})[field] = value.clone()
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
