"""Which Python files are parsed at all."""

import pytest

from channels_workers_upgrade.marks import may_use_channels

USING = [
    *("import channels", "channel_layer.send", "channel_names", "CHANNEL_LAYERS", "APPS = []"),
    *("ASGI_APPLICATION = 'a'", "'daphne'", "import asgi_redis", "asgi_ipc", "asgi_rabbitmq"),
    *("asgi_amqp", "from asgiref import x", "'__retries__'", "x.__doomed__", "'http.request'"),
    *("'http.disconnect'", "message.reply_channel", "message['path']", 'message.content["path"]'),
    *("call_command('rundelay')", "receive_many()", "send_group()", "group_channels()"),
]
OTHERS = [
    *("import re", "channel = 1", "x['path']", "content['a']", "http.client", "fields = ['path']"),
    *("import asgi", "MAPPS1 = 1", ""),
]


@pytest.mark.parametrize("text", USING)
def test_parsed(text: str) -> None:
    assert may_use_channels(f"import os\n{text}\n".encode())


@pytest.mark.parametrize("text", OTHERS)
def test_not_parsed(text: str) -> None:
    assert not may_use_channels(f"import os\n{text}\n".encode())
