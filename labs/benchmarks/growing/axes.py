"""The axes along which the room grows."""

from __future__ import annotations

from functools import partial

from labs.benchmarks.comparison.subjects import OURS, on_one_core
from labs.benchmarks.growing.axis import Axis, Column
from labs.benchmarks.measuring.subject import Measurement, Subject
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import ANY
from labs.harness.registry import choose

SECONDS, QUIET, KILLING = 2.0, 2.0, 30.0

#: Kills per minute under which requests are counted.
FEW = 10

ROLES = ("server", "worker", "redis")
SPEED: tuple[Column, ...] = (("messages/s", "messages_per_s"), ("p50 ms", "p50_ms"))
CPU: tuple[Column, ...] = tuple((f"{role}: us CPU per message", f"cpu_us {role}") for role in ROLES)
IN_REDIS: tuple[Column, ...] = (("us in Redis per message", "redis_us_per_message"),)
DELIVERY: tuple[Column, ...] = (("server: us CPU per delivery", "cpu_us_per_delivery server"),)
MEMORY: tuple[Column, ...] = (
    *((f"{role}: MiB", f"mib {role}") for role in ROLES),
    *((f"{role}: KiB per socket", f"{role}_kib_per_socket") for role in ROLES),
)
CPU_LINES = tuple(f"cpu_us {role}" for role in ROLES)


def talk(subject: Subject, name: str, seconds: float = SECONDS, **options: float) -> Measurement:
    """Return a measurement of talking rooms that also measures the time in Redis."""
    times = {"seconds": seconds, "settle": QUIET}
    return Measurement(subject, name, "rtt1", {**options, **times}, times_redis=True)


def room_of(sockets: int) -> Measurement:
    """One room. Broadcasts to 10,000 sockets take long and get more time."""
    seconds = SECONDS * (3 if sockets > 1_000 else 1)
    return talk(OURS, f"room-{sockets}", seconds, clients=sockets, rooms=1)


def rooms_of_one(rooms: int) -> Measurement:
    """Many rooms, which talk one after the other."""
    return talk(OURS, f"rooms-{rooms}", clients=rooms, rooms=rooms, at_once=1)


def spread_over(servers: int) -> Measurement:
    """A room of 1,000 sockets on several servers."""
    subject = on_one_core("channels_workers", servers=servers)
    return talk(subject, f"servers-{servers}", clients=1_000, rooms=1)


def worked_by(room: str, workers: int) -> Measurement:
    """50 rooms without pinning, so that workers run in parallel."""
    arrangement = Arrangement(workers=workers, cores=ANY)
    subject = Subject(f"{room}, {workers} workers", room, arrangement, load=ANY)
    return talk(subject, f"workers-{workers}", clients=50, rooms=50)


def killed(workers: int) -> Measurement:
    """50 rooms on three workers that are killed, nothing pinned."""
    arrangement = Arrangement(server="uvicorn", workers=3, threads=4, cores=ANY)
    subject = Subject(f"{OURS.room}, kills", OURS.room, arrangement, load=ANY)
    times = {"seconds": KILLING, "settle": QUIET, "warmup": QUIET}
    name = f"kills-{workers}"
    counts = workers <= FEW  # counting slows all down, and many new workers need the machine
    return Measurement(subject, name, "paced", times, counts_requests=counts, kills=workers)


def filled_with(size: int) -> Measurement:
    """A room of 100 with messages of this many bytes."""
    return talk(OURS, f"size-{size}", clients=100, rooms=1, size=size)


def held_by(room: str, server: str, sockets: int) -> Measurement:
    """Idle sockets, each in a room of its own."""
    options = {"clients": sockets, "settle": QUIET}
    return Measurement(on_one_core(room, server), f"memory-{sockets}", "connect", options)


AXES = (
    Axis(
        "room",
        "Sockets in one room",
        (100, 300, 1_000, 3_000, 10_000),
        room_of,
        (*SPEED, *CPU, *DELIVERY, *IN_REDIS),
        CPU_LINES,
        "us CPU per broadcast",
    ),
    Axis(
        "rooms",
        "Rooms with one socket each, one message in flight",
        (1, 10, 100, 1_000, 10_000),
        rooms_of_one,
        (*SPEED, *CPU, *IN_REDIS),
        CPU_LINES,
        "us CPU per message",
    ),
    Axis(
        "servers",
        "Interface servers of one room of 1,000 sockets",
        (1, 2, 3, 4),
        spread_over,
        (*SPEED, *CPU, *DELIVERY, *IN_REDIS),
        CPU_LINES,
        "us CPU per broadcast",
    ),
    Axis(
        "workers",
        "Workers of 50 rooms, nothing pinned",
        (1, 2, 3, 4),
        partial(worked_by, OURS.room),
        (*SPEED, *CPU, *IN_REDIS),
        CPU_LINES,
        "us CPU per message",
    ),
    Axis(
        "waiting",
        "Workers of 50 rooms whose consumers wait 2 ms, nothing pinned",
        (1, 2, 3, 4),
        partial(worked_by, "channels_workers-waiting"),
        (*SPEED, *CPU, *IN_REDIS),
        ("messages_per_s",),
        "messages/s",
    ),
    Axis(
        "kills",
        "Workers killed per minute, of three, under 100 messages/s, nothing pinned",
        (0, 10, 40, 120),
        killed,
        (
            ("messages/s", "messages_per_s"),
            *((f"{each} ms", f"{each}_ms") for each in ("p50", "p95", "p99", "max")),
            ("requests to Redis per message", "requests_per_message"),
            ("killed per minute", "kills_per_minute"),
        ),
        ("p50_ms", "p99_ms"),
        "ms",
    ),
    Axis(
        "size",
        "Bytes of a message in a room of 100 sockets",
        (32, 256, 2_048, 8_192, 32_768),
        filled_with,
        (*SPEED, *CPU, *DELIVERY, *IN_REDIS),
        CPU_LINES,
        "us CPU per broadcast",
    ),
    *(
        Axis(
            f"memory-{room}-{server}",
            f"Idle sockets: {room}, {server}",
            (100, 1_000, 3_000, 10_000),
            partial(held_by, room, server),
            MEMORY if room == "channels_workers" else (MEMORY[0], MEMORY[3]),
            tuple(f"mib {role}" for role in ROLES),
            "MiB",
        )
        for room in ("channels_workers", "bare")
        for server in ("daphne", "uvicorn")
    ),
)


def chosen(only: list[str]) -> list[Axis]:
    """Return the axes with these names, or all. ValueError for an unknown name."""
    return choose(AXES, only, "what can grow")
