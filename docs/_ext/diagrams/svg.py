"""Pieces of SVG. Their classes are those of docs/_static/site.css."""

from collections.abc import Iterable, Sequence
from html import escape

from diagrams.source import Source

#: Of the letters: their size in pixels, the height of a line, and their width on average.
SIZE, LINE, LETTER = 13, 17, 7.0


def lines_of(label: str) -> list[str]:
    """The lines of a label, which ``<br/>`` parts."""
    return [line.strip() for line in label.replace("<br>", "<br/>").split("<br/>")]


def width_of(label: str) -> float:
    """How wide a label is, at most, in the fonts that there may be."""
    return max(map(len, lines_of(label))) * LETTER


def height_of(label: str) -> float:
    """How high the lines of a label are."""
    return len(lines_of(label)) * LINE


def text(x: float, top: float, label: str, kind: str = "") -> str:
    """A label, centred at ``x``, whose first line begins at ``top``."""
    spans = (
        f'<tspan x="{x:g}" y="{top + LINE * number + SIZE:g}">{escape(line)}</tspan>'
        for number, line in enumerate(lines_of(label))
    )
    return f'<text class="diagram-text {kind}">{"".join(spans)}</text>'


def box(x: float, top: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    return (
        f'<rect class="{kind}" x="{x:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="4"/>'
    )


def path(points: str, kind: str) -> str:
    """A line; ``points`` is what the attribute ``d`` takes."""
    return f'<path class="{kind}" d="{points}"/>'


def head(x: float, y: float, direction: int) -> str:
    """The head of an arrow that ends at this point; 1 leads to the right, -1 to the left."""
    back = x - 8 * direction
    return f'<path class="diagram-head" d="M{x:g} {y:g}L{back:g} {y - 4:g}V{y + 4:g}Z"/>'


def document(source: Source, size: Sequence[float], pieces: Iterable[str]) -> str:
    """The whole drawing, of this width and height."""
    width, height = (f"{value:g}" for value in size)
    told = f"<title>{escape(source.title)}</title>"
    if source.description:
        told += f"<desc>{escape(source.description)}</desc>"
    return (
        f'<svg role="img" aria-label="{escape(source.title)}" style="width: {width}px"'
        f' viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        f"{told}{''.join(pieces)}</svg>"
    )
