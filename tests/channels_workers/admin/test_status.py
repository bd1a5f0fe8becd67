import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import clear_script_prefix, reverse, set_script_prefix
from pytest_django import Settings

from channels_workers.admin.look import ROWS, look
from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.admin import MemoryAdmin
from channels_workers.layers.types import ProcessInfo, Running
from channels_workers.models import StoredSend
from channels_workers.registry import get_channel_layer
from channels_workers.relay import status as relay_status
from labs.harness.ports import free_port
from tests.channels_workers.admin.conftest import HOSTILE, Member
from tests.channels_workers.conftest import MEMORY

pytestmark = pytest.mark.django_db

PAGE = "/admin/channels_workers/status/"
STATE = f"{PAGE}state/"


def worker(layer: InMemoryChannelLayer, name: str = "w", **fields: Any) -> None:
    about = ProcessInfo("worker", "host", 42, 0.0, 4, ("work",), (), "0.0.1")
    layer.register(name, about._replace(**fields))


def config_of(page: HttpResponse) -> dict[str, Any]:
    """What the page tells its script."""
    found = re.search(r'<script id="cw-config"[^>]*>(.*?)</script>', page.content.decode())
    assert found
    config: dict[str, Any] = json.loads(found[1])
    return config


# Who may see it


@pytest.mark.parametrize("path", [PAGE, STATE])
def test_anonymous_visitors_go_to_the_login(client: Browser, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 302
    assert page["Location"].startswith("/admin/login/?next=")


@pytest.mark.parametrize("path", [PAGE, STATE])
@pytest.mark.parametrize("permissions", [(), ("view_deadletter",)])
def test_staff_without_the_permission_get_403(
    member: Member, path: str, permissions: tuple[str, ...]
) -> None:
    assert member(*permissions).get(path).status_code == 403


def test_the_permission_is_not_enough_without_being_staff(member: Member) -> None:
    page = member("view_status", is_staff=False).get(PAGE)
    assert (page.status_code, page["Location"][:13]) == (302, "/admin/login/")


def test_staff_with_the_permission_see_it(
    member: Member, memory_layer: InMemoryChannelLayer
) -> None:
    client = member("view_status")
    assert client.get(PAGE).status_code == 200
    assert client.get(STATE).json()["state"]["layer"] == "default"
    index = client.get("/admin/").content.decode()
    assert PAGE in index
    assert "/admin/channels_workers/deadletter/" not in index


def test_the_index_hides_it_from_others(member: Member) -> None:
    assert PAGE not in member("view_deadletter").get("/admin/").content.decode()


def test_the_page_cannot_be_posted_to_change_anything(admin_client: Browser) -> None:
    assert admin_client.get(f"{PAGE}add/").status_code == 404
    assert admin_client.get(f"{PAGE}1/delete/").status_code == 404


# What it shows


def test_the_state_of_the_layer(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    run = Running(2, "app.consumers.slow", 1.0, "work", "id-1")
    worker(memory_layer, running=(run,), versions=("Python 3.11",))
    Channel("work").send({})
    Channel("nobody").send({})
    Channel("work").send({}, delay=100)
    page = admin_client.get(PAGE)
    state = config_of(page)["state"]
    assert state == admin_client.get(STATE).json()["state"] | {
        "at": state["at"],
        "channels": state["channels"],  # their ages grow
    }
    assert state["totals"] == {
        "connections": 0,
        "busy": 0,
        "threads": 4,
        "waiting": 2,
        "in_flight": 0,
        "dead_letters": 0,
        "delayed": 1,
        "stored": None,
    }
    [shown] = state["running"]
    assert (shown["consumer"], shown["thread"], shown["slow"]) == ("app.consumers.slow", 2, True)
    assert [(each["name"], each["unheard"]) for each in state["channels"]] == [
        ("nobody", True),
        ("work", False),
    ]
    assert state["versions"] == [{"release": "0.0.1", "versions": "Python 3.11", "processes": 1}]
    kinds = {each["kind"]: each for each in state["problems"]}
    assert set(kinds) == {"slow", "unheard"}
    assert kinds["unheard"]["what"] == "nobody"


def test_several_shards(admin_client: Browser, settings: Settings) -> None:
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"shards": 2}}}
    layer = get_channel_layer()
    layer.register("stranger", ProcessInfo.this("worker", 1, ("work",)))
    page = admin_client.get(PAGE)
    state = config_of(page)["state"]
    assert [(each["name"], each["state"]) for each in state["shards"]] == [
        ("0", "open"),
        ("1", "new"),
    ]
    assert "shards_unknown" in {each["kind"] for each in state["problems"]}
    assert 'data-rows="shards"' in page.content.decode()


