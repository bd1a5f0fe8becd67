"""Delayed messages outlive every process, and each is sent once."""

import signal

from channels_workers.channel import Channel
from channels_workers.layers.redis import RedisChannelLayer
from chat_project.settings import REDIS_PREFIX
from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.conftest import StartWorker

LATER = {"DJANGO_SETTINGS_MODULE": "tests.processes.later"}

#: A worker starts within it (s).
DELAY = 8.0


def ran(redis: RedisServer) -> list[str]:
    with redis.client() as client:
        return [each.decode() for each in client.lrange("ran", 0, -1)]


def send(redis: RedisServer, number: int) -> list[str]:
    """Delay messages, in a process that is none of those under test; return what will run."""
    layer = RedisChannelLayer(hosts=[redis.url], prefix=REDIS_PREFIX)
    texts = [f"text {each}" for each in range(number)]
    channel = Channel("later", channel_layer=layer)
    expected = [f"{channel.send({'text': text}, delay=DELAY)} {text}" for text in texts]
    layer.disconnect()
    return expected


def test_a_killed_worker_loses_and_repeats_no_delayed_message(
    start_worker: StartWorker, redis_server: RedisServer
) -> None:
    victim: Process = start_worker(env=LATER)
    expected = send(redis_server, 5)
    victim.signal(signal.SIGKILL)
    victim.wait()
    assert ran(redis_server) == []
    for _ in range(2):
        start_worker(env=LATER, wait=False)
    wait_for(lambda: len(ran(redis_server)) >= 5, "the delayed messages", 60)
    witness = send_now(redis_server)
    wait_for(lambda: any(text.endswith(witness) for text in ran(redis_server)), "the witness", 60)
    assert sorted(ran(redis_server)[:5]) == sorted(expected)
    assert len(ran(redis_server)) == 6


def send_now(redis: RedisServer) -> str:
    """Send a message without a delay, after all others."""
    layer = RedisChannelLayer(hosts=[redis.url], prefix=REDIS_PREFIX)
    Channel("later", channel_layer=layer).send({"text": "witness"})
    layer.disconnect()
    return "witness"
