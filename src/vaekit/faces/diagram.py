"""The pipeline as a drawing: an hourglass from data to data, every layer as wide as the logarithm of what it makes.

    width of a bar = least + (most - least) * log(1 + values) / log(1 + values of the widest)

Written by hand as SVG: no dependency, no script, no network; the colours follow the reader's light or dark mode.
"""

from html import escape
from math import log, prod
from textwrap import wrap

from vaekit.faces.anatomy import Anatomy, Layer, Organ

__all__ = ["drawn"]

_WIDTH, _LEFT, _CENTRE, _RIGHT = 960, 36, 400, 606
_LEAST, _MOST = 68.0, 320.0
_ROW, _GAP, _LINE = 32, 40, 18
_LETTERS = 50

_STYLE = """
 text{fill:#1c2330;font:13px system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
 .paper{fill:#ffffff} .panel{fill:#f5f6f8}
 .name{font-size:22px;font-weight:650} .role{font-weight:650} .soft{fill:#5c6675} .mid{text-anchor:middle}
 .number{text-anchor:end;fill:#5c6675;font-variant-numeric:tabular-nums}
 .bar{fill:#dbe6f4;stroke:#ffffff;stroke-width:1.5} .end{fill:#eceff3;stroke:#c5ccd6}
 .core{fill:#1f5fa8} .core-text{fill:#ffffff;font-weight:650}
 .flow{stroke:#8b95a3;stroke-width:1.5;fill:none} .tip{fill:#8b95a3}
 @media (prefers-color-scheme:dark){
 .paper{fill:#14181f} .panel{fill:#1c222b} text{fill:#e6e9ee} .soft,.number{fill:#9aa5b4} .bar{fill:#26405f;stroke:#14181f}
 .end{fill:#242b35;stroke:#3d4755} .core{fill:#5b9be0} .core-text{fill:#0d1116} .flow{stroke:#6c7787} .tip{fill:#6c7787}}
"""


def drawn(anatomy: Anatomy, note: str = "") -> str:
    """The drawing of an anatomy, as SVG text.

    Arguments:
        anatomy: of a system.
        note: a sentence below the title; empty = none.
    """
    shapes, y = _title(anatomy, note)
    widest = max([prod(s) for organ in anatomy.organs for layer in organ.layers for s in (layer.given, layer.made)], default=1)
    pipeline = [organ for organ in anatomy.organs if organ.role != "objective"]
    for index, organ in enumerate(pipeline):
        if index:
            shapes.append(_arrow(y))
            y += _GAP
        part, height = _network(organ, y, widest) if organ.layers and organ.role != "latent" else _station(organ, y)
        shapes += part
        y += height
    for organ in anatomy.organs:
        if organ.role == "objective":
            part, height = _objective(organ, y + 36)
            shapes += part
            y += 36 + height
    height = y + 32
    box, named = f"0 0 {_WIDTH} {height:g}", f"Pipeline of {escape(anatomy.name)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="{named}">'
        f'<style>{_STYLE}</style><rect class="paper" width="{_WIDTH}" height="{height:g}" rx="12"/>{"".join(shapes)}</svg>\n'
    )


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"' + (f' class="{kind}"' if kind else "") + f">{escape(words)}</text>"


def _lines(x: float, y: float, texts: tuple[str, ...] | list[str], kind: str, letters: int = _LETTERS) -> tuple[list[str], float]:
    """Wrapped lines below each other, and their height."""
    told = [line for text in texts for line in wrap(text, letters)]
    return [_text(x, y + i * _LINE, line, kind) for i, line in enumerate(told)], len(told) * _LINE


def _title(anatomy: Anatomy, note: str) -> tuple[list[str], float]:
    shapes = [_text(_LEFT, 50, anatomy.name, "name")]
    total = f"{anatomy.parameters:,} parameters" + (f"; {note}" if note else "")
    lines, height = _lines(_LEFT, 76, [text for text in (anatomy.idea, anatomy.source, total) if text], "soft", 130)
    return shapes + lines, 76 + height + 12


