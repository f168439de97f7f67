"""Nonlinearities by their names."""

from torch import nn

__all__ = ["ACTIVATIONS", "activation"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU, "gelu": nn.GELU, "leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """The nonlinearity of this name.

    Raises:
        KeyError: where there is none; the modality checks names before a network is built.
    """
    return ACTIVATIONS[name]()
