"""Imports and uses of the imported names, before and after."""

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_workers_upgrade.names import NAMES

from .moving import move

CASES = {
    "a name": (
        "from channels import Group\n",
        "from channels_workers import Group\n",
    ),
    "names of one module": (
        "from channels import Channel, Group as G, route, route_class, include\n",
        "from channels_workers import Channel, Group as G, route, route_class, include\n",
    ),
    "names that have come apart": (
        "from channels import Channel, channel_layers, DEFAULT_CHANNEL_LAYER as D\n",
        "from channels_workers import Channel\n"
        "from channels_workers.asgi import channel_layers\n"
        "from channels_workers.registry import DEFAULT_CHANNEL_LAYER as D\n",
    ),
    "a name from a module that only passed it on": (
        "from channels.auth import channel_session, channel_session_user\n",
        "from channels_workers.sessions import channel_session\n"
        "from channels_workers.auth import channel_session_user\n",
    ),
    "a name that is called otherwise now": (
        "from channels.apps import ChannelsConfig\n",
        "from channels_workers.apps import ChannelsWorkersConfig as ChannelsConfig\n",
    ),
    "the old name of the tests": (
        "from channels.tests import ChannelTestCase, HttpClient\nfrom channels.tests import base\n",
        "from channels_workers.test import ChannelTestCase, HttpClient\n"
        "from channels.tests import base\n",
    ),
    "comments of a line": (
        "# above\nfrom channels import Channel, channel_layers  # for us\n",
        "# above\nfrom channels_workers import Channel  # for us\n"
        "from channels_workers.asgi import channel_layers\n",
    ),
    "a comment for tools": (
        "from channels import Channel, channel_layers  # NOQA isort:skip\n",
        "from channels_workers import Channel  # NOQA isort:skip\n"
        "from channels_workers.asgi import channel_layers  # NOQA isort:skip\n",
    ),
    "parentheses stay": (
        "from channels import (\n    Channel,  # sends\n    Group,\n)\n",
        "from channels_workers import (\n    Channel,  # sends\n    Group,\n)\n",
    ),
    "parentheses come apart with their comments": (
        "from channels import (  # all\n    # first\n    Channel,  # sends\n    Group,\n\n"
        "    # then\n    channel_layers  # layers\n)\n",
        "from channels_workers import (  # all\n    # first\n    Channel,  # sends\n    Group,\n)\n"
        "from channels_workers.asgi import (  # all\n    # then\n"
        "    channel_layers,  # layers\n)\n",
    ),
    "a comment below the names": (
        "from channels import (\n    Channel,\n    channel_layers,\n    # route,\n)\n",
        "from channels_workers import Channel\nfrom channels_workers.asgi import (\n"
        "    channel_layers,\n    # route,\n)\n",
    ),
    "parentheses without comments": (
        "from channels import (\n    Channel,\n    channel_layers,\n)\n",
        "from channels_workers import Channel\nfrom channels_workers.asgi import channel_layers\n",
    ),
    "long parentheses": (
        "from channels.auth import (\n    channel_session,\n    transfer_user,\n"
        "    channel_session_user_from_http, http_session_user,\n)\n",
        "from channels_workers.sessions import channel_session\n"
        "from channels_workers.auth import (\n    transfer_user,\n"
        "    channel_session_user_from_http,\n    http_session_user,\n)\n",
    ),
    "several statements on a line": (
        "import os; from channels import Group, channel_layers; x = 1\n",
        "import os; from channels_workers import Group; "
        "from channels_workers.asgi import channel_layers; x = 1\n",
    ),
    "a block on a line": (
        "if True: from channels import Group, channel_layers\n",
        "if True: from channels_workers import Group; "
        "from channels_workers.asgi import channel_layers\n",
    ),
    "inside a function": (
        "def f():\n    from channels import Group, channel_layers\n    return Group\n",
        "def f():\n    from channels_workers import Group\n"
        "    from channels_workers.asgi import channel_layers\n    return Group\n",
    ),
    "in try and for type checkers": (
        "try:\n    from channels import Group\nexcept ImportError:\n    Group = None\n"
        "if TYPE_CHECKING:\n    from channels.message import Message\n",
        "try:\n    from channels_workers import Group\nexcept ImportError:\n    Group = None\n"
        "if TYPE_CHECKING:\n    from channels_workers.message import Message\n",
    ),
    "everything": (
        "from channels import *\nGroup\nchannel_layers\n",
        "from channels_workers import *\nfrom channels_workers.asgi import channel_layers\n"
        "Group\nchannel_layers\n",
    ),
    "everything of a module": (
        "from channels.sessions import *\n",
        "from channels_workers.sessions import *\n",
    ),
    "the package": (
        'import channels\nchannels.Group("a").send({})\nx = (channels.Channel)\n',
        'import channels_workers\nchannels_workers.Group("a").send({})\n'
        "x = (channels_workers.Channel)\n",
    ),
    "a use that is elsewhere now": (
        'import channels\nchannels.channel_layers["default"]\nchannels.Group\n',
        "import channels_workers\nimport channels_workers.asgi\n"
        'channels_workers.asgi.channel_layers["default"]\nchannels_workers.Group\n',
    ),
    "a module by its whole name": (
        "import channels.sessions, os\n\n\n@channels.sessions.channel_session\ndef f(m): pass\n",
        "import channels_workers.sessions, os\n\n\n"
        "@channels_workers.sessions.channel_session\ndef f(m): pass\n",
    ),
    "a module under another name": (
        "import channels.sessions as s\ns.http_session\n",
        "import channels_workers.sessions as s\ns.http_session\n",
    ),
    "the package under another name": (
        "import channels as ch\nch.Group\nch.channel_layers\n",
        "import channels_workers as ch\nimport channels_workers.asgi\n"
        "ch.Group\nchannels_workers.asgi.channel_layers\n",
    ),
    "a module from the package": (
        "from channels import Group, sessions\nsessions.channel_session\n",
        "from channels_workers import Group, sessions\nsessions.channel_session\n",
    ),
    "a module of which not all is here": (
        "from channels import sessions\nsessions.channel_session\nsessions.requeue_messages\n",
        "from channels import sessions\nimport channels_workers.sessions\n"
        "channels_workers.sessions.channel_session\nsessions.requeue_messages\n",
    ),
    "the package as a value": (
        "try:\n    import channels\nexcept ImportError:\n    channels = None\n"
        "if channels:\n    channels.Group\n    channels.sessions.channel_session\n",
        "try:\n    import channels_workers as channels\nexcept ImportError:\n    channels = None\n"
        "if channels:\n    channels.Group\n    channels.sessions.channel_session\n",
    ),
    "a module and the package as a value": (
        "import channels.auth\nf(channels)\n",
        "import channels_workers.auth\nimport channels_workers as channels\nf(channels)\n",
    ),
    "beside Channels 4": (
        "import channels\nchannels.Group\nchannels.layers.get_channel_layer\n",
        "import channels\nimport channels_workers\nchannels_workers.Group\n"
        "channels.layers.get_channel_layer\n",
    ),
    "names of both in one import": (
        "from channels.auth import AuthMiddlewareStack, channel_session_user\n",
        "from channels.auth import AuthMiddlewareStack\n"
        "from channels_workers.auth import channel_session_user\n",
    ),
    "a base class": (
        "import channels.generic.websockets\n\n\n"
        "class A(channels.generic.websockets.WebsocketConsumer):\n    pass\n",
        "import channels_workers.generic.websockets\n\n\n"
        "class A(channels_workers.generic.websockets.WebsocketConsumer):\n    pass\n",
    ),
    "an annotation": (
        'import channels\n\n\ndef f(m: "channels.message.Message") -> None: ...\n',
        'import channels_workers\n\n\ndef f(m: "channels_workers.message.Message") -> None: ...\n',
    ),
}

