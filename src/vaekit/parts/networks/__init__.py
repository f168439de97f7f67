"""Tensors to features: networks of any leading axes, each with `width` and `positions`."""

from vaekit.parts.networks.convolution import BlockStyle, ConvolutionReader, ConvolutionWriter, coarsest
from vaekit.parts.networks.corrupted import Corrupted
from vaekit.parts.networks.critic import Critic
from vaekit.parts.networks.embed import Logarithm, OneHot, Ordered, Scaled
from vaekit.parts.networks.field import VelocityField
from vaekit.parts.networks.gyroplanes import Gyroplanes
from vaekit.parts.networks.join import join
from vaekit.parts.networks.late import Late
from vaekit.parts.networks.mlp import MLP
from vaekit.parts.networks.own import OwnReader, OwnWriter
from vaekit.parts.networks.pyramid import Pyramid, grid_pyramid, vector_pyramid
from vaekit.parts.networks.residual import Residual
from vaekit.parts.networks.shifted import Shifted, shifted
from vaekit.parts.networks.transformer import CausalTransformer
from vaekit.parts.networks.vectors import VectorReader, VectorWriter

__all__ = [
    "MLP", "BlockStyle", "CausalTransformer", "ConvolutionReader", "ConvolutionWriter", "Corrupted", "Critic", "Gyroplanes", "Late",
    "Logarithm", "OneHot", "Ordered", "OwnReader", "OwnWriter", "Pyramid", "Residual", "Scaled", "Shifted", "VectorReader", "VectorWriter",
    "VelocityField", "coarsest", "grid_pyramid", "join", "shifted", "vector_pyramid",
]
