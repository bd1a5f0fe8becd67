"""Diagrams are drawn from text, and an invalid text is an error."""

import sys
from xml.etree import ElementTree as ET

import pytest

from tests.docs.pages import DOCS

sys.path.append(str(DOCS / "_ext"))

from diagrams import DiagramError, draw

SVG = "{http://www.w3.org/2000/svg}"
SEQUENCE = """
sequenceDiagram
  accTitle: A question
  accDescr: The client asks, the server answers
  participant C as Client
  participant S as Interface server
  %% a comment
  C->>S: how are you, & what is <new>?
  S->>S: it thinks,<br/>for long
  Note over S: killed here?
  Note over C, S: both wait
  S-->>C: well
  S--xC: lost
"""
FLOWCHART = """
flowchart LR
  accTitle: The processes
  browsers[Browsers] <-->|WebSocket| servers[Interface<br/>servers]
  servers --> redis[Redis]
  workers[Workers] --> redis
  alone
"""


def drawn(text: str) -> ET.Element:
    return ET.fromstring(draw(text))


def labels(svg: ET.Element) -> list[str]:
    return [" ".join(span.text or "" for span in text) for text in svg.iter(f"{SVG}text")]


def test_a_sequence_diagram() -> None:
    svg = drawn(SEQUENCE)
    expected = {"Client", "Interface server", "how are you, & what is <new>?", "lost", "well"}
    assert expected | {"it thinks, for long", "killed here?", "both wait"} == set(labels(svg))
    assert svg.findtext(f"{SVG}title") == svg.get("aria-label") == "A question"
    assert svg.findtext(f"{SVG}desc") == "The client asks, the server answers"
    heads = [path for path in svg.iter(f"{SVG}path") if path.get("class") == "diagram-head"]
    assert len(heads) == 3  # and a cross where the message is lost


def test_a_flow_chart() -> None:
    svg = drawn(FLOWCHART)
    boxes = {"Browsers", "Interface servers", "Redis", "Workers", "alone"}
    assert boxes | {"WebSocket"} == set(labels(svg))
    heads = [path for path in svg.iter(f"{SVG}path") if path.get("class") == "diagram-head"]
    assert len(heads) == 4  # one arrow has two


@pytest.mark.parametrize("text", [SEQUENCE, FLOWCHART])
def test_everything_is_inside_the_picture(text: str) -> None:
    svg = drawn(text)
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    for box in svg.iter(f"{SVG}rect"):
        left, top, wide, high = (
            float(box.get(name, "nan")) for name in ("x", "y", "width", "height")
        )
        assert left >= 0
        assert left + wide <= width
        assert top >= 0
        assert top + high <= height
    for text_element in svg.iter(f"{SVG}text"):
        for span in text_element:
            half = len(span.text or "") * 7 / 2
            assert half <= float(span.get("x", "nan")) + 1
            assert float(span.get("x", "nan")) + half <= width + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pie\naccTitle: x", "begins with one of"),
        ("", "accTitle"),
        ("sequenceDiagram\nparticipant A", "accTitle"),
        ("sequenceDiagram\naccTitle: x", "needs participants"),
        ("sequenceDiagram\naccTitle: x\nparticipant A\nA->>B: x", "B is no participant"),
        ("sequenceDiagram\naccTitle: x\nparticipant A\nloop x", "no line of a sequence"),
        ("flowchart LR\naccTitle: x", "needs boxes"),
        ("flowchart LR\naccTitle: x\na ==> b", "no line of a flow chart"),
    ],
)
def test_invalid_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(DiagramError, match=message):
        draw(text)
