"""All faults, in the order in which they are tried."""

from __future__ import annotations

from labs.faults.fault import Fault
from labs.faults.harms.bad_consumers import BadConsumers, Poison
from labs.faults.harms.chat import (
    ChatBothKilled,
    ChatRedisEmptied,
    ChatServerKilled,
    ChatServerStopped,
    ChatWorkersKilled,
)
from labs.faults.harms.chat_restarts import ChatRestarts
from labs.faults.harms.clock_jump import ClockJump
from labs.faults.harms.frozen import RedisFrozen, ServerFrozen, WorkerFrozen
from labs.faults.harms.lost_replies import LostReplies
from labs.faults.harms.no_worker import NoWorker
from labs.faults.harms.other_format import OtherFormat
from labs.faults.harms.redis_lost import RedisEmptied, RedisOld
from labs.faults.harms.redis_trouble import RedisCut, RedisFull
from labs.faults.harms.rude_clients import Flood, SlowReader
from labs.faults.harms.server_killed import ServerKilled, ServerKilledBusy
from labs.faults.harms.server_stopped import ServerStopped
from labs.faults.harms.vanishing_handshakes import VanishingHandshakes
from labs.faults.harms.worker_killed import WorkerKilled
from labs.faults.harms.worker_stopped import RollingRestart, WorkerStopped

FAULTS: tuple[Fault, ...] = (
    WorkerKilled(),
    WorkerStopped(),
    RollingRestart(),
    NoWorker(),
    WorkerFrozen(),
    Poison(),
    BadConsumers(),
    ServerKilled(),
    ServerKilledBusy(),
    ServerStopped("daphne"),
    ServerStopped("uvicorn"),
    ServerFrozen(),
    VanishingHandshakes(),
    RedisEmptied(),
    RedisOld(),
    RedisFrozen(),
    RedisCut(),
    RedisFull(),
    LostReplies(),
    ClockJump(),
    SlowReader("daphne"),
    SlowReader("uvicorn"),
    Flood(),
    OtherFormat(),
    ChatWorkersKilled(),
    ChatServerKilled(),
    ChatServerStopped("daphne"),
    ChatServerStopped("uvicorn"),
    ChatBothKilled(),
    ChatRedisEmptied(),
)

#: Those that take long, and are tried only by their names.
LONG: tuple[Fault, ...] = (ChatRestarts(),)


def named(name: str) -> Fault:
    """Return the fault of this name; StopIteration if there is none."""
    return next(fault for fault in (*FAULTS, *LONG) if fault.name == name)
