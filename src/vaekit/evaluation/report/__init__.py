"""A page that a manager and an engineer can both read: the verdict, the pictures, then every figure with its protocol."""

from vaekit.evaluation.report.comparison import comparison_page
from vaekit.evaluation.report.gallery import Gallery, carried, gather
from vaekit.evaluation.report.page import page

__all__ = ["Gallery", "carried", "comparison_page", "gather", "page"]