SAME_AS_BEFORE = {
    "a relative import": "from .channels import Group\nfrom . import channels\nchannels.Group\n",
    "another package": "from project.channels import Group\nimport project.channels\n",
    "names of Channels 4": (
        "from channels.db import database_sync_to_async\n"
        "from channels.generic.websocket import WebsocketConsumer\n"
        "from channels.layers import get_channel_layer\n"
        "from channels import layers\n"
        "import channels.layers as l\nl.get_channel_layer\n"
        "import channels.testing\n"
    ),
    "what is not here": "from channels.log import handler\nimport channels.hacks\n",
    "a name of its own": "channels = []\nchannels.Group\n\n\ndef f(channels): channels.route\n",
    "a keyword": "f(channels=1)\nx.channels.Group\n",
    "what is moved already": "from channels_workers import Group\nimport channels_workers\n",
}


@pytest.mark.parametrize("case", CASES)
def test_imports(case: str) -> None:
    before, after = CASES[case]
    assert move(before) == after


@pytest.mark.parametrize("case", SAME_AS_BEFORE)
def test_unrelated_code_is_left_alone(case: str) -> None:
    assert move(SAME_AS_BEFORE[case]) == SAME_AS_BEFORE[case]


def test_format_line_endings_and_encoding_are_kept() -> None:
    from pathlib import Path

    from channels_workers_upgrade.settings import Settings
    from channels_workers_upgrade.source import move_source

    text = "# coding: latin-1\r\nfrom channels import Group\r\nx = 'é'   # ü\r\n"
    moved = move_source(text.encode("latin-1"), Path("a.py"), Settings()).content
    assert moved == text.replace("channels", "channels_workers").encode("latin-1")


