"""Terms: summands of an objective that read a trace."""

from vaekit.parts.objectives.adversarial import Adversary, FeatureReconstruction, LatentAdversary
from vaekit.parts.objectives.codes import CodebookLoss, Commitment
from vaekit.parts.objectives.evidence import KL, Reconstruction
from vaekit.parts.objectives.flow_matching import FlowMatching
from vaekit.parts.objectives.importance import ImportanceBound
from vaekit.parts.objectives.labels import Classification, RateUnder
from vaekit.parts.objectives.matching import MeanDiscrepancy
from vaekit.parts.objectives.moments import CovariancePenalty, of_aggregate, of_means
from vaekit.parts.objectives.total_correlation import CriticTotalCorrelation, TotalCorrelation

__all__ = [
    "KL", "Adversary", "Classification", "CodebookLoss", "Commitment", "CovariancePenalty", "CriticTotalCorrelation",
    "FeatureReconstruction", "FlowMatching", "ImportanceBound", "LatentAdversary", "MeanDiscrepancy", "RateUnder", "Reconstruction",
    "TotalCorrelation", "of_aggregate", "of_means",
]
