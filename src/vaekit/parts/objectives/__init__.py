"""Terms: summands of an objective that read a trace."""

from vaekit.parts.objectives.evidence import KL, Reconstruction
from vaekit.parts.objectives.importance import ImportanceBound

__all__ = ["KL", "ImportanceBound", "Reconstruction"]
