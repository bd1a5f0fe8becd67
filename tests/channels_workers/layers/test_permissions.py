"""A Redis that refuses: one error with its reason and the remedy, and no secret."""

import asyncio
import logging
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from channels_workers.exceptions import LayerRefused, LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer, permissions
from channels_workers.layers.redis.admin import CLEANED
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.types import Committed, Join, Liveness, ProcessInfo
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import (
    LayerContract,
    MakeLayer,
    Process,
    other,
    process,
)
from tests.channels_workers.layers.history_contract import (
    HistoryContract,
    Wait,
    kept,
    make_histories_older,
)
from tests.channels_workers.layers.recorder import TIMEOUT
from tests.channels_workers.layers.relay_contract import RelayContract
from tests.channels_workers.layers.request_contract import RequestContract
from tests.docs.pages import page

__all__ = ["kept", "other", "process"]

#: A password of characters with a meaning in URLs.
SECRET = "p@ss/w#rd?:%&= ü"

MakeUser = Callable[..., str]


@pytest.fixture
def make_user(redis_server: RedisServer) -> Iterator[MakeUser]:
    """`make_user(*rules)` gives the URL of a Redis for a user with these rights."""

    def make(*rules: str) -> str:
        with redis_server.client() as client:
            client.execute_command("ACL", "SETUSER", "ann", "reset", "on", f">{SECRET}", *rules)  # type: ignore[no-untyped-call]
        return redis_server.url.replace("//", f"//ann:{quote(SECRET, safe='')}@")

    yield make
    with redis_server.client() as client:
        client.execute_command("ACL", "DELUSER", "ann")  # type: ignore[no-untyped-call]


def refusal(address: str) -> str:
    """The error of a layer whose Redis refuses it. Checks that the password is not in it."""
    layer = RedisChannelLayer(hosts=[address])
    with pytest.raises(LayerRefused) as caught:
        layer.check_server()
    shown = "".join(traceback.format_exception(caught.value))
    for text in (shown, repr(caught.value), repr(layer), str(layer), repr(layer.client)):
        for secret in (SECRET, quote(SECRET, safe=""), "p@ss", "p%40ss"):
            assert secret not in text
    layer.disconnect()
    return str(caught.value)


class TestLeastRights(LayerContract, RequestContract, RelayContract, HistoryContract):
    """A user with only the documented rights passes the contract."""

    @pytest.fixture
    def wait(self, redis_server: RedisServer) -> Wait:
        return partial(make_histories_older, redis_server)

    @pytest.fixture
    async def make_layer(
        self, redis_server: RedisServer, make_user: MakeUser
    ) -> AsyncIterator[MakeLayer]:
        redis_server.client().script_flush()
        address = make_user(*permissions.rules("channels").split())
        made: list[RedisChannelLayer] = []

        def make(**config: object) -> RedisChannelLayer:
            made.append(RedisChannelLayer(hosts=[address], **config))
            return made[-1]

        yield make
        for layer in made:
            await layer.retire_server()
            layer.disconnect()
        with redis_server.client() as client:
            denied: Any = client.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
            said = [(each[b"object"], each[b"context"]) for each in map(as_dict, denied)]
            client.execute_command("ACL", "LOG", "RESET")  # type: ignore[no-untyped-call]
        # What redis-py reports about itself is not needed. A lifeline of the test before may come
        # back after its user is gone.
        needless = (b"client", b"AUTH")
        assert [each for each in said if not each[0].startswith(needless)] == []


def as_dict(entry: Any) -> dict[bytes, Any]:
    if isinstance(entry, dict):
        return {key.encode() if isinstance(key, str) else key: _raw(entry[key]) for key in entry}
    return dict(zip(entry[::2], entry[1::2], strict=True))


