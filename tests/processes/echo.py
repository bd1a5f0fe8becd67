"""Settings and consumers of an echo socket on any path.

When a socket disconnects, its path is appended to the Redis list `ended`.
"""

import redis

from channels_workers import route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403
from chat_project.settings import REDIS_URL

CHANNEL_ROUTING = "tests.processes.echo.channel_routing"
ENDED = "ended"


def receive(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


def disconnect(message: Message) -> None:
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(ENDED, message["path"])


channel_routing = [
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
