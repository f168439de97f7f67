"""From facts to a page: one template engine, one style, one way to write a number."""

from typing import Any

from jinja2 import Environment, PackageLoader

__all__ = ["number", "rendered"]


def rendered(template: str, **facts: Any) -> str:
    """A page as one HTML text, its style within it.

    Arguments:
        template: the file's name, beside this one.
        facts: what it shows.
    """
    here = PackageLoader("vaekit.evaluation.report", "")
    environment = Environment(loader=here, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(style=environment.get_template("page.css").render(), **facts)


def number(value: float | int | None, unit: str = "") -> str:
    """A figure as it is read: four digits or so, never more decimals than matter; a count of so many is whole."""
    if value is None:
        return "–"
    if isinstance(value, int) or unit.startswith("of ") or value == 0:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.1e}"
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"