# Imports in any combination

SAME_NAMES = sorted(name for name, rename in NAMES.items() if rename.is_same)
MODULES_OF_NAMES = sorted({name.rpartition(".")[0] for name in SAME_NAMES} - {"channels.utils"})
LEFT = re.compile(r"^\s*(from|import) channels(?!_workers)\b", re.MULTILINE)


def names_in(module: str) -> list[str]:
    return [name.rpartition(".")[2] for name in SAME_NAMES if name.rpartition(".")[0] == module]


@st.composite
def imports(draw: st.DrawFn) -> str:
    """An import of 1.1.8 names in one of its forms, with a use."""
    module = draw(st.sampled_from(MODULES_OF_NAMES))
    names = draw(st.lists(st.sampled_from(names_in(module)), min_size=1, unique=True))
    name = names[0]
    form = draw(st.sampled_from(["from", "lines", "as", "import", "import as", "star", "module"]))
    short = module.replace(".", "_")
    parent, _, last = module.rpartition(".")
    if form == "module" and parent:
        return f"from {parent} import {last}\n{last}.{name}\n"
    lines = ",  # b\n    ".join(names)
    return {
        "from": f"from {module} import {', '.join(names)}  # why\n",
        "lines": f"from {module} import (\n    {lines},\n)\n",
        "as": f"from {module} import {' as x, '.join(names)} as y\ny\n",
        "import as": f"import {module} as {short}\n{short}.{name}\n",
        "star": f"from {module} import *\n{name}\n",
    }.get(form, f"import {module}\n{module}.{name}\n")


def within(code: str, place: str) -> str:
    """Put *code* into a block."""
    indented = "".join(f"    {line}\n" for line in code.splitlines())
    return {
        "module": code,
        "function": f"def f():\n{indented}",
        "try": f"try:\n{indented}except ImportError:\n    pass\n",
        "types": f"if TYPE_CHECKING:\n{indented}",
    }[place]


def name_of_module(part: str) -> str:
    """The name that an import binds for a module: its alias, or the full dotted name."""
    found = re.match(r"from \S+ import (\w+)\n\1\.", part)
    return found[1] if found else part


@st.composite
def programs(draw: st.DrawFn) -> str:
    # One name for two modules in one file is more than the command understands, as
    # docs/reference/upgrade-command.md says.
    parts = draw(st.lists(imports(), min_size=1, max_size=5, unique_by=name_of_module))
    places = st.sampled_from(["module", "function", "try", "types"])
    # A function cannot import everything.
    return "".join(within(part, "module" if "import *" in part else draw(places)) for part in parts)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_no_import_of_1_x_is_left(program: str) -> None:
    moved = move(program)
    ast.parse(moved)
    assert not LEFT.search(moved), moved
