"""All faults, in the order in which they are tried."""

from __future__ import annotations

from faults.fault import Fault
from faults.harms.bad_consumers import BadConsumers, Poison
from faults.harms.chat import (
    ChatBothKilled,
    ChatRedisEmptied,
    ChatServerKilled,
    ChatServerStopped,
    ChatWorkersKilled,
)
from faults.harms.chat_restarts import ChatRestarts
from faults.harms.clock_jump import ClockJump
from faults.harms.frozen import RedisFrozen, ServerFrozen, WorkerFrozen
from faults.harms.lost_replies import LostReplies
from faults.harms.no_worker import NoWorker
from faults.harms.other_format import OtherFormat
from faults.harms.redis_lost import RedisEmptied, RedisOld
from faults.harms.redis_trouble import RedisCut, RedisFull
from faults.harms.rude_clients import Flood, SlowReader
from faults.harms.server_killed import ServerKilled, ServerKilledBusy
from faults.harms.server_stopped import ServerStopped
from faults.harms.vanishing_handshakes import VanishingHandshakes
from faults.harms.worker_killed import WorkerKilled
from faults.harms.worker_stopped import RollingRestart, WorkerStopped

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
