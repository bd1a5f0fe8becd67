"""The rooms that store each message, by database and way, and what is measured of them."""

from __future__ import annotations

from dataclasses import replace

from labs.benchmarks.comparison.subjects import on_one_core
from labs.benchmarks.measuring.subject import Measurement, Subject

DATABASES = ("SQLite", "PostgreSQL")

#: The rooms, each with the room that its figures are compared with.
ROOMS = {
    "rows": "rows",
    "rows-atomic": "rows",
    "rows-once": "rows",
    "rows-async": "rows-async",
    "rows-async-once": "rows-async",
}

#: The load: 50 clients, each with one message in flight.
LOAD = "rtt50"


def subject(room: str, database: str) -> Subject:
    """Return *room* with *database*. Everything is on one core, the database too."""
    found = on_one_core(room, "uvicorn")
    arrangement = replace(found.arrangement, has_postgres=database == "PostgreSQL")
    return replace(found, name=f"{room}, {database}", arrangement=arrangement)


def subjects() -> list[Subject]:
    """Return all subjects, those of one database side by side."""
    return [subject(room, database) for database in DATABASES for room in ROOMS]


def measurements(seconds: float, warmup: float) -> list[Measurement]:
    """Return all measurements. They take turns, so that a noisy minute affects all alike."""
    options = {"seconds": seconds, "warmup": warmup}
    return [Measurement(one, LOAD, LOAD, options) for one in subjects()]


def names_of(measurement: Measurement) -> set[str]:
    """Return the names that select *measurement*."""
    name, room = measurement.subject.name, measurement.subject.room
    return {measurement.name, name, room, name.partition(", ")[2]}
