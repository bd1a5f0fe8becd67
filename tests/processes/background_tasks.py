"""Tasks that say in Redis when they begin and end."""

from typing import Any

import redis
from django.conf import settings

from tests.channels_workers.tasks.functions import task

#: How long a task waits to be let go (s).
TIMEOUT = 60


def _hold(context: Any, text: str) -> str:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush("begun", f"{text} {context.attempt}")
        assert client.blpop(["let_go"], TIMEOUT)
        client.rpush("ran", text)
    return text


def _note(text: str) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush("ran", text)


hold = task(_hold, takes_context=True)
note = task(_note)
