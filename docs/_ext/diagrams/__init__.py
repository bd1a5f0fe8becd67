"""Draws diagrams of the site from text, in the language of Mermaid, while Sphinx builds it.

Mermaid itself is a script of three megabytes that needs a browser. Of its language this knows what
the pages use: sequence diagrams and flow charts from left to right. What it does not know is an
error of the build. Colours are those of the theme, so that a diagram follows light and dark.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from diagrams import flowchart, sequence
from diagrams.source import DiagramError, Source

_DRAWN = {"sequenceDiagram": sequence.draw, "flowchart LR": flowchart.draw}


def draw(text: str) -> str:
    """The SVG of a diagram; ``DiagramError`` if it cannot be drawn."""
    source = Source.read(text)
    if source.kind not in _DRAWN:
        raise DiagramError(f"a diagram begins with one of {list(_DRAWN)}, not {source.kind!r}")
    return _DRAWN[source.kind](source)


class Mermaid(SphinxDirective):
    """A block of code whose language is ``mermaid``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Put the drawing where the block stands."""
        try:
            drawn = draw("\n".join(self.content))
        except DiagramError as error:
            raise self.error(str(error)) from error
        # On a narrow screen a diagram scrolls; its letters keep their size.
        return [nodes.raw("", f'<div class="diagram">{drawn}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
