"""Everything that docs/how-to/alert.md says to watch exists, with these names and limits."""

import inspect
import json
import re
from io import StringIO
from typing import Any

import pytest
from channels.layers import channel_layers
from django.core.management import call_command
from pytest_django import Settings

from channels_workers.conf import Configuration
from channels_workers.layers.channel_layer import ChannelLayer
from channels_workers.layers.shards.report import ShardReport
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus
from channels_workers.layers.types import RECEIVE, ProcessInfo
from channels_workers.management.commands import channelstatus
from chat_project import settings as chat_settings
from tests.docs.pages import code, first_codes, page

ROWS = page("how-to/alert").table("watch")


@pytest.fixture
def shown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The output of ``channelstatus --json`` for a site with one of each."""
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    status = Status(
        servers=[ServerStatus("server", ProcessInfo("server", "vm", 1, 0.0), 3, 2, 0)],
        workers=[WorkerStatus("worker", ProcessInfo("worker", "vm", 2, 0.0, 4), 2)],
        channels=[ChannelStatus(RECEIVE, 0, 2, 2.7)],
    )
    monkeypatch.setattr(channel_layers["default"].admin, "status", lambda: status)
    shard = ShardReport("a", "redis://one:6379/0", ShardState.OPEN, behind={"b": 0})
    monkeypatch.setattr(channelstatus, "reports", lambda layer: [shard])
    out = StringIO()
    call_command("channelstatus", "--json", stdout=out)
    (line,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def find(shown: dict[str, Any], path: str) -> Any:
    """The value at a path such as ``workers[].about.threads``, of the first list entry."""
    found: Any = shown
    for name in path.split("."):
        found = found[name.removesuffix("[]")]
        if name.endswith("[]"):
            found = found[0]
    return found


def test_the_fields_are_complete_and_exist(shown: dict[str, Any]) -> None:
    paths = first_codes(ROWS)
    for path in [*paths, *re.findall(r"`(\w+\[\][\w.]*)`", " ".join(map(" ".join, ROWS)))]:
        find(shown, path)
    assert {path.partition("[")[0] for path in paths} == set(shown)


def test_the_line_for_prometheus_reads_existing_fields(shown: dict[str, Any]) -> None:
    (line,) = re.findall(r"channelstatus --json \| jq .*", page("how-to/alert").text)
    for name in re.findall(r"\(\.(\w+) \| length", line):
        assert isinstance(shown[name], list)
    assert set(re.findall(r"\\\(\.(\w+)\)", line)) == {"dead_letters", "name"}
    assert {"name", "oldest"} <= set(shown["channels"][0])


def test_limits_are_those_of_the_settings() -> None:
    """Alarms fire before the limits that they warn about."""
    rows = {row[0]: " ".join(row[1:]) for row in ROWS}
    limits = Configuration()
    capacity = inspect.signature(ChannelLayer.__init__).parameters["capacity"].default
    assert f"`INBOX_ENTRIES`, {limits.INBOX_ENTRIES:,}," in rows["`servers[].inbox`"]
    assert f"`DEAD_LETTERS`, {limits.DEAD_LETTERS:,}," in rows["`dead_letters`"]
    assert f"`capacity`, {capacity:,}," in rows["`channels[].waiting`"]
    timeout = chat_settings.CHANNEL_WORKERS["HANDSHAKE_TIMEOUT"]
    assert f"From {timeout:g} s on" in rows["`channels[].oldest`"]
    assert f"above {timeout:g} at once" in rows["`channels[].oldest`"]


def test_each_event_is_a_log_event() -> None:
    known = {code(row[0])[0]: row[1] for row in page("reference/log-events").tables("log-events")}
    watched = first_codes(page("how-to/alert").table("watch-events"))
    assert len(watched) == len(set(watched))
    assert set(watched) <= set(known)
    assert all(known[event] != "INFO" for event in watched)
