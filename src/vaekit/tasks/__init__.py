"""Verbs on a system. Each only chooses latents and reads the trace; none asks which model it has."""

from vaekit.tasks.decode import decode
from vaekit.tasks.denoise import denoise
from vaekit.tasks.encode import Encoding, encode
from vaekit.tasks.generate import generate
from vaekit.tasks.interpolate import interpolate
from vaekit.tasks.reconstruct import reconstruct
from vaekit.tasks.score import Scores, score
from vaekit.tasks.traverse import traverse

__all__ = ["Encoding", "Scores", "decode", "denoise", "encode", "generate", "interpolate", "reconstruct", "score", "traverse"]
