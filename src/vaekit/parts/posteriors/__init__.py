"""Families of q(z|x): what an encoder's features become."""

from vaekit.parts.posteriors.classes import Classes
from vaekit.parts.posteriors.drawn import DrawnNormal
from vaekit.parts.posteriors.flow import Flow
from vaekit.parts.posteriors.normal import Normal
from vaekit.parts.posteriors.normalised import NormalisedMean, normal_posterior
from vaekit.parts.posteriors.point import Point
from vaekit.parts.posteriors.sphere import Sphere

__all__ = [
    "Flow", "Normal", "NormalisedMean", "Point", "Classes", "DrawnNormal", "normal_posterior",
    "Sphere",
]
