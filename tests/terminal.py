"""A terminal as a picture: what a command wrote, as SVG in the colours that the reader has."""

from collections.abc import Sequence
from html import escape

WIDTH, LINE, MARGIN = 7.9, 20, 18

FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
rect {{ fill: #f6f8fa; stroke: #d0d7de }}
text {{ fill: #1f2328; white-space: pre }}
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }}
.asked {{ fill: #0550ae }}
@media (prefers-color-scheme: dark) {{
rect {{ fill: #161b22; stroke: #30363d }}
text {{ fill: #e6edf3 }}
.asked {{ fill: #79c0ff }}
}}
</style>
<rect x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="8"/>
{lines}
</svg>
"""


def draw(command: str, output: Sequence[str]) -> str:
    """The picture of a command and of the lines that it wrote."""
    lines = [f"$ {command}", *output]
    width = round(max(map(len, lines)) * WIDTH + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    return FRAME.format(
        width=width,
        height=height,
        inner_width=width - 1,
        inner_height=height - 1,
        title=escape(command),
        lines="\n".join(_line(number, text) for number, text in enumerate(lines)),
    )


def _line(number: int, text: str) -> str:
    y = MARGIN + number * LINE + 14
    kind = ' class="asked"' if number == 0 else ""
    return f'<text x="{MARGIN}" y="{y}"{kind} xml:space="preserve">{escape(text)}</text>'
