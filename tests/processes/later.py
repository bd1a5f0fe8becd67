"""Settings and a consumer of delayed messages, which appends each to the Redis list `ran`."""

import redis

from channels_workers import route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403
from chat_project.settings import REDIS_URL

CHANNEL_ROUTING = "tests.processes.later.channel_routing"
RAN = "ran"


def run(message: Message) -> None:
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(RAN, f"{message.id} {message['text']}")


channel_routing = [route("later", run)]
