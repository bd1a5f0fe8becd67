"""The picture shows what was recorded, in the colours of the theme."""

from pathlib import Path

import pytest
from PIL import Image, ImageColor

from labs.harness.project import ROOT
from labs.monitoring.drawing.graph import gapped, legend, powers_of_two
from labs.monitoring.drawing.page import PICTURES, WIDTH, draw, panels_of
from labs.monitoring.drawing.theme import NAMED, SERIES, THEMES
from labs.monitoring.recording import queries
from labs.monitoring.run import read_dashboard
from tests.labs.monitoring.recordings import alert, line, recorded

DASHBOARD = read_dashboard()


def has(file: Path, colour: str) -> bool:
    """Whether the picture has this colour, or nearly: it keeps only so many."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    wanted = ImageColor.getrgb(colour)
    return any(
        max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= 6
        for _, found in image.getcolors(image.width * image.height) or []
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The overview in both themes; each query has two series that are always 5."""
    folder = tmp_path_factory.mktemp("pictures")
    values = [5.0] * 20
    series = {
        query: [line({"instance": name}, *values) for name in ("a", "b")]
        for query in queries(DASHBOARD)
    }
    found = recorded(series, [alert("NoWorker", "firing", 12)])
    for name, theme in THEMES.items():
        panels = panels_of(DASHBOARD["panels"], ["Overview"])
        draw(panels, found, theme, folder / f"{name}.png")
    return folder


def test_each_row_is_in_one_picture_of_the_light_theme() -> None:
    shown = [row for rows, theme in PICTURES.values() if theme == "light" for row in rows]
    titles = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert shown == titles


@pytest.mark.parametrize("name", THEMES)
def test_a_picture_has_its_theme_and_its_lines(name: str, pictures: Path) -> None:
    file = pictures / f"{name}.png"
    with Image.open(file) as image:
        assert image.width == WIDTH
    for colour in (THEMES[name].page, THEMES[name].panel, SERIES[0], SERIES[1]):
        assert has(file, colour), colour
    assert not has(file, SERIES[6])


def test_a_number_has_the_colour_of_its_limit(pictures: Path) -> None:
    """The oldest message is 5 s old: more than 2 s, less than 10 s. There are 5 dead letters."""
    file = pictures / "light.png"
    assert has(file, NAMED["yellow"])
    assert has(file, NAMED["green"])


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_docs_are_small(name: str) -> None:
    file = ROOT / "docs" / "images" / f"{name}.png"
    assert file.stat().st_size < 200_000


def test_bytes_have_round_steps() -> None:
    assert powers_of_two(90 * 2**20) == [0, 32 * 2**20, 64 * 2**20]


def test_a_legend_is_filled_in() -> None:
    assert legend("{{channel}} {{ state }}: {{none}}", {"channel": "a", "state": "b"}) == "a b: "


def test_a_gap_stays_a_gap() -> None:
    one = line({}, 1, 2)
    later = line({}, 3, start=10)
    times, values, floor = gapped(type(one)({}, one.samples + later.samples), {1.0: 10.0})
    assert times == [0, 1, 2, 10]
    assert values[:2] == [1, 12]
    assert values[2] != values[2]
    assert floor == [0, 10, 0, 0]
