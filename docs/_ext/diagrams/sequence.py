"""Sequence diagrams: messages between participants, from top to bottom.

::

    sequenceDiagram
      accTitle: A question
      participant C as Client
      participant S as Server
      C->>S: how are you?
      Note over S: it thinks
      S-->>C: well
"""

import re
from dataclasses import dataclass, field

from diagrams import svg
from diagrams.source import DiagramError, Source

_PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?")
_MESSAGE = re.compile(r"(\w+) ?(--?>>|--?x) ?(\w+): ?(.+)")
_NOTE = re.compile(r"Note over (\w+)(?:, ?(\w+))?: ?(.+)")

_PAD, _ROW, _NOTE_PAD = 12.0, 14.0, 8.0
_SELF = 34.0  # how far an arrow to its own sender goes out


@dataclass(frozen=True)
class _Message:
    """An arrow with its label; ``x`` at its end means that it does not arrive."""

    start: int
    arrow: str
    end: int
    label: str

    @property
    def height(self) -> float:
        return svg.height_of(self.label) + (22.0 if self.start == self.end else 6.0)


@dataclass(frozen=True)
class _Note:
    """A box over the lines of some participants."""

    start: int
    end: int
    label: str

    @property
    def height(self) -> float:
        return svg.height_of(self.label) + 2 * _NOTE_PAD - 2


@dataclass
class _Diagram:
    labels: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    rows: list[_Message | _Note] = field(default_factory=list)

    def index(self, name: str) -> int:
        if name not in self.ids:
            raise DiagramError(f"{name} is no participant")
        return self.ids.index(name)

    def read(self, line: str) -> None:
        """Take in a line of the source."""
        if found := _PARTICIPANT.fullmatch(line):
            self.ids.append(found[1])
            self.labels.append(found[2] or found[1])
        elif found := _NOTE.fullmatch(line):
            first, last = self.index(found[1]), self.index(found[2] or found[1])
            self.rows.append(_Note(min(first, last), max(first, last), found[3]))
        elif found := _MESSAGE.fullmatch(line):
            self.rows.append(
                _Message(self.index(found[1]), found[2], self.index(found[3]), found[4])
            )
        else:
            raise DiagramError(f"no line of a sequence diagram: {line!r}")

    def columns(self) -> list[float]:
        """Where the line of each participant stands, so that all labels have room."""
        half = [svg.width_of(label) / 2 + _PAD for label in self.labels]
        gaps = [half[n] + half[n + 1] + _PAD for n in range(len(half) - 1)]
        for row in sorted(self.rows, key=lambda row: abs(row.end - row.start)):
            start, end = sorted((row.start, row.end))
            needed = svg.width_of(row.label) + 2 * _PAD
            if start == end:
                self._widen_beside(start, row, needed, gaps)
            elif (missing := needed - sum(gaps[start:end])) > 0:
                gaps[start:end] = [gap + missing / (end - start) for gap in gaps[start:end]]
        first = max([half[0], *(self._left_of(row) for row in self.rows if row.start == 0)])
        return [first + sum(gaps[:n]) for n in range(len(half))]

    @staticmethod
    def _widen_beside(at: int, row: _Message | _Note, needed: float, gaps: list[float]) -> None:
        """Make room for what stands at one line only."""
        if isinstance(row, _Message):
            if at < len(gaps):
                gaps[at] = max(gaps[at], needed + _SELF)
            return
        for gap in {at - 1, at} & set(range(len(gaps))):
            gaps[gap] = max(gaps[gap], needed / 2 + _PAD)

    @staticmethod
    def _left_of(row: _Message | _Note) -> float:
        is_own = isinstance(row, _Note) and row.start == row.end
        return svg.width_of(row.label) / 2 + _PAD if is_own else 0.0

    def right_of(self, row: _Message | _Note, columns: list[float]) -> float:
        """How far to the right a row reaches."""
        if isinstance(row, _Message) and row.start == row.end:
            return columns[row.start] + _SELF + 8 + svg.width_of(row.label)
        if isinstance(row, _Note) and row.start == row.end:
            return columns[row.start] + svg.width_of(row.label) / 2 + _PAD
        return columns[max(row.start, row.end)] + _PAD


def draw(source: Source) -> str:
    """The drawing of a sequence diagram."""
    diagram = _Diagram()
    for line in source.lines:
        diagram.read(line)
    if not diagram.ids:
        raise DiagramError("a sequence diagram needs participants")
    columns = diagram.columns()
    heads = max(map(svg.height_of, diagram.labels)) + 2 * _NOTE_PAD
    top, pieces = heads + _ROW, []
    for row in diagram.rows:
        pieces.append(_note(row, columns, top) if isinstance(row, _Note) else "")
        pieces.append(_message(row, columns, top) if isinstance(row, _Message) else "")
        top += row.height + _ROW
    last = svg.width_of(diagram.labels[-1]) / 2 + _PAD + columns[-1]
    width = max([last, *(diagram.right_of(row, columns) for row in diagram.rows)]) + 1
    lines = [
        svg.path(f"M{x:g} {heads:g}V{top:g}", "diagram-life") + _head(label, x, heads)
        for label, x in zip(diagram.labels, columns, strict=True)
    ]
    return svg.document(source, (width, top + 1), [*lines, *pieces])


def _head(label: str, x: float, height: float) -> str:
    half = svg.width_of(label) / 2 + _PAD - 2
    drawn = svg.box(x - half, 1, 2 * half, height - 1, "diagram-box")
    return drawn + svg.text(x, (height - svg.height_of(label)) / 2, label, "diagram-strong")


def _note(note: _Note, columns: list[float], top: float) -> str:
    left, right = columns[note.start], columns[note.end]
    half = max((right - left) / 2 + _PAD, svg.width_of(note.label) / 2 + _NOTE_PAD)
    middle = (left + right) / 2
    drawn = svg.box(middle - half, top, 2 * half, note.height, "diagram-note")
    return drawn + svg.text(middle, top + _NOTE_PAD - 2, note.label)


def _message(message: _Message, columns: list[float], top: float) -> str:
    start, end = columns[message.start], columns[message.end]
    kind = "diagram-line diagram-dashed" if message.arrow.startswith("--") else "diagram-line"
    below = top + svg.height_of(message.label) + 2
    if start == end:
        middle = start + _SELF + 4 + svg.width_of(message.label) / 2
        points = f"M{start:g} {top + 4:g}h{_SELF - 8:g}V{below + 8:g}H{start + 2:g}"
        label = svg.text(middle, top + 4, message.label, "diagram-label")
        return label + svg.path(points, kind) + svg.head(start + 1, below + 8, -1)
    direction = 1 if end > start else -1
    label = svg.text((start + end) / 2, top - 2, message.label, "diagram-label")
    if message.arrow.endswith("x"):
        stop = (start + 3 * end) / 4
        cross = f"M{stop - 5:g} {below - 5:g}l10 10m0-10l-10 10"
        line = svg.path(f"M{start:g} {below:g}H{stop:g}", kind)
        return label + line + svg.path(cross, "diagram-line")
    line = svg.path(f"M{start:g} {below:g}H{end - 2 * direction:g}", kind)
    return label + line + svg.head(end - direction, below, direction)
