"""Families of q(z|x): what an encoder's features become."""

from vaekit.parts.posteriors.classes import Classes
from vaekit.parts.posteriors.drawn import DrawnNormal
from vaekit.parts.posteriors.flow import Flow, Sylvester, flow_posterior
from vaekit.parts.posteriors.hyperbolic import Hyperbolic
from vaekit.parts.posteriors.normal import Normal
from vaekit.parts.posteriors.normalised import NormalisedMean, normal_posterior, read_as_data
from vaekit.parts.posteriors.point import Point
from vaekit.parts.posteriors.quantised import Grid, MovingVectors, Quantised, Vectors, vectors
from vaekit.parts.posteriors.relaxed import Relaxed
from vaekit.parts.posteriors.residual import Displaced, DisplacedInUnits, Residual, displaced_posterior, distances, residual_posterior
from vaekit.parts.posteriors.sphere import Sphere
from vaekit.parts.posteriors.weighed import Weighed, weighed_means

__all__ = [
    "Classes", "Displaced", "DisplacedInUnits", "DrawnNormal", "Flow", "Grid", "Hyperbolic", "MovingVectors", "Normal", "NormalisedMean",
    "Point", "Quantised", "Relaxed", "Residual", "Sphere", "Sylvester", "Vectors", "Weighed", "displaced_posterior", "distances",
    "flow_posterior", "normal_posterior", "read_as_data", "residual_posterior", "vectors", "weighed_means",
]
