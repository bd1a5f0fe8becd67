"""Draws a soak: ``python -m labs.benchmarks.soaking.plot FILE.json`` writes FILE.svg."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

#: Lines by their names, each with the values of all samples.
Lines = dict[str, list[float | None]]


def charts(samples: list[dict[str, Any]]) -> Iterator[tuple[str, Lines]]:
    """Return each chart: its title, and its lines."""
    roles = list(samples[0]["rss_kib"])

    def of(key: str, by: float = 1.0) -> Lines:
        return {role: [one[key][role] / by for one in samples] for role in roles}

    yield "memory, MiB", of("rss_kib", 1024)
    yield "Redis: used memory, MiB", {"": [one["redis_kib"] / 1024 for one in samples]}
    yield "Redis: keys", {"": [one["redis_keys"] for one in samples]}
    yield "open files", of("files")
    yield "threads", of("threads")
    latency = {"p50": "p50_ms", "p99": "p99_ms"}
    yield (
        "latency, ms",
        {name: [one["latency"].get(key) for one in samples] for name, key in latency.items()},
    )
    yield "CPU time per message, us", of("cpu_us")
    yield "messages/s", {"": [one["messages_per_s"] for one in samples]}


def draw(content: dict[str, Any], file: Path) -> None:
    """Draw each chart over the minutes."""
    samples = content["samples"]
    figure = Figure(figsize=(16, 7), layout="constrained")
    minutes = [one["at"] / 60 for one in samples]
    for place, (title, lines) in zip(figure.subplots(2, 4).flat, charts(samples), strict=True):
        for name, values in lines.items():
            place.plot(minutes, values, label=name, linewidth=1)
        place.set_title(title, fontsize=10)
        place.set_xlabel("minutes", fontsize=8)
        place.set_ylim(bottom=0)
        place.spines[["top", "right"]].set_visible(False)
        if len(lines) > 1:
            place.legend(fontsize=8)
    given = content["conditions"]
    figure.suptitle(f"{given['server']}, {given['machine']}, {given['date']}", fontsize=10)
    figure.savefig(file)


def main() -> None:
    """Draw the file that the command line names."""
    file = Path(sys.argv[1])
    draw(json.loads(file.read_text()), file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
