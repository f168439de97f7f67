"""Whether the coordinates of a latent are the factors behind the data: measures that need the factors, and one that does not."""

from vaekit.evaluation.disentanglement.agreement import rank_agreement
from vaekit.evaluation.disentanglement.information import entropies, modularity, mutual_information, mutual_information_gap
from vaekit.evaluation.disentanglement.interventions import beta_vae_score, factor_vae_score
from vaekit.evaluation.disentanglement.labelled import Labelled, labelled
from vaekit.evaluation.disentanglement.measure import disentanglement, informative_codes, measure_agreement, measure_disentanglement
from vaekit.evaluation.disentanglement.prediction import dci_scores, explicitness, importance_scores, separated_attributes

__all__ = [
    "Labelled", "beta_vae_score", "dci_scores", "disentanglement", "entropies", "explicitness", "factor_vae_score", "importance_scores",
    "informative_codes", "labelled", "measure_agreement", "measure_disentanglement", "modularity", "mutual_information",
    "mutual_information_gap", "rank_agreement", "separated_attributes",
]
