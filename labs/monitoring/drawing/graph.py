"""Draws one panel into its place on the page."""

from __future__ import annotations

import math
import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

from labs.harness.prometheus_server import Series
from labs.monitoring.drawing.theme import ALERT, NAMED, SERIES, Theme
from labs.monitoring.drawing.units import shown
from labs.monitoring.recording import STEP, Recording

#: The size of text (points), and of a line of legends (pixels).
TITLE, LABEL, NUMBER, LINE = 9, 7, 22, 15

#: How many lines of legends there are at most. Grafana lets readers scroll to the others.
MOST_LINES = 3

#: The width of a letter in a legend (pixels), on average.
LETTER = 6.0


class Graph:
    """A *panel* of the dashboard in *box*: left, bottom, width and height in pixels.

    *figure* is matplotlib's, of so many pixels (*size*).
    """

    def __init__(
        self,
        figure: Any,
        size: tuple[float, float],
        box: tuple[float, float, float, float],
        panel: Mapping[str, Any],
        recording: Recording,
        theme: Theme,
    ) -> None:
        self.figure, self.size, self.box = figure, size, box
        self.panel, self.recording, self.theme = panel, recording, theme
        self.unit: str = panel["fieldConfig"]["defaults"]["unit"]

    def draw(self) -> None:
        """Draw it."""
        self._frame()
        if self.panel["type"] == "stat":
            self._number()
        else:
            self._lines()

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Any:
        """Return axes in a part of the box (pixels from its left and bottom)."""
        x, y, across, up = self.size[0], self.size[1], self.box[0], self.box[1]
        place = ((across + left) / x, (up + bottom) / y, width / x, height / y)
        return self.figure.add_axes(place)

    def _frame(self) -> None:
        axes = self._axes(0, 0, self.box[2], self.box[3])
        axes.set_facecolor(self.theme.panel)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(self.theme.border)
        place = (9 / self.box[2], 1 - 9 / self.box[3])
        title, weight = self.panel["title"], "bold"
        axes.text(*place, title, va="top", size=TITLE, weight=weight, color=self.theme.text)

    def _series(self) -> list[tuple[str, Series]]:
        """Return the series of all queries with their legends."""
        return [
            (legend(target["legendFormat"], one.labels), one)
            for target in self.panel["targets"]
            for one in self.recording.series[target["expr"]]
            if any(not math.isnan(value) for _, value in one.samples)
        ]

    # A number

    def _number(self) -> None:
        axes = self._axes(1, 1, self.box[2] - 2, self.box[3] * 0.42)
        axes.axis("off")
        [(_, one), *_] = self._series() or [("", Series({}, ()))]
        samples = [value for _, value in one.samples if not math.isnan(value)]
        last = samples[-1] if samples else math.nan
        colour = self._colour(last)
        axes.plot(samples, color=colour, linewidth=1)
        axes.fill_between(range(len(samples)), samples, color=colour, alpha=0.18, linewidth=0)
        axes.margins(0, 0.05)
        axes.set_ylim(bottom=min(0, *samples) if samples else 0)
        text = shown(last, self.unit) if samples else "No data"
        place = (self.box[2] / 2, self.box[3] * 0.60)
        whole = self._axes(0, 0, self.box[2], self.box[3])
        whole.axis("off")
        centre = (place[0] / self.box[2], place[1] / self.box[3])
        style = {"ha": "center", "va": "center", "weight": "bold"}
        whole.text(*centre, text, size=NUMBER, color=colour, **style)

    def _colour(self, value: float) -> str:
        """Return the colour of the highest threshold that *value* reaches."""
        steps = self.panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        reached = [step for step in steps if step["value"] is None or value >= step["value"]]
        return NAMED[reached[-1]["color"]]

    # Lines

    def _lines(self) -> None:
        series = self._series()
        legends = self._legend_lines([name for name, _ in series])
        below = 24 + LINE * len(legends) + 6
        axes = self._axes(52, below, self.box[2] - 66, self.box[3] - below - 34)
        self._style(axes)
        self._plot(axes, series)
        self._mark_alerts(axes)
        self._scale(axes, series)
        self._write_legends(legends)

    def _plot(self, axes: Any, series: Sequence[tuple[str, Series]]) -> None:
        custom = self.panel["fieldConfig"]["defaults"]["custom"]
        opacity = custom["fillOpacity"] / 100
        is_stacked = custom.get("stacking", {}).get("mode") == "normal"
        floor: dict[float, float] = {}
        for number, (_, one) in enumerate(series):
            colour = SERIES[number % len(SERIES)]
            times, values, below = gapped(one, floor if is_stacked else {})
            axes.plot(times, values, color=colour, linewidth=1.1)
            axes.fill_between(times, values, below, color=colour, alpha=opacity, linewidth=0)
            if is_stacked:
                floor |= {
                    at: top for at, top in zip(times, values, strict=True) if not math.isnan(top)
                }

    def _style(self, axes: Any) -> None:
        axes.set_facecolor(self.theme.panel)
        axes.grid(color=self.theme.grid, linewidth=0.6)
        axes.tick_params(colors=self.theme.faint, labelsize=LABEL, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    def _scale(self, axes: Any, series: Sequence[tuple[str, Series]]) -> None:
        start, end = self.recording.start, self.recording.end
        axes.set_xlim(start, end)
        axes.set_ylim(bottom=0)
        if not series:
            middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
            axes.text(0.5, 0.5, "No data", size=TITLE, color=self.theme.faint, **middle)
            axes.set_yticks([])
        elif axes.get_ylim()[1] <= 0.06 and not self._reaches(series):
            axes.set_ylim(0, 1)
        if self.unit == "bytes" and axes.get_ylim()[1] > 1:
            axes.set_yticks(powers_of_two(axes.get_ylim()[1]))
        else:
            axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda value, _: shown(value, self.unit))
        every = 60 if self.box[2] > 500 else 120
        ticks = [at for at in range(int(start), int(end)) if at % every == 0]
        axes.set_xticks(ticks, [time.strftime("%H:%M", time.gmtime(at)) for at in ticks])

    @staticmethod
    def _reaches(series: Sequence[tuple[str, Series]]) -> bool:
        """Whether any value is above 0."""
        return any(value > 0 for _, one in series for _, value in one.samples)

    def _mark_alerts(self, axes: Any) -> None:
        for at, _ in self.recording.beginnings():
            axes.axvline(at, color=ALERT, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.7)

    # Legends

    def _legend_lines(self, names: Sequence[str]) -> list[list[tuple[int, str]]]:
        """Return the numbers and names of series, line by line as they fit."""
        lines: list[list[tuple[int, str]]] = []
        room = 0.0
        for number, name in enumerate(names):
            short = textwrap.shorten(name, int(self.box[2] / LETTER) - 6, placeholder="…")
            wanted = len(short) * LETTER + 26
            if not lines or wanted > room:
                lines.append([])
                room = self.box[2] - 24
            lines[-1].append((number, short))
            room -= wanted
        return lines[:MOST_LINES]

    def _write_legends(self, lines: Sequence[Sequence[tuple[int, str]]]) -> None:
        axes = self._axes(0, 0, self.box[2], LINE * len(lines) + 6)
        axes.axis("off")
        height = LINE * len(lines) + 6
        for row, line in enumerate(lines):
            x, y = 12.0, height - LINE * (row + 0.5)
            for number, name in line:
                colour = SERIES[number % len(SERIES)]
                axes.plot([x, x + 12], [y, y], color=colour, linewidth=2.5)
                axes.text(x + 16, y, name, va="center", size=LABEL, color=self.theme.faint)
                x += len(name) * LETTER + 26
        axes.set_xlim(0, self.box[2])
        axes.set_ylim(0, max(height, 1))


def powers_of_two(top: float) -> list[float]:
    """Return at most four values up to *top*, so far apart as a power of two."""
    step = 2.0 ** math.ceil(math.log2(top / 4))
    return [number * step for number in range(int(top / step) + 1)]


def legend(text: str, labels: Mapping[str, str]) -> str:
    """Return the legend with the values of *labels*, as Grafana fills it in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), text)


def gapped(
    series: Series, floor: Mapping[float, float]
) -> tuple[list[float], list[float], list[float]]:
    """Return times, values above *floor* and that floor, with a NaN where samples are missing."""
    times: list[float] = []
    values: list[float] = []
    for at, value in series.samples:
        if times and at - times[-1] > 1.5 * STEP:
            times.append(times[-1] + STEP)
            values.append(math.nan)
        times.append(at)
        values.append(value + floor.get(at, 0.0))
    return times, values, [floor.get(at, 0.0) for at in times]