def _arrow(y: float) -> str:
    end = y + _GAP - 6
    return f'<path class="flow" d="M{_CENTRE} {y + 6:g}V{end - 6:g}"/><path class="tip" d="M{_CENTRE - 5} {end - 8:g}h10l-5 8z"/>'


def _bar(shape: tuple[int, ...], widest: int) -> float:
    return _LEAST + (_MOST - _LEAST) * log(1 + prod(shape)) / log(1 + widest)


def _network(organ: Organ, y: float, widest: int) -> tuple[list[str], float]:
    """A part with layers: its name on the left, a bar a layer, what each is on the right."""
    shapes = [_text(_LEFT, y + 20, organ.role.capitalize(), "role"), _text(_LEFT, y + 20 + _LINE, organ.title, "soft")]
    shapes.append(_text(_LEFT, y + 20 + 2 * _LINE, f"{organ.parameters:,} parameters", "soft"))
    facts, told = _lines(_LEFT, y + 20 + 3 * _LINE, organ.lines, "soft", 30)
    for index, layer in enumerate(organ.layers):
        shapes += _layer(layer, y + index * _ROW, widest)
    return shapes + facts, max(len(organ.layers) * _ROW, 3 * _LINE + 10 + told)


def _layer(layer: Layer, y: float, widest: int) -> list[str]:
    top, bottom = _bar(layer.given, widest) / 2, _bar(layer.made, widest) / 2
    points = f"{_CENTRE - top:g},{y:g} {_CENTRE + top:g},{y:g} {_CENTRE + bottom:g},{y + _ROW:g} {_CENTRE - bottom:g},{y + _ROW:g}"
    middle = y + _ROW / 2 + 4.5
    return [
        f'<polygon class="bar" points="{points}"/>', _text(_CENTRE, middle, _shape(layer.made), "mid"),
        _text(_RIGHT, middle, layer.kind),
        _text(_WIDTH - _LEFT, middle, f"{layer.parameters:,}" if layer.parameters else "", "number"),
    ]


def _station(organ: Organ, y: float) -> tuple[list[str], float]:
    """A part without layers of its own: one box, its facts on the right."""
    core = organ.role == "latent"
    width, tall, kind, letters = (190.0, 36.0, "core", 24) if core else (_MOST, 44.0, "end", 40)
    facts, told = _lines(_RIGHT, y + 16, organ.lines, "soft")
    height = max(tall, told)
    top, middle, title = y + (height - tall) / 2, y + height / 2 + 4.5, wrap(organ.title, letters)
    size = f'x="{_CENTRE - width / 2:g}" y="{top:g}" width="{width:g}" height="{tall:g}" rx="{18 if core else 8}"'
    box = f'<rect class="{kind}" {size}/>'
    first = middle - (len(title) - 1) * 8
    words = [_text(_CENTRE, first + i * 16, line, f"mid {kind}-text") for i, line in enumerate(title)]
    left = [_text(_LEFT, middle, organ.role.capitalize(), "role")]
    if organ.parameters:
        left.append(_text(_LEFT, middle + _LINE, f"{organ.parameters:,} parameters", "soft"))
    return [box, *words, *left, *facts], height


def _objective(organ: Organ, y: float) -> tuple[list[str], float]:
    lines, told = _lines(_LEFT + 164, y + 28, organ.lines, "", 104)
    height = told + 26
    return [
        f'<rect class="panel" x="{_LEFT - 16}" y="{y:g}" width="{_WIDTH - 2 * _LEFT + 32}" height="{height:g}" rx="8"/>',
        _text(_LEFT, y + 28, "Objective", "role"), _text(_LEFT, y + 28 + _LINE, organ.title, "soft"), *lines,
    ], max(height, 60)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
