"""What tracing costs: the round trip of a frame, off and on, side by side."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from labs.trace.site import TracedSite

#: How the project traces; the first one is what the others are compared with.
MODES = ("off", "sampled out", "on")

#: Rounds, and round trips of each mode in a round. Before them, so many to warm up.
ROUNDS, TRIPS, WARM_UP = 8, 250, 300


def compare(server: str) -> dict[str, float]:
    """Return the median round trip of each mode (s). Their rounds alternate."""
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        sites = {mode: _start(stack, mode, server) for mode in MODES}
        for site in sites.values():
            site.round_trips(WARM_UP)
        for _ in range(ROUNDS):
            for mode, site in sites.items():
                found[mode] += site.round_trips(TRIPS)
    return {mode: median(trips) for mode, trips in found.items()}


def _start(stack: ExitStack, mode: str, server: str) -> TracedSite:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(TracedSite(folder, server, mode))


def as_text(medians: dict[str, float]) -> str:
    """Return a line for each mode: the median (ms), and its ratio to the first mode."""
    first = medians[MODES[0]]
    return "\n".join(
        f"{mode:<12} {seconds * 1000:6.2f} ms  {seconds / first:4.2f}"
        for mode, seconds in medians.items()
    )
