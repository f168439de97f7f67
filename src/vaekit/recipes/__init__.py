"""Named systems, one function a paper."""

from vaekit.recipes.book import RECIPES, register

__all__ = ["RECIPES", "register"]
