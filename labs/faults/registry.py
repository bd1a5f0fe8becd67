"""All faults, in the order in which they run."""

from __future__ import annotations

from labs.faults.cases.bad_consumers import BadConsumers, Poison
from labs.faults.cases.blocked_loop import BlockedLoop
from labs.faults.cases.chat import (
    ChatBothKilled,
    ChatRedisEmptied,
    ChatServerKilled,
    ChatServerStopped,
    ChatWorkersKilled,
)
from labs.faults.cases.chat_restarts import ChatRestarts
from labs.faults.cases.clock_jump import ClockJump
from labs.faults.cases.cluster import ClusterFailover, SlotMoved
from labs.faults.cases.delayed import DelayedKilled
from labs.faults.cases.failover import RedisFailover
from labs.faults.cases.false_deaths import (
    AllFrozen,
    FrozenInTurn,
    LifelinesCut,
    ProcessCut,
    ProxyCut,
    StalledAndCut,
)
from labs.faults.cases.frozen import RedisFrozen, ServerFrozen, WorkerFrozen
from labs.faults.cases.handshake_storm import HandshakeStorm
from labs.faults.cases.history import HistoryRedisEmptied, HistoryServerKilled, HistoryStorm
from labs.faults.cases.lost_replies import LostReplies
from labs.faults.cases.no_worker import NoWorker
from labs.faults.cases.once import (
    OnceDatabaseAway,
    OnceDeadlock,
    OnceFrozen,
    OnceKilled,
    OnceRedisEmptied,
)
from labs.faults.cases.other_format import OtherFormat
from labs.faults.cases.outbox import OutboxFrozen, OutboxKilled, OutboxServerKilled
from labs.faults.cases.redis_lost import RedisEmptied, RedisOld
from labs.faults.cases.redis_trouble import RedisCut, RedisFull
from labs.faults.cases.requests import (
    DownloadEmptied,
    RequestKilled,
    StreamKilled,
    UploadersGone,
)
from labs.faults.cases.resume import ResumeRedisEmptied, ResumeServerKilled, ResumeStorm
from labs.faults.cases.rude_clients import Flood, SlowReader
from labs.faults.cases.server_killed import ServerKilled, ServerKilledBusy
from labs.faults.cases.server_stopped import ServerStopped
from labs.faults.cases.shard_changes import ShardDrained, ShardsAdded
from labs.faults.cases.shards import (
    PullerFrozen,
    PullerKilled,
    ShardCut,
    ShardEmptied,
    ShardFailover,
    ShardFrozen,
    ShardKilled,
    ShardOld,
    ShardSlow,
)
from labs.faults.cases.tasks import (
    TasksFrozen,
    TasksKilled,
    TasksOnceKilled,
    TasksRedisEmptied,
    TasksUnsent,
)
from labs.faults.cases.vanishing_handshakes import VanishingHandshakes
from labs.faults.cases.worker_killed import WorkerKilled, WorkerKillStorm
from labs.faults.cases.worker_stopped import RollingRestart, WorkerStopped
from labs.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    WorkerKilled(),
    WorkerKillStorm(),
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
    FrozenInTurn(),
    AllFrozen(),
    VanishingHandshakes(),
    BlockedLoop(),
    HandshakeStorm("daphne"),
    HandshakeStorm("uvicorn"),
    RedisEmptied(),
    RedisOld(),
    RedisFailover(),
    RedisFrozen(),
    RedisCut(),
    LifelinesCut(),
    StalledAndCut(),
    ProcessCut(),
    ProxyCut(),
    RedisFull(),
    LostReplies(),
    ClockJump(),
    SlowReader("daphne"),
    SlowReader("uvicorn"),
    Flood(),
    OtherFormat(),
    DelayedKilled(),
    RequestKilled(),
    StreamKilled(),
    UploadersGone(),
    DownloadEmptied(),
    ChatWorkersKilled(),
    ChatServerKilled(),
    ChatServerStopped("daphne"),
    ChatServerStopped("uvicorn"),
    ChatBothKilled(),
    ChatRedisEmptied(),
    OnceKilled(),
    OnceFrozen(),
    OnceDatabaseAway(),
    OnceRedisEmptied(),
    OnceDeadlock(),
    OutboxKilled(),
    OutboxFrozen(),
    OutboxServerKilled(),
    TasksKilled(),
    TasksOnceKilled(),
    TasksFrozen(),
    TasksUnsent(),
    TasksRedisEmptied(),
    HistoryServerKilled(),
    HistoryStorm(),
    HistoryRedisEmptied(),
    ResumeServerKilled(),
    ResumeStorm(),
    ResumeRedisEmptied(),
    ShardKilled(),
    ShardEmptied(),
    ShardOld(),
    ShardFrozen(),
    ShardSlow(),
    ShardCut(),
    ShardFailover(),
    PullerKilled(),
    PullerFrozen(),
    ShardsAdded(),
    ShardDrained(),
    SlotMoved(),
    ClusterFailover(),
)

#: Long faults, which run only by name.
LONG: tuple[Fault, ...] = (ChatRestarts(),)


def named(name: str) -> Fault:
    """Return the fault of this name. StopIteration if there is none."""
    return next(fault for fault in (*FAULTS, *LONG) if fault.name == name)
