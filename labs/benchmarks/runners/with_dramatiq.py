"""The tasks on dramatiq. SETTINGS has the arguments of its broker."""

from __future__ import annotations

import json
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from labs.benchmarks.runners import diary

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"], **json.loads(os.environ["SETTINGS"])))

SENDERS = {
    body.__name__: dramatiq.actor(body, actor_name=body.__name__).send
    for body in (diary.nothing, diary.hold)
}