def _raw(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("missing", ["", "-sscan"])
def test_a_dead_server_leaves_many_groups_in_steps(
    missing: str, make_user: MakeUser, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of an older release may not run SSCAN: then it is one step."""
    rules = permissions.rules("channels").split()
    layer = RedisChannelLayer(hosts=[make_user(*rules, *missing.split())])
    layer.register_server("dead")
    layer.register_server("alive")
    names = [f"group-{number}" for number in range(3 * CLEANED)]
    layer.apply([Join(name, f"{server}!a") for name in names for server in ("dead", "alive")])
    layer.admin.mark_dead("dead", 1)
    steps = []
    call = layer.admin._call

    def counted(request: Request) -> Any:
        steps.append(request.script)
        return call(request)

    monkeypatch.setattr(layer.admin, "_call", counted)
    layer.admin.clean_up("dead")
    count = steps.count("clean_up")
    assert count == 2 if missing else 3 <= count < 10  # one for its deliveries
    with redis_server.client() as client:
        members = [client.hkeys(layer.client.key(f"group:{name}")) for name in names]
        assert members == [[b"alive"]] * len(names)
        assert client.exists(layer.client.key("groups:dead")) == 0
    layer.retire("alive", (), ())
    layer.disconnect()


def test_the_documentation_lists_the_rights() -> None:
    assert permissions.rules("chat") in page("reference/redis").text


# Only databases other than 0 need SELECT.
@pytest.mark.parametrize("command", [one for one in permissions.COMMANDS if one != "select"])
def test_a_missing_right_is_named(command: str, make_user: MakeUser) -> None:
    said = refusal(make_user(*permissions.rules("channels").split(), f"-{command}"))
    name, _, sub = command.partition("|")
    assert re.search(rf"\b{name}\b", said, re.IGNORECASE), said
    assert "ACL SETUSER <user>" in said
    assert sub in ("", "load", "usage", "create", "delconsumer", "consumers")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["~*", "+@all", "-@scripting"], "the 'evalsha' command|the 'script.*' command"),
        (["~other:*", "+@all"], r"keys"),
        (["~*", "+@all", "-@write"], "may not run SET"),
        (["~*", "+@all", "-get"], "'get' command"),
    ],
)
def test_a_user_without_rights_to_the_keys(
    rules: list[str], said: str, make_user: MakeUser
) -> None:
    text = refusal(make_user(*rules))
    assert re.search(said, text)
    assert re.search(r"ACL SETUSER <user> ~<prefix>:\*", text)


def test_a_wrong_password(make_user: MakeUser) -> None:
    address = make_user("~*", "+@all").replace("ann:", "ann:x")
    assert "Correct the user and the password" in refusal(address)


def test_an_unknown_user(redis_server: RedisServer) -> None:
    address = redis_server.url.replace("//", f"//bob:{quote(SECRET, safe='')}@")
    assert "Correct the user and the password" in refusal(address)


def test_a_missing_password(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.config_set("requirepass", SECRET)
        try:
            assert "Correct the user and the password" in refusal(redis_server.url)
        finally:
            client.execute_command("AUTH", SECRET)  # type: ignore[no-untyped-call]
            client.config_set("requirepass", "")


def test_a_nonexistent_database(redis_server: RedisServer) -> None:
    said = refusal(redis_server.url.removesuffix("0") + "99")
    assert "DB index is out of range. Name a database that exists" in said


async def test_info_is_optional(make_user: MakeUser, caplog: pytest.LogCaptureFixture) -> None:
    address = make_user(*permissions.rules("channels").split(), f"-{permissions.OPTIONAL}")
    layer = RedisChannelLayer(hosts=[address])
    worker = Process(layer)
    recorder = await worker.connect()
    assert await worker.commit(await worker.pull()) is Committed.DONE
    await recorder.until(lambda: recorder.releases == [0])
    await asyncio.to_thread(layer.check_server)
    told = [record for record in caplog.records if getattr(record, "event", "") == "rights_missing"]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "ACL SETUSER <user> +info" in told[0].message
    await layer.retire_server()
    layer.disconnect()


async def test_without_its_right_the_messages_are_not_counted(make_user: MakeUser) -> None:
    layer = RedisChannelLayer(
        hosts=[make_user(*permissions.rules("channels").split(), f"-{permissions.STATISTICS}")]
    )
    await layer.send("work", {"n": 1})
    keys = {"messages_pending", "messages_max_age"}
    assert layer.channel_statistics("work").keys() == layer.global_statistics().keys() == keys
    layer.disconnect()


async def test_a_password_change_at_run_time(
    make_user: MakeUser, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisChannelLayer(hosts=[make_user("~*", "+@all")])
    worker = Process(layer)
    await worker.connected()
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "resetpass", ">other")  # type: ignore[no-untyped-call]
        client.execute_command("CLIENT", "KILL", "USER", "ann")  # type: ignore[no-untyped-call]
        recorder = await worker.attach()
        publishing = asyncio.create_task(worker.publish(recorder, 0))
        with pytest.raises(LayerUnavailable, match=r"refuses us: .*Correct the user"):
            await until_refused(worker)
        await until(lambda: refused_writes(caplog) == 1)
        assert not publishing.done()
        client.execute_command("ACL", "SETUSER", "ann", f">{SECRET}")  # type: ignore[no-untyped-call]
    await asyncio.wait_for(publishing, TIMEOUT)
    delivery = await retried(worker.pull)
    assert await retried(lambda: worker.commit(delivery)) is Committed.DONE
    await recorder.until(lambda: recorder.releases == [0])
    assert refused_writes(caplog) == 1
    assert SECRET not in caplog.text
    await layer.retire_server()
    layer.disconnect()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110  (the log tells nobody)
            await asyncio.sleep(0.01)


def refused_writes(caplog: pytest.LogCaptureFixture) -> int:
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    return sum("Writing: Redis at" in text and "refuses us" in text for text in errors)


async def retried(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """Try again while a thread has yet to notice that its connection was cut."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                return await attempt()
            except LayerUnavailable:
                continue


async def until_refused(worker: Process) -> None:
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                await asyncio.to_thread(worker.layer.heartbeat, worker.name)
            except LayerRefused:
                raise
            except LayerUnavailable:  # the connection was cut
                continue


async def test_a_right_revoked_at_run_time(make_user: MakeUser, redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[make_user("~*", "+@all")])
    worker = Process(layer)
    recorder = await worker.connected()
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "-evalsha")  # type: ignore[no-untyped-call]
        publishing = asyncio.create_task(worker.publish(recorder, 1))
        with pytest.raises(LayerRefused, match="evalsha"):
            await asyncio.to_thread(layer.heartbeat, worker.name)
        assert not publishing.done()
        client.execute_command("ACL", "SETUSER", "ann", "+evalsha")  # type: ignore[no-untyped-call]
    await asyncio.wait_for(publishing, TIMEOUT)
    assert await worker.commit(await worker.pull()) is Committed.DONE
    await recorder.until(lambda: recorder.releases == [0, 1])
    assert layer.heartbeat(worker.name) is Liveness.ALIVE
    await layer.retire_server()
    layer.disconnect()


def test_a_new_worker_is_refused_at_once(make_user: MakeUser) -> None:
    layer = RedisChannelLayer(hosts=[make_user("~other:*", "+@all")])
    with pytest.raises(LayerRefused, match="ACL SETUSER"):
        layer.register("worker", ProcessInfo.this("worker"))
