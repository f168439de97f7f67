"""Tensors to features: networks of any leading axes, each with `width` and `positions`."""

from vaekit.parts.networks.convolution import ConvolutionReader, ConvolutionWriter
from vaekit.parts.networks.corrupted import Corrupted
from vaekit.parts.networks.embed import Logarithm, OneHot, Scaled
from vaekit.parts.networks.join import join
from vaekit.parts.networks.mlp import MLP
from vaekit.parts.networks.own import OwnReader, OwnWriter
from vaekit.parts.networks.residual import Residual
from vaekit.parts.networks.vectors import VectorReader, VectorWriter

__all__ = [
    "MLP", "ConvolutionReader", "ConvolutionWriter", "Corrupted", "Logarithm", "OneHot", "OwnReader", "OwnWriter", "Residual", "Scaled",
    "VectorReader", "VectorWriter", "join",
]
