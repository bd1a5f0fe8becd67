"""Pictures of a terminal."""

from xml.etree import ElementTree as ET

from tests.terminal import draw

SVG = "{http://www.w3.org/2000/svg}"


def test_each_line_is_drawn_below_the_previous_one() -> None:
    picture = ET.fromstring(draw("show --all", ["1 < 2", "  a & b"]))
    texts = picture.findall(f"{SVG}text")
    assert [text.text for text in texts] == ["$ show --all", "1 < 2", "  a & b"]
    heights = [int(text.attrib["y"]) for text in texts]
    assert heights == sorted(set(heights))
    assert int(picture.attrib["viewBox"].split()[3]) > heights[-1]
