"""The two ends of each kind of data."""

from vaekit.modalities.image import Image
from vaekit.modalities.vector import Vector

__all__ = ["MODALITIES", "Image", "Vector"]

MODALITIES = {"image": Image, "vector": Vector}
