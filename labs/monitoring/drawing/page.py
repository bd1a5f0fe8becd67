"""Draws rows of the dashboard to a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from labs.monitoring.drawing.graph import Graph
from labs.monitoring.drawing.theme import THEMES, Theme
from labs.monitoring.recording import Recording

#: A column and a line of the grid, and the space between panels (pixels).
COLUMN, UNIT, GAP = 66, 31, 8
WIDTH = 24 * COLUMN + GAP

#: Pixels in an inch, for matplotlib.
DPI = 100

#: How many colours a picture keeps, so that it stays small.
COLOURS = 255

#: Each picture: its rows, by their titles, and its theme.
PICTURES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "dashboard-light": (("Overview", "Where time goes"), "light"),
    "dashboard-dark": (("Overview", "Where time goes"), "dark"),
    "dashboard-processes": (("Workers", "Interface servers"), "light"),
    "dashboard-rest": (("Redis", "Tasks and stored sends", "HTTP"), "light"),
}


def draw_all(dashboard: Mapping[str, Any], recording: Recording, folder: Path) -> None:
    """Draw all :data:`PICTURES` into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (rows, theme) in PICTURES.items():
        panels = panels_of(dashboard["panels"], rows)
        draw(panels, recording, THEMES[theme], folder / f"{name}.png")


def panels_of(panels: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the panels of these *rows*, with those that have their titles."""
    found, is_wanted = [], False
    for panel in panels:
        if panel["type"] == "row":
            is_wanted = panel["title"] in rows
        if is_wanted:
            found.append(panel)
    return found


def draw(
    panels: Sequence[Mapping[str, Any]], recording: Recording, theme: Theme, file: Path
) -> None:
    """Draw *panels* by their places, the first at the top."""
    top = panels[0]["gridPos"]["y"]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    size = (WIDTH, (bottom - top) * UNIT + GAP)
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=theme.page)
    for panel in panels:
        place = panel["gridPos"]
        left, height = place["x"] * COLUMN + GAP, place["h"] * UNIT - GAP
        low = size[1] - (place["y"] - top) * UNIT - GAP - height
        if panel["type"] == "row":
            figure.text(
                (left + 4) / size[0],
                (low + height / 2) / size[1],
                panel["title"],
                size=11,
                weight="bold",
                color=theme.text,
                va="center",
            )
        else:
            box = (left, low, place["w"] * COLUMN - GAP, height)
            Graph(figure, size, box, panel, recording, theme).draw()
    save(figure, file)


def save(figure: Figure, file: Path) -> None:
    """Write *figure* as a small PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    image = Image.open(buffer).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
