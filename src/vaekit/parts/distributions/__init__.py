"""Distributions that torch lacks, each with its own rules beside it."""

from vaekit.parts.distributions.point import Point

__all__ = ["Point"]
