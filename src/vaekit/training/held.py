"""What a person froze before training, such as an encoder that was trained elsewhere, stays as it is."""

from torch import nn

from vaekit.core.errors import InputError
from vaekit.core.stage import Stage

__all__ = ["Held"]


class Held:
    """The parameters that took no gradient when training began, and the modules that have no others: those stay in eval mode.

    Arguments:
        model: about to be trained.
    """

    def __init__(self, model: nn.Module):
        self.parameters = [p for p in model.parameters() if not p.requires_grad]
        frozen = {id(p) for p in self.parameters}
        owning = [(module, [id(p) for p in module.parameters()]) for module in model.modules()]
        self.modules = [module for module, own in owning if own and frozen.issuperset(own)]

    def prepare(self, stage: Stage, model: nn.Module) -> list[nn.Parameter]:
        """Prepare a stage, and give the parameters that train.

        Arguments:
            stage: the next one.
            model: the same.

        Raises:
            InputError: where none are left.
        """
        stage.prepare(model)
        self.freeze()
        learning = [p for p in model.parameters() if p.requires_grad]
        if not learning:
            raise InputError("nothing of the model is left to train: every parameter was frozen by requires_grad_(False) before")
        return learning

    def freeze(self) -> None:
        """Have them take no gradient, nor follow the rows that pass."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        for module in self.modules:
            module.eval()
