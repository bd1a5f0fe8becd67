"""Code that cannot be moved is reported with its line and what to do."""

import pytest

from .moving import findings, report

CASES = {
    "names that are not here": (
        "from channels.log import handler, setup_logger\n",
        ["1: `channels.log.handler`", "1: `channels.log.setup_logger`"],
    ),
    "names that no Channels has": (
        "from channels import Groups\nfrom channels.sessions import _x, session\n"
        "import channels.database_layer, channels.auth\nfrom channels.decorators import *\n"
        "from channels.layers import x\nfrom channels.db import y\nfrom channels import layers\n"
        "from channels.tests.base import Client\nfrom channels.tests import base\n"
        "from channels.auth import login\nfrom .channels import z\nfrom a.channels import Groups\n",
        [
            "1: `channels.Groups`",
            "2: `channels.sessions._x`",
            "2: `channels.sessions.session`",
            "3: `channels.database_layer`",
            "4: `channels.decorators`",
            "9: `channels.tests.base`",
        ],
    ),
    "patches of names that no Channels has": (
        "@mock.patch('channels.Groups.send')\n@patch('channels.asgi._x')\ndef f(): ...\n"
        "patch.multiple('channels.database', a=1)\nmonkeypatch.setattr('channels.auth.x', 1)\n"
        "x = 'channels.Groups'\npatch('channels.layers.get_channel_layer')\n"
        "patch.dict(a='channels.b')\npatch('channels.worker.Worker.y')\n",
        [
            "1: `channels.Groups.send`",
            "2: `channels.asgi._x`",
            "4: `channels.database`",
            "5: `channels.auth.x`",
            "9: `channels.worker.Worker`",
        ],
    ),
    "uses of them": (
        "import channels.sessions\n\nchannels.sessions.requeue_messages(m)\n",
        ["3: `channels.sessions.requeue_messages`"],
    ),
    "modules that are not here": (
        "from channels.delay.models import *\nfrom channels import hacks\n",
        ["1: `channels.delay.models`", "2: `channels.hacks`"],
    ),
    "the server for tests": (
        "from channels.test.liveserver import DaphneProcess\n",
        ["1: `channels.test.liveserver.DaphneProcess`"],
    ),
    "workers": ("from channels.worker import Worker\n", ["1: `channels.worker.Worker`"]),
    "the package as a value, with names of Channels 4": (
        "import channels\nf(channels)\nchannels.Group\nchannels.layers.x\n",
        ["3: `channels.Group`"],
    ),
    "methods of layers": (
        "channel_layer.receive_many(['a'])\nmessage.channel_layer.send('a', {})\n"
        "channel_layers['default'].group_add('a', 'b')\nget_channel_layer().flush()\n"
        "self.layer.send_group('a', {})\nlayer.group_channels('a')\nchannel_layer.router\n",
        [
            "1: `.receive_many`",
            "2: `.send` of a layer",
            "3: `.group_add` of a layer",
            "4: `.flush` of a layer",
            "5: `.send_group`",
            "6: `.group_channels`",
            "7: `.router` of a layer",
        ],
    ),
    "methods as coroutines": (
        "async def f(): await channel_layer.send('a', {})\n"
        "async_to_sync(channel_layer.group_send)('a', {})\n",
        [],
    ),
    "other things with such methods": (
        "message.reply_channel.send({})\nGroup('a').send({})\nclient.receive()\nbuffer.flush()\n"
        "channel = 1\n",
        [],
    ),
    "keys of messages": (
        "message.content['__retries__']\nmessage.__doomed__\n",
        ['1: "__retries__"', "2: `.__doomed__`"],
    ),
    "layers of then": (
        "from asgiref.inmemory import ChannelLayer\nimport asgi_redis.core\n"
        "from asgiref import conformance\nfrom asgiref.sync import async_to_sync\n",
        [
            "1: `asgiref.inmemory.ChannelLayer`",
            "2: `asgi_redis.core`",
            "3: `asgiref.conformance`",
        ],
    ),
    "names of other packages that are gone": (
        "from asgiref.wsgi import WsgiToAsgiAdapter, WsgiToAsgi\nimport asgiref.utils\n"
        "from daphne.server import Server, build_endpoint_description_strings\n"
        "from daphne.tests import test_http\nfrom asgiref.typing import Scope\n"
        "from daphne.cli import *\nimport daphne.http_protocol\nfrom asgiref import sync\n"
        "import daphne, asgiref.sync as s\nfrom daphne.utils import *\n"
        "@mock.patch('daphne.server.Endpoint')\n@patch(target='asgi_redis.core.RedisChannelLayer.x')\n"
        "@patch('asgiref.base_layer.BaseChannelLayer')\n@patch('daphne.server.Server.run')\n"
        "@patch('other.Thing')\ndef f(): ...\n",
        [
            "1: `asgiref.wsgi.WsgiToAsgiAdapter`",
            "2: `asgiref.utils`",
            "3: `daphne.server.build_endpoint_description_strings`",
            "4: `daphne.tests.test_http`",
            "11: `daphne.server.Endpoint`",
            "12: `asgi_redis.core.RedisChannelLayer.x`",
            "13: `asgiref.base_layer.BaseChannelLayer`",
        ],
    ),
    "backends that no engine has": (
        'CHANNEL_LAYERS = {"a": {"BACKEND": "channels.database_layer.DatabaseChannelLayer"},\n'
        '    "b": {"BACKEND": "asgi_redis.Other"}, "c": {"BACKEND": "our.layers.Layer"},\n'
        '    "d": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}\n',
        [
            '1: "channels.database_layer.DatabaseChannelLayer"',
            '2: "asgi_redis.Other"',
        ],
    ),
    "the process for delayed messages": ("call_command('rundelay')\n", ['1: "rundelay"']),
    "types of events": (
        "if event['type'] == 'http.request': ...\nawait_(type='a', x={'type': 'http.request'})\n",
        [],
    ),
    "paths as bytes": (
        "message['path'].decode('ascii').strip('/')\nmessage.content[\"path\"].decode()\n"
        "message['query_string'].decode()\nrow['path'].decode()\n",
        ['1: `["path"].decode`', '2: `["path"].decode`'],
    ),
    "paths as bytes in variables": (
        "def f(message):\n    path = message.content['path'].strip('/')\n"
        "    return path.decode('ascii'), str(message.content.get('path'), 'utf-8')\n"
        "def g(path): path.decode()\n"
        "def h(message):\n    path = message['path']\n    path = path.encode()\n"
        "    return path.decode(), str(path)\n"
        "def i(request):\n    path = request['path']\n    return path.decode()\n"
        "def j(message):\n    for path in message['path']: path.decode()\n"
        "def k(message):\n    label = raw = message['path']\n    return lambda: raw.decode()\n",
        ["3: `path.decode`", '3: `str(["path"], ...)`', "16: `raw.decode`"],
    ),
    "a full channel": (
        "try: f()\nexcept message.channel_layer.ChannelFull: ...\n",
        [],
    ),
    "entries of a routing": (
        "from channels.routing import Route\nclass Mine(Route):\n    def match(self, m): ...\n"
        "class Other:\n    def match(self, m): ...\n    def channel_names(self): ...\n"
        "class Pattern:\n    def match(self, m): ...\n"
        "class Done(Route):\n    def match(self): ...\n    def match_values(self): ...\n",
        ["2: `Mine.match`", "4: `Other.match`"],
    ),
    "settings": (
        "CHANNELS_WS_PROTOCOLS = ['chat']\nCHANNEL_SESSION_ENGINE = 'a.b'\n",
        ["1: `CHANNELS_WS_PROTOCOLS`"],
    ),
    "keys of CONFIG": (
        'CHANNEL_LAYERS = {"default": {"BACKEND": "asgi_redis.RedisChannelLayer", "CONFIG": {\n'
        '    "hosts": [], "stats_prefix": "x", "capacity": 5}}}\n',
        ['2: "stats_prefix" in CONFIG'],
    ),
    "keys of another broker": (
        'CHANNEL_LAYERS = {"default": {"BACKEND": "asgi_amqp.AMQPChannelLayer", "CONFIG": {\n'
        '    "url": "amqp://"}}}\n',
        ['2: "url" in CONFIG'],
    ),
    "keys of other brokers": (
        'CHANNEL_LAYERS = {"a": {"BACKEND": "asgi_rabbitmq.RabbitmqChannelLayer", "CONFIG": {\n'
        '    "url": "amqp://", "expiry": 5}}, "b": {"BACKEND": "asgi_ipc.IPCChannelLayer",\n'
        '    "CONFIG": {"prefix": "x", "channel_memory": 5}}}\n',
        ['2: "url" in CONFIG', '3: "channel_memory" in CONFIG'],
    ),
    "keys of channel_capacity": (
        'CONFIG = {"channel_capacity": {"http.request": 5, "websocket.send*": 1, "a.b": 5}}\n'
        'channels(channel_capacity={"http.response!*": 5})\n',
        [
            '1: "http.request" in channel_capacity',
            '1: "websocket.send*" in channel_capacity',
            '2: "http.response!*" in channel_capacity',
        ],
    ),
    "delayed messages": (
        "DELAY = 'asgi.delay'\nChannel('asgi.delay').send({'delay': 5})\n",
        [],
    ),
    "what may be a list of apps": (
        'THIRD_PARTY = [\n    "channels",\n]\nOTHER = ("a", "channels")\n'
        "INSTALLED_APPS = ['a'] + THIRD_PARTY\n",
        ['2: "channels" in a list', '4: "channels" in a list'],
    ),
    "lists of apps, and other lists": (
        'INSTALLED_APPS = ["channels"]\nX = ["channels", "channels_workers"]\n'
        'Channel("channels")\nroute(["channels"], f)\n'
        '".".join(["a", "channels"])\nsetup(a=["channels"], b={"x": ["channels"]})\n',
        [],
    ),
    "nothing of Channels": ("import re\n\nre.match('a', 'b')\nclass A(Route): ...\n", []),
}


