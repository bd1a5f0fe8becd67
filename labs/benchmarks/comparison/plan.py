"""The measurements of a comparison, and their repeats."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from labs.benchmarks.comparison.subjects import (
    BROWSERS,
    CHATS,
    LIMIT,
    OURS,
    SLOWER,
    TABLE,
    TWO_SERVERS,
    WORKERS,
)
from labs.benchmarks.load.modes import MODES
from labs.benchmarks.load.talk import Talk
from labs.benchmarks.measuring.subject import Measurement
from labs.harness.registry import require_known

#: The columns of the table.
COLUMNS = ("rtt1", "rtt50", "bc100", "bc1000", "connect", "flood")

#: The sizes of a room that grows.
SIZES = (100, 1_000, 10_000)


@dataclass(frozen=True)
class Size:
    """The extent of a run. Times in seconds."""

    repeats: int
    seconds: float
    warmup: float
    #: For the load, and for longer measurements of Redis.
    settle: float = 0.3
    quiet: float = 2.0


FULL = Size(repeats=3, seconds=2.0, warmup=0.5)
QUICK = Size(repeats=1, seconds=1.0, warmup=0.3)


def measurements() -> list[Measurement]:
    """Return all measurements, each once. *name* and subject identify one."""
    found = [Measurement(subject, column, column) for column in COLUMNS for subject in TABLE]
    found += [Measurement(subject, "rtt50", "rtt50") for subject in (*WORKERS, *SLOWER, *CHATS)]
    found += [
        Measurement(subject, f"{mode}-deflate", mode, protocol="deflate")
        for mode in ("bc1000", "connect")
        for subject in BROWSERS
    ]
    found += [
        Measurement(
            subject, f"requests{clients}", "bc100", {"clients": clients}, counts_requests=True
        )
        for subject, clients in ((OURS, 100), (OURS, 1_000), (TWO_SERVERS, 100))
    ]
    found += [
        Measurement(OURS, f"grown{clients}", "bc100", {"clients": clients}, times_redis=True)
        for clients in SIZES
    ]
    found += [
        Measurement(LIMIT, f"grown{clients}", "bc100", {"clients": clients}) for clients in SIZES
    ]
    return found


def sized(measurement: Measurement, size: Size) -> Measurement:
    """Return *measurement* with the times of *size*."""
    mode = MODES[measurement.mode]
    if not isinstance(mode, Talk):
        return measurement
    looks_at_redis = measurement.counts_requests or measurement.times_redis
    # Broadcasts to 10,000 sockets take long. More time allows for enough of them.
    seconds = size.seconds * (3 if measurement.options.get("clients", 0) > 1_000 else 1)
    times = {
        "seconds": seconds,
        "warmup": size.warmup,
        "settle": size.quiet if looks_at_redis else size.settle,
    }
    return replace(measurement, options={**measurement.options, **times})


def chosen(only: Collection[str]) -> list[Measurement]:
    """Return the measurements with these names, or all. ValueError for an unknown name.

    A name is that of a measurement, of a subject, or of a room.
    """
    found = measurements()
    known = sorted({name for one in found for name in names_of(one)})
    require_known(only, known, "what can be measured")
    return [one for one in found if not only or set(only) & names_of(one)]


def names_of(measurement: Measurement) -> set[str]:
    """Return the names that select *measurement*."""
    return {measurement.name, measurement.subject.name, measurement.subject.room}