def test_it_says_what_is_wrong(memory_layer: InMemoryChannelLayer) -> None:
    assert [each["kind"] for each in look("default")["problems"]] == ["no_workers"]
    worker(memory_layer)
    assert look("default")["problems"] == []
    worker(memory_layer, "other", release="0.0.2")
    [problem] = look("default")["problems"]
    assert (problem["kind"], problem["what"]) == ("releases", "0.0.1, 0.0.2")


def test_browsers_without_scripts_get_what_channelstatus_prints(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    worker(memory_layer)
    text = admin_client.get(PAGE).content.decode()
    found = re.search(r"<noscript>(.*?)</noscript>", text, re.DOTALL)
    assert found
    assert "0 of 4 threads busy" in found[1]


def test_several_layers(admin_client: Browser, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "other & more": {"BACKEND": MEMORY},
        "default": {"BACKEND": MEMORY},
        "of channels 4": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    }
    page = admin_client.get(f"{PAGE}?layer=other+%26+more")
    config = config_of(page)
    assert config["state"]["layer"] == "other & more"
    assert config["poll"] == f"{STATE}?layer=other+%26+more"
    text = page.content.decode()
    assert 'href="?layer=other%20%26%20more" aria-current="page"' in text
    assert "of channels 4" not in text
    assert "/deadletter/?layer=other+%26+more" in text
    assert admin_client.get(f"{PAGE}?layer=nothing").status_code == 404
    assert admin_client.get(f"{STATE}?layer=of channels 4").status_code == 404


def test_a_layer_that_does_not_answer(admin_client: Browser, settings: Settings) -> None:
    host = f"redis://127.0.0.1:{free_port()}/0"
    layer = "channels_workers.layers.redis.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer, "CONFIG": {"hosts": [host]}}}
    page, state = admin_client.get(PAGE), admin_client.get(STATE)
    assert (page.status_code, state.status_code) == (503, 503)
    assert config_of(page)["state"]["unavailable"] is True
    assert state.json()["state"]["unavailable"] is True
    assert host not in page.content.decode()


def test_a_layer_that_goes_away_between_two_looks(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = MemoryAdmin.status, list[int]()

    def status(admin: MemoryAdmin) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise LayerUnavailable("gone")
        return real(admin)

    monkeypatch.setattr(MemoryAdmin, "status", status)
    assert admin_client.get(PAGE).status_code == 200


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, name: str
) -> None:
    run = Running(0, name, 1.0, name, name, name)
    worker(
        memory_layer, name, host=name, release=name, versions=(name,), running=(run,), channels=()
    )
    text = admin_client.get(PAGE).content.decode()
    assert "<script>alert" not in text
    assert "<img" not in text
    assert not set("\u202e\u0000\x1b") & set(text)
    state = config_of(admin_client.get(PAGE))["state"]
    assert state["running"][0]["consumer"] == printable(name)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e300, 2**70])
def test_numbers_that_no_browser_reads(memory_layer: InMemoryChannelLayer, number: float) -> None:
    run = Running(number, "c", number, "work", "id")  # type: ignore[arg-type]
    worker(memory_layer, pid=number, since=number, threads=number, running=(run,))
    state = look("default")
    json.dumps(state, allow_nan=False)
    assert state["workers"][0]["since"] == 0


