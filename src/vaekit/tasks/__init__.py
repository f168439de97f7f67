"""Verbs on a system. Each only chooses latents and reads the trace; none asks which model it has."""

from vaekit.tasks.augment import Augmented, augment
from vaekit.tasks.decode import decode
from vaekit.tasks.denoise import denoise
from vaekit.tasks.edit import Direction, direction, edit
from vaekit.tasks.encode import Encoding, encode, latent_names
from vaekit.tasks.ensemble import (
    EnsembleEncoding,
    EnsembleReconstruction,
    EnsembleScores,
    encode_together,
    reconstruct_together,
    score_together,
)
from vaekit.tasks.generate import generate
from vaekit.tasks.interpolate import interpolate
from vaekit.tasks.predict import Prediction, predict
from vaekit.tasks.rates import dimension_rates, ranked_dimensions
from vaekit.tasks.reconstruct import reconstruct
from vaekit.tasks.redraw import redraw
from vaekit.tasks.score import Scores, score
from vaekit.tasks.traverse import traverse

__all__ = [
    "Augmented", "Direction", "Encoding", "EnsembleEncoding", "EnsembleReconstruction", "EnsembleScores", "Prediction", "Scores",
    "augment", "decode", "denoise", "dimension_rates", "direction", "edit", "encode", "encode_together", "generate", "interpolate",
    "latent_names", "predict", "ranked_dimensions", "reconstruct", "reconstruct_together", "redraw", "score", "score_together",
    "traverse",
]
