"""Measures of a system. Nothing here trains a model: what needs a trained one is given it."""

from vaekit.evaluation.annealing import Annealing, needs_moving_latents
from vaekit.evaluation.bidirectional import annealed_nll, between
from vaekit.evaluation.codes import CodeUse, measure_codes
from vaekit.evaluation.disentanglement import disentanglement, measure_agreement, measure_disentanglement
from vaekit.evaluation.distance import frechet_distance, kernel_distance
from vaekit.evaluation.evaluate import evaluate
from vaekit.evaluation.extractor import Extractor, digest_of
from vaekit.evaluation.latent import Latents, measure_latents
from vaekit.evaluation.likelihood import Likelihood, importance_nll
from vaekit.evaluation.memorisation import Memorisation, memorisation
from vaekit.evaluation.prior import PriorFit, measure_prior
from vaekit.evaluation.reconstruction import measure_reconstruction
from vaekit.evaluation.remedy import Tried
from vaekit.evaluation.representation import measure_representation
from vaekit.evaluation.samples import measure_samples
from vaekit.evaluation.semisupervised import label_set, measure_labels, measure_semisupervised
from vaekit.evaluation.sharpness import measure_sharpness
from vaekit.evaluation.verdict import Verdict, verdict

__all__ = [
    "digest_of", "disentanglement", "evaluate", "frechet_distance", "importance_nll", "kernel_distance", "measure_agreement",
    "measure_disentanglement",
    "Annealing", "CodeUse", "Extractor", "Latents", "Likelihood", "Memorisation", "PriorFit", "Tried", "Verdict", "annealed_nll", "between",
    "label_set", "measure_codes", "measure_labels", "measure_latents", "measure_prior", "measure_reconstruction",
    "measure_representation", "measure_samples", "measure_semisupervised", "measure_sharpness", "memorisation", "needs_moving_latents",
    "verdict",
]
