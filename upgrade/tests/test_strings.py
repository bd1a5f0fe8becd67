"""Strings that name something of Channels 1.1.8, before and after."""

from pathlib import Path

import pytest

from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.source import move_source

from .moving import move, report

REDIS = "channels_workers.layers.redis.RedisChannelLayer"
MEMORY = "channels_workers.layers.memory.InMemoryChannelLayer"

CASES = {
    "a name": ('f("channels.Group")\n', 'f("channels_workers.Group")\n'),
    "an attribute of a name": (
        "@mock.patch('channels.channel.Group.send')\ndef f(): ...\n",
        "@mock.patch('channels_workers.channel.Group.send')\ndef f(): ...\n",
    ),
    "a name that is elsewhere now": (
        'f(r"channels.channel_layers")\n',
        'f(r"channels_workers.asgi.channel_layers")\n',
    ),
    "a class of tests": (
        'base = "channels.tests.ChannelTestCase"\n',
        'base = "channels_workers.test.ChannelTestCase"\n',
    ),
    "a module": (
        'import_module("channels.sessions")\n',
        'import_module("channels_workers.sessions")\n',
    ),
    "the logger": ('getLogger("django.channels")\n', 'getLogger("channels_workers")\n'),
    "the layer of Redis": ('x = "asgi_redis.RedisChannelLayer"\n', f'x = "{REDIS}"\n'),
    "another layer of Redis": ('x = "asgi_redis.RedisLocalChannelLayer"\n', f'x = "{REDIS}"\n'),
    "a layer of RabbitMQ": ('x = "asgi_amqp.AMQPChannelLayer"\n', f'x = "{REDIS}"\n'),
    "the layer in memory": ('x = "asgiref.inmemory.ChannelLayer"\n', f'x = "{MEMORY}"\n'),
    "the layer of one machine": ('x = "asgi_ipc.IPCChannelLayer"\n', f'x = "{REDIS}"\n'),
    "apps": (
        'OTHER_APPS = [\n    "chat",\n    "channels",  # sockets\n]\n',
        'OTHER_APPS = [\n    "chat",\n    "channels_workers",  # sockets\n]\n',
    ),
    "apps in brackets": (
        "THIRD_PARTY_APPS: tuple = ('channels',)\n",
        "THIRD_PARTY_APPS: tuple = ('channels_workers',)\n",
    ),
    "apps that are added": (
        'INSTALLED_APPS = A + ["channels"]\nINSTALLED_APPS += ("channels",)\n'
        'INSTALLED_APPS.append("channels")\nINSTALLED_APPS.insert(0, "channels")\n',
        'INSTALLED_APPS = A + ["channels_workers"]\nINSTALLED_APPS += ("channels_workers",)\n'
        'INSTALLED_APPS.append("channels_workers")\nINSTALLED_APPS.insert(0, "channels_workers")\n',
    ),
    "apps of a call": (
        'configure(INSTALLED_APPS=["channels"], X=["channels"])\n',
        'configure(INSTALLED_APPS=["channels_workers"], X=["channels"])\n',
    ),
    "apps in a dict": (
        's = {"INSTALLED_APPS": ["channels"], "OTHER": ["channels"]}\n',
        's = {"INSTALLED_APPS": ["channels_workers"], "OTHER": ["channels"]}\n',
    ),
    "questions for the app": (
        'if "channels" in INSTALLED_APPS or apps.is_installed("channels"): ...\n',
        'if "channels_workers" in INSTALLED_APPS or apps.is_installed("channels_workers"): ...\n',
    ),
    "a consumer of a route": (
        'route("channels.test", "channels.routing.connect_consumer")\n'
        'Route(consumer="channels.Group", channels=["channels.test"])\n',
        'route("channels.test", "channels_workers.routing.connect_consumer")\n'
        'Route(consumer="channels_workers.Group", channels=["channels.test"])\n',
    ),
    "the app by its class": (
        'APPS: list = ["channels.apps.ChannelsConfig"]\n',
        'APPS: list = ["channels_workers.apps.ChannelsWorkersConfig"]\n',
    ),
}

SAME_AS_BEFORE = {
    "other uses of the word": 'x = ["channels"]\nf("channels", key="channels")\n',
    "prose": '"""channels.Group"""\nx = "channels.Group is here", "see channels.Group"\n',
    "parts of a text": 'x = "channels." "Group"\ny = f"channels.Group"\nz = b"channels.Group"\n',
    "names of channels": 'Channel("channels.test").send({})\nroute("channels.log", f)\n',
    "names of Channels 4": 'x = "channels.layers.InMemoryChannelLayer"\n',
    "another channel": 'x = "channels.incoming"\n',
    "the app of Channels 4 beside ours": 'INSTALLED_APPS = ["channels_workers", "channels"]\n',
}


@pytest.mark.parametrize("case", CASES)
def test_texts(case: str) -> None:
    before, after = CASES[case]
    assert move(before) == after


@pytest.mark.parametrize("case", SAME_AS_BEFORE)
def test_unrelated_strings_are_left_alone(case: str) -> None:
    assert move(SAME_AS_BEFORE[case]) == SAME_AS_BEFORE[case]


def test_a_path_to_something_removed_is_reported() -> None:
    text = 'route("a", "channels.log.setup_logger")\nload("channels.delay.models")\n'
    assert report(text) == ["1: `channels.log.setup_logger`", "2: `channels.delay.models`"]


def test_a_path_that_could_not_be_rewritten_is_reported() -> None:
    text = (
        'a = "channels." "Group.send"\nb = f"channels.sessions"\nc = "channels\\x2eGroup"\n'
        'Channel("channels." "test")\nroute(["channels.test", f"channels.test"], f)\n'
    )
    assert report(text) == [
        '1: "channels.Group.send"',
        '2: "channels.sessions"',
        '3: "channels.Group"',
    ]


def test_an_invalid_escape_raises_no_warning() -> None:
    text = 'from channels import Group\nx = "\\d"\ny = "\\d" "channels.Group"\nz = "\\dchannels"\n'
    moved = move_source(text.encode(), Path("a.py"), Settings())  # warnings are errors here
    assert moved.content.decode() == text.replace("from channels", "from channels_workers")
