"""The sites with a page, and what is measured of them."""

from __future__ import annotations

from labs.benchmarks.comparison.subjects import not_pinned, on_one_core
from labs.benchmarks.measuring.subject import Measurement, Subject

SERVERS = ("daphne", "uvicorn")

#: Each site on one core: who answers, by server.
INTERFACE = {server: on_one_core("pages", server) for server in SERVERS}
WORKERS = {server: on_one_core("pages-workers", server) for server in SERVERS}

#: The same on all cores, with two workers.
SPREAD = {
    room: [not_pinned(room, server, 2) for server in SERVERS] for room in ("pages", "pages-workers")
}

#: One client at a low rate, and 50 without a pause.
ALONE, CROWD = "get1", "get50"


def subjects() -> list[Subject]:
    """Return all sites, those of one server side by side."""
    pinned = [side[server] for server in SERVERS for side in (INTERFACE, WORKERS)]
    spread = [side[number] for number in range(len(SERVERS)) for side in SPREAD.values()]
    return [*pinned, *spread]


def measurements(seconds: float) -> list[Measurement]:
    """Return all measurements. They take turns, so that a noisy minute affects both sides."""
    found = []
    for name, factor in ((ALONE, 2.0), (CROWD, 1.0)):
        options = {"seconds": seconds * factor}
        found += [Measurement(subject, name, name, options) for subject in subjects()]
    return found


def names_of(measurement: Measurement) -> set[str]:
    """Return the names that select *measurement*."""
    return {measurement.name, measurement.subject.name, measurement.subject.room}
