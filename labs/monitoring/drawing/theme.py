"""Colours, as Grafana has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """The colours of the page, and of panels on it."""

    page: str
    panel: str
    border: str
    text: str
    faint: str
    grid: str


THEMES = {
    "light": Theme("#f4f5f5", "#ffffff", "#dcdee1", "#24292e", "#6e7178", "#e6e7ea"),
    "dark": Theme("#111217", "#181b1f", "#2a2d33", "#d8d9e0", "#9a9da4", "#272b31"),
}

#: The palette of Grafana, "classic".
SERIES = (
    *("#73bf69", "#e8b31c", "#5794f2", "#ff780a", "#f2495c", "#8ab8ff", "#b877d9", "#705da0"),
    *("#37872d", "#c4a000", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"),
)

#: Names of colours in thresholds.
NAMED = {"green": "#56a64b", "yellow": "#e0a800", "red": "#e02f44"}

ALERT = "#e02f44"
