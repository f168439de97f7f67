"""One loop for every system."""

from vaekit.training.fit import Feed, History, fit
from vaekit.training.settings import Settings

__all__ = ["Feed", "History", "Settings", "fit"]
