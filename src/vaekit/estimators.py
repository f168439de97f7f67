"""The scikit-learn face under its short name: `from vaekit.estimators import VAETransformer`."""

from vaekit.faces.estimators import VAETransformer

__all__ = ["VAETransformer"]
