"""One loop for every system."""

from vaekit.training.fit import CHECKPOINT, Feed, History, fit
from vaekit.training.settings import Settings

__all__ = ["CHECKPOINT", "Feed", "History", "Settings", "fit"]