@pytest.mark.parametrize("case", CASES)
def test_reported_leftovers(case: str) -> None:
    text, said = CASES[case]
    assert report(text) == said
    assert all(finding.cure and not finding.is_note for finding in findings(text))


def test_names_that_are_back_are_noted() -> None:
    found = findings(
        "from channels.binding.websockets import WebsocketBinding as B\n"
        "from channels.test import ChannelLiveServerTestCase\n"
        "from channels import Group\nfrom channels.exceptions import *\n"
        "from channels.binding import websockets\n"
    )
    said = [(one.line, one.what, one.is_note) for one in sorted(found)]
    assert said == [
        (1, "`WebsocketBinding`", True),
        (4, "`RequestTimeout`, `RequestAborted`", True),
        (4, "`ResponseLater`", True),
        (5, "`websockets.WebsocketBinding`, `websockets.WebsocketBindingWithMembers`", True),
    ]
    assert all(one.cure.startswith("again: ") for one in found)


def test_http_by_workers_needs_a_setting() -> None:
    found = findings(
        "from channels.handler import AsgiRequest, ViewConsumer\n"
        "from channels.exceptions import DenyConnection, ResponseLater\n"
        "from channels.staticfiles import *\n"
        "route('http.request', f)\nchannel_routing = {'http.disconnect': f}\n"
    )
    assert sorted(f"{one.line}: {one.what}" for one in found) == [
        "1: `AsgiRequest`, `ViewConsumer`",
        "2: `ResponseLater`",
        "3: `StaticFilesHandler`, `StaticFilesConsumer`",
        '4: "http.request"',
        '5: "http.disconnect"',
    ]
    assert all(one.is_note and '{"HTTP": "workers"}' in one.cure for one in found)


def test_the_layer_in_memory_is_a_note() -> None:
    text = 'CHANNEL_LAYERS = {"default": {"BACKEND": "asgiref.inmemory.ChannelLayer"}}\n'
    (finding,) = findings(text)
    assert finding.is_note
    assert "one process" in finding.what


def test_a_file_that_cannot_be_parsed_is_reported() -> None:
    (finding,) = findings("from channels import Group\nprint 'hello'\n")
    assert (finding.line, finding.what) == (2, "cannot be parsed")
