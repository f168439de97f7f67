"""Terms: summands of an objective that read a trace."""

from vaekit.parts.objectives.evidence import KL, Reconstruction
from vaekit.parts.objectives.importance import ImportanceBound
from vaekit.parts.objectives.matching import MeanDiscrepancy
from vaekit.parts.objectives.moments import AggregateCovariance, MeanCovariance
from vaekit.parts.objectives.total_correlation import CriticTotalCorrelation, TotalCorrelation

__all__ = [
    "KL", "AggregateCovariance", "CriticTotalCorrelation", "ImportanceBound", "MeanCovariance", "MeanDiscrepancy", "Reconstruction",
    "TotalCorrelation",
]
