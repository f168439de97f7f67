"""What a person froze before training, such as an encoder that was trained elsewhere, stays as it is."""

from collections.abc import Sequence

from torch import nn

from vaekit.core.errors import InputError
from vaekit.core.stage import Stage

__all__ = ["Held"]


class Held:
    """The parameters that took no gradient when training began, and the layers that would follow the rows that pass none the less.

    Those are in eval mode: the layers of a frozen network, its dropout and its running moments. Parts of this package decide themselves
    what they do while training: what corrupts a row goes on, and so does a scale with a closed-form optimum.

    Arguments:
        model: about to be trained.
    """

    def __init__(self, model: nn.Module):
        self.names = [name for name, p in model.named_parameters() if not p.requires_grad]
        self.parameters = [p for p in model.parameters() if not p.requires_grad]
        frozen = [module for module in model.modules() if _foreign(module) and _frozen(module)]
        self.layers = [layer for module in frozen for layer in module.modules() if _foreign(layer)]

    def check(self, stages: Sequence[Stage], model: nn.Module) -> None:
        """See that every stage has something to train, before the first one begins.

        Arguments:
            stages: to come.
            model: the same.

        Raises:
            InputError: where one has not.
        """
        for place, stage in enumerate(stages, start=1):
            if not self.prepare(stage, model):
                raise InputError(
                    f"stage {place} of {len(stages)} has nothing to train: all of {', '.join(stage.learn) or 'the model'} was frozen "
                    "by requires_grad_(False) before; leave a part of it open, or train the other stages alone"
                )

    def prepare(self, stage: Stage, model: nn.Module) -> list[nn.Parameter]:
        """Prepare a stage, and give the parameters that train.

        Arguments:
            stage: the next one.
            model: the same.
        """
        stage.prepare(model)
        self.freeze()
        return [p for p in model.parameters() if p.requires_grad]

    def freeze(self) -> None:
        """Have them take no gradient, nor follow the rows."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        for layer in self.layers:
            layer.training = False


def _foreign(module: nn.Module) -> bool:
    """Whether a module is torch's or a person's own."""
    return not type(module).__module__.startswith("vaekit.")


def _frozen(module: nn.Module) -> bool:
    own = list(module.parameters())
    return bool(own) and not any(p.requires_grad for p in own)