def test_thousands_of_rows_are_cut(memory_layer: InMemoryChannelLayer) -> None:
    for number in range(3 * ROWS):
        worker(memory_layer, f"w{number:04}", running=(Running(0, "c", 1.0, "work", "id"),))
        Channel(f"work.{number:04}").send({})
    Channel("work.0250").send({})
    state = look("default")
    assert {name: len(state[name]) for name in ("workers", "running", "channels")} == {
        "workers": ROWS,
        "running": ROWS,
        "channels": ROWS,
    }
    assert state["hidden"]["channels"] == 2 * ROWS
    assert state["hidden"]["running"] == 2 * ROWS
    names = [each["name"] for each in state["channels"]]
    assert "work.0250" in names, "the longest queue matters most"
    assert names == sorted(names)
    assert state["totals"]["waiting"] == 3 * ROWS + 1
    assert len(json.dumps(state)) < 100_000


# Stored sends


@pytest.fixture
def relayed(settings: Settings, memory_layer: InMemoryChannelLayer) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}


def test_stored_sends_are_counted(admin_client: Browser, relayed: None) -> None:
    assert look("default")["stored"] == [
        {"database": "default", "count": 0, "is_more": False, "oldest": None}
    ]
    StoredSend.objects.create(layer="default", channel="work", effects=b"")
    StoredSend.objects.create(layer="another", channel="work", effects=b"")
    state = config_of(admin_client.get(PAGE))["state"]
    [row] = state["stored"]
    assert (row["count"], state["totals"]["stored"]) == (1, 1)
    assert row["oldest"] >= 0
    assert 'data-rows="stored"' in admin_client.get(PAGE).content.decode()


def test_many_stored_sends_are_not_all_counted(
    relayed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_status, "COUNTED", 3)
    for _ in range(5):
        StoredSend.objects.create(layer="default", channel="work", effects=b"")
    [row] = look("default")["stored"]
    assert (row["count"], row["is_more"]) == (3, True)


def test_a_database_without_the_table(relayed: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {StoredSend._meta.db_table}")
    [row] = look("default")["stored"]
    assert (row["count"], row["oldest"]) == (None, None)


def test_without_relay_there_is_no_table(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    assert 'data-rows="stored"' not in admin_client.get(PAGE).content.decode()


# Its socket


def test_the_page_knows_the_path_of_its_socket(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_ROUTING = "channels_workers.admin.routing.channel_routing"
    page = admin_client.get(PAGE)
    assert config_of(page)["socket"] == "/channels_workers/status/"
    assert "channels_workers.admin.routing.channel_routing" not in page.content.decode()
    assert reverse("admin:channels_workers_status_state") == STATE


@pytest.mark.parametrize("routing", [[], "chat.nothing", None])
def test_a_routing_without_the_socket(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, settings: Settings, routing: Any
) -> None:
    settings.CHANNEL_ROUTING = routing
    page = admin_client.get(PAGE)
    assert config_of(page)["socket"] == ""
    assert "channels_workers.admin.routing.channel_routing" in page.content.decode()


@pytest.fixture
def below_a_prefix() -> Iterator[None]:
    set_script_prefix("/talk/")
    yield
    clear_script_prefix()


def test_below_a_path_prefix(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, below_a_prefix: None
) -> None:
    config = config_of(admin_client.get(PAGE))
    assert config["socket"] == "/talk/channels_workers/status/"
    assert config["poll"].startswith("/talk/admin/")


def test_nothing_inline_that_a_policy_would_refuse(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    page = admin_client.get(PAGE)
    assert "default-src 'self'" in page["Content-Security-Policy"]
    text = page.content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    scripts = re.findall(r"<script\b([^>]*)>", text)
    assert scripts
    assert all("src=" in each or "application/json" in each for each in scripts)
