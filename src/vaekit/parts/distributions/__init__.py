"""Distributions that torch lacks, each with its own rules beside it."""

# The rules of torch's own distributions, which the ones here are composed with.
from vaekit.core import rules as rules
from vaekit.parts.distributions import mixture as mixture
from vaekit.parts.distributions import one_hot as one_hot
from vaekit.parts.distributions.categories import OneHot, RelaxedOneHot, StraightOneHot
from vaekit.parts.distributions.clamp import soft_clamp
from vaekit.parts.distributions.code_priors import CodeSequence, UniformCodes
from vaekit.parts.distributions.codebook import Categories, Codebook
from vaekit.parts.distributions.continuous_bernoulli import ContinuousBernoulli
from vaekit.parts.distributions.correlated_normal import CorrelatedNormal
from vaekit.parts.distributions.discretised_logistic import DiscretisedLogistic
from vaekit.parts.distributions.drawn import Drawn
from vaekit.parts.distributions.flow import Backwards, Steps, affine_flow, coupling_spline_flow, spline_flow
from vaekit.parts.distributions.integrated import Integrated
from vaekit.parts.distributions.normal_flow import NormalFlow
from vaekit.parts.distributions.normal_mixture import NormalMixture
from vaekit.parts.distributions.open_beta import OpenBeta
from vaekit.parts.distributions.point import Point
from vaekit.parts.distributions.quantised import Quantised
from vaekit.parts.distributions.sylvester import SylvesterMaps
from vaekit.parts.distributions.von_mises_fisher import UniformSphere, VonMisesFisher
from vaekit.parts.distributions.wrapped_normal import WrappedNormal
from vaekit.parts.distributions.zero_inflated import ZeroInflated

__all__ = [
    "Backwards", "Categories", "CodeSequence", "Codebook", "ContinuousBernoulli", "CorrelatedNormal",
    "DiscretisedLogistic", "Drawn", "Integrated", "NormalFlow", "NormalMixture", "OneHot", "OpenBeta", "Point", "Quantised",
    "RelaxedOneHot", "Steps", "StraightOneHot", "SylvesterMaps", "UniformCodes", "UniformSphere", "VonMisesFisher",
    "WrappedNormal", "ZeroInflated", "affine_flow", "coupling_spline_flow", "soft_clamp", "spline_flow",
]
