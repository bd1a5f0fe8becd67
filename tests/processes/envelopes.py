"""Settings and consumers of envelopes, whose handler may get into trouble in its first run.

The payload of ``room`` is ``<trouble> <label>``. Each run is appended to the Redis list `ran`. The
path names the owner of nonces: ``/<owner>/``.
"""

from typing import Any

import redis
from django.db import transaction

from channels_workers import route_class
from channels_workers.envelope import EnvelopeConsumer, stream
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_LAYERS, CHANNEL_WORKERS, DATABASES, REDIS_URL
from tests.processes.once import AFTER_THE_COMMIT, RAN, kill

CHANNEL_ROUTING = "tests.processes.envelopes.channel_routing"
CHANNEL_WORKERS["LOG_LINES_PER_MINUTE"] = 20
CHANNEL_LAYERS["default"]["CONFIG"]["history"] = {"news-*": {}}

# A frozen consumer that has written nothing blocks nobody.
DATABASES["default"]["OPTIONS"]["transaction_mode"] = "DEFERRED"


class Board(EnvelopeConsumer):
    once = True

    def may_join(self, group: str) -> str | None:
        return f"news-{group}" if group.isdigit() else None

    def nonce_owner(self) -> str | None:
        owner: str = self.kwargs["owner"]
        return owner

    @stream("room")
    def room(self, payload: str) -> dict[str, Any]:
        from chat.models import Room

        trouble, label = payload.split()
        with redis.Redis.from_url(REDIS_URL) as client:
            is_first = client.rpush(RAN, label) == 1
        Room.objects.create(name="room", label=label)
        if is_first and trouble == "dead":
            kill()
        self.group_send("news-1", label, stream="room")
        if is_first and trouble in AFTER_THE_COMMIT:
            transaction.on_commit(AFTER_THE_COMMIT[trouble])
        return {"label": label}


channel_routing = [route_class(Board, path=r"^/(?P<owner>[a-z]{1,9})/$")]
