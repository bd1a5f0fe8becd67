"""Flow charts from left to right: boxes in columns, and arrows between them.

::

    flowchart LR
      accTitle: The way of a question
      client[Browser] -->|question| server[Interface server]
      server <-->|messages| layer[Redis]

A box stands one column to the right of the last box that leads to it.
"""

import re
from dataclasses import dataclass, field

from diagrams import svg
from diagrams.source import DiagramError, Source

_BOX = r"(\w+)(?:\[([^\]]+)\])?"
_EDGE = re.compile(rf"{_BOX} (<?-->)(?:\|([^|]+)\|)? {_BOX}")
_ALONE = re.compile(_BOX)

_PAD, _BETWEEN, _LEAST_GAP = 12.0, 22.0, 48.0


@dataclass
class _Box:
    label: str
    column: int = 0
    left: float = 0.0
    top: float = 0.0

    @property
    def width(self) -> float:
        return svg.width_of(self.label) + 2 * _PAD

    @property
    def height(self) -> float:
        return svg.height_of(self.label) + 2 * _PAD

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


@dataclass(frozen=True)
class _Edge:
    start: _Box
    end: _Box
    label: str
    is_mutual: bool


@dataclass
class _Chart:
    boxes: dict[str, _Box] = field(default_factory=dict)
    edges: list[_Edge] = field(default_factory=list)

    def box(self, name: str, label: str | None) -> _Box:
        if name not in self.boxes:
            self.boxes[name] = _Box(label or name)
        return self.boxes[name]

    def read(self, line: str) -> None:
        """Take in a line of the source."""
        if found := _EDGE.fullmatch(line):
            start, end = self.box(found[1], found[2]), self.box(found[5], found[6])
            end.column = max(end.column, start.column + 1)
            self.edges.append(_Edge(start, end, found[4] or "", found[3].startswith("<")))
        elif found := _ALONE.fullmatch(line):
            self.box(found[1], found[2])
        else:
            raise DiagramError(f"no line of a flow chart: {line!r}")

    def columns(self) -> list[list[_Box]]:
        last = max(box.column for box in self.boxes.values())
        return [[box for box in self.boxes.values() if box.column == n] for n in range(last + 1)]

    def gap_after(self, column: int) -> float:
        """The room between a column and the next, for the labels of arrows there."""
        labels = [edge.label for edge in self.edges if edge.label and edge.start.column == column]
        return max([_LEAST_GAP, *(svg.width_of(label) + 36 for label in labels)])

    def place(self) -> tuple[float, float]:
        """Give each box its place; the width and height of all."""
        left = 1.0
        columns = self.columns()
        heights = [sum(box.height + _BETWEEN for box in column) - _BETWEEN for column in columns]
        for number, column in enumerate(columns):
            top = (max(heights) - heights[number]) / 2 + 1
            widest = max(box.width for box in column)
            for box in column:
                box.left, box.top = left + (widest - box.width) / 2, top
                top += box.height + _BETWEEN
            left += widest + self.gap_after(number)
        return left - self.gap_after(len(columns) - 1) + 1, max(heights) + 2


def draw(source: Source) -> str:
    """The drawing of a flow chart."""
    chart = _Chart()
    for line in source.lines:
        chart.read(line)
    if not chart.boxes:
        raise DiagramError("a flow chart needs boxes")
    size = chart.place()
    edges = [_edge(edge) for edge in chart.edges]
    boxes = [
        svg.box(box.left, box.top, box.width, box.height, "diagram-box")
        + svg.text(box.left + box.width / 2, box.top + _PAD - 1, box.label)
        for box in chart.boxes.values()
    ]
    return svg.document(source, size, [*edges, *boxes])


def _edge(edge: _Edge) -> str:
    start, end = edge.start.left + edge.start.width, edge.end.left
    first, second, middle = edge.start.middle, edge.end.middle, (start + end) / 2
    begin = start + 2 if edge.is_mutual else start
    points = (
        f"M{begin:g} {first:g}C{middle:g} {first:g} {middle:g} {second:g} {end - 2:g} {second:g}"
    )
    drawn = svg.path(points, "diagram-line") + svg.head(end - 1, second, 1)
    if edge.is_mutual:
        drawn += svg.head(start + 1, first, -1)
    if not edge.label:
        return drawn
    height = svg.height_of(edge.label)
    top = (first + second) / 2 - height - 3
    return drawn + svg.text(middle, top, edge.label, "diagram-label")
