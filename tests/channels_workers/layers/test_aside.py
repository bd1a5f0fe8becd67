"""Corrupt data in Redis: processes survive, others are served, bad entries are set aside."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import msgpack
import pytest
import redis
from django.core.management import call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers import log_limits
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface import health
from channels_workers.interface.health import LayerChecks
from channels_workers.layers.aside import Aside, printable
from channels_workers.layers.redis import RedisChannelLayer, inbox_reader, registration, session
from channels_workers.layers.redis.wire import MOST_FIELDS
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    ConnectionSnapshot,
    Delivery,
    Finished,
    Liveness,
    PendingMessage,
    ProcessInfo,
    ReplyKind,
    Send,
    Unreadable,
)
from channels_workers.registry import channel_layers
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import Recorder

TIMEOUT = 60

CHANNELS = (CONNECT, RECEIVE, DISCONNECT, REQUEST, REQUEST_DISCONNECT, "work")
BACKEND = "channels_workers.layers.redis.RedisChannelLayer"


class Connection(Recorder):
    """A connection that knows its pending message, as in an interface server."""

    def __init__(self, payload: bytes, kind: ReplyKind) -> None:
        super().__init__()
        self.payload = payload
        self.first = REQUEST if kind else CONNECT

    def snapshot(self) -> ConnectionSnapshot:
        pending = None if self.releases else PendingMessage(self.first, self.payload)
        return ConnectionSnapshot(0, self.payload, pending)


class Site:
    """A server with a connection, a worker, and their Redis. The event loop has its own thread."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.redis = client
        self.layer = RedisChannelLayer(hosts=[url])
        self.worker = RedisChannelLayer(hosts=[url])
        self.key = self.worker.client.key
        self.names = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.register()
        self.old = self.talk()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)

    def register(self) -> None:
        """Register a worker under a new name, like one that was evicted."""
        self.names += 1
        self.name = f"worker{self.names}"
        self.worker.register(self.name, ProcessInfo("worker", "host", 1, 0.0, 1, CHANNELS))

    def name_of(self, key: str) -> str:
        """The current name of one of `KEYS`."""
        return self.key(key.format(self.server, self.old.channel))

    def own(self, key: str) -> str:
        """The field of the hash `key` that belongs to this site."""
        return self.old.channel if key.startswith("connections") else self.name

    @property
    def server(self) -> str:
        return self.run(self._server())

    async def _server(self) -> str:
        return self.layer.start_server().id

    # The normal work of each process

    def talk(self) -> Recorder:
        """Serve a new connection: it joins, and receives what is sent to it and to its group."""
        recorder = self._serve(ReplyKind.SOCKET)
        self.run(recorder.until(lambda: len(recorder.messages) >= 2))
        return recorder

    def ask(self) -> None:
        """Serve a new request, whose server tells its consumer something."""
        made = self._serve(ReplyKind.SAFE)
        assert made.messages[-1:] == [{"status": 200}]
        self.loop.call_soon_threadsafe(self.layer.detach, made.channel)

    def _serve(self, kind: ReplyKind) -> Recorder:
        recorder = self.run(self._connect(kind))
        until = time.monotonic() + TIMEOUT
        while not (recorder.releases or recorder.ends):
            if recorder.lost:  # with its server, which Redis no longer knew
                recorder = self.run(self._connect(kind))
            assert time.monotonic() < until, "nobody serves the connection"
            self.work(recorder.channel)
        return recorder

    async def _connect(self, kind: ReplyKind) -> Connection:
        path = self.layer.encode({"path": "/"})
        recorder = Connection(path, kind)
        recorder.channel = await self.layer.attach(recorder, kind)
        arguments = (recorder.first, recorder.channel, 0, path, path)
        self.layer.start_publish(*arguments, lambda published: None)
        if kind:
            self.layer.tell(recorder.channel, b"told")
        return recorder

    def work(self, reply: str) -> None:
        """Pull once and commit, as a worker does. Replies *reply* to the connection."""
        if self.worker.heartbeat(self.name) is not Liveness.ALIVE:
            self.register()
        for delivery in self.worker.pull(CHANNELS, f"{self.name}.0", 0.1, 10):
            self.commit(delivery, delivery.reply_channel == reply)

    def commit(self, delivery: Delivery, is_ours: bool) -> None:
        layer, reply = self.worker, str(delivery.reply_channel)
        operations, ends = [], delivery.channel == REQUEST
        if is_ours and ends:
            operations.append(Send(reply, layer.encode({"status": 200})))
        elif is_ours:
            operations = [layer.make_join("group", reply), Send(reply, layer.encode({"n": 1}))]
            operations.append(layer.make_group_send("group", {"n": 2}))
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            try:
                layer.commit(Finished(delivery, operations, ends=ends))
                return
            except LayerUnavailable:  # all register again
                layer.heartbeat(self.name)
        raise TimeoutError("it cannot be committed")

    def look_after(self) -> None:
        """Do what each worker does every second, and an operator now and then."""
        layer = self.worker
        for process, counter in layer.admin.processes().items():
            if process.startswith("dead") or counter == -1:
                layer.admin.mark_dead(process, counter)
        layer.admin.lagging()
        for process in layer.admin.awaiting_cleanup():
            layer.admin.clean_up(process)
        layer.admin.orphans()
        with suppress(LayerUnavailable):  # all register again
            layer.admin.send_due()
        layer.admin.delayed()
        layer.admin.status()
        layer.admin.dead_letters()
        layer.admin.set_aside()
        self.run(self.layer.workers())
        layer.load_session(self.old.channel)
        layer.members("group")

    def stop(self) -> None:
        self.run(self.layer.retire_server())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(TIMEOUT)
        self.loop.close()
        for layer in (self.layer, self.worker):
            layer.disconnect()


Change = Callable[[Site], object]


@pytest.fixture
def site(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 0.05)
    monkeypatch.setattr(registration, "RECOVERY_TIME", 0.2)
    with redis_server.client() as client:
        made = Site(redis_server.url, client)
        yield made
        made.stop()


# What a client with write access to Redis may put there

anything = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"", b"0", b"-1", b"1e400", b"9" * 5000, b"\xff\xfe", b"null", b"nan", b"{}"]),
    st.sampled_from([b"\xc1", msgpack.packb({"text": 1}), msgpack.packb([]), b"\x91" * 2000]),
)
about = st.one_of(
    anything,
    st.dictionaries(
        st.sampled_from(ProcessInfo._fields),
        st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.integers())),
    ).map(lambda values: json.dumps(values).encode()),
)
names = st.one_of(
    st.sampled_from([b"dead", b"dead.0", b"nobody!1", b"nobody!once.1", b"*work", b"*"]),
    st.sampled_from([b"dead!kept.1.1", b"!kept.", b"nobody!kept.x.1@dead"]),
    anything,
)
records = st.one_of(
    anything,
    st.tuples(
        st.sampled_from([b"0", b"1", b"99999999999999999999", b"x"]),
        st.sampled_from([b"i", b"b", b"c", b"d", b"z"]),
        st.sampled_from([b"", b"1000", b"x"]),
        st.sampled_from([b"", b"1-1", b"-", b"99999999999999999999-1", b"x"]),
        anything,
    ).map(b":".join),
)
delayed = st.one_of(
    anything,
    st.tuples(
        st.sampled_from([b"0", b"5", b"99999999999999999999", b"x"]),
        st.sampled_from([b"work", b"websocket.connect", b"http.request", b"dead!1", b"\xff", b""]),
        anything,
    ).map(b":".join),
)
message_fields = st.dictionaries(
    st.one_of(
        st.sampled_from([b"id", b"payload", b"reply", b"order", b"code", b"attempts", b"deaths"]),
        st.just(b"session"),
        anything,
    ),
    st.one_of(anything, names),
    min_size=1,
    max_size=9,
)
operations = st.dictionaries(
    st.one_of(
        anything,
        st.tuples(
            st.sampled_from([b"g", b"s", b"j", b"l", b"r", b"k", b"e", b"m", b"o", b"z"]), names
        ).map(b"".join),
    ),
    anything,
    min_size=1,
    max_size=5,
)

#: Keys by name, with the type that each should have. {0} is the server, {1} its connection.
KEYS = {
    "processes": "hash",
    "process_info": "hash",
    "dead": "list",
    "awaiting_cleanup": "set",
    "dead_letters": "stream",
    "delayed": "zset",
    "delayed_messages": "hash",
    "parked": "zset",
    "kept:{0}!kept.60.0": "hash",
    "epoch": "string",
    "run": "string",
    "recovering": "string",
    "recovered": "string",
    "channel:work": "stream",
    f"channel:{CONNECT}": "stream",
    f"channel:{RECEIVE}": "stream",
    f"channel:{REQUEST}": "stream",
    "inbox:{0}": "stream",
    "connections:{0}": "hash",
    "groups:{0}": "set",
    "group:group": "hash",
    "session:{1}": "string",
    "stale_connections:{0}": "hash",
    "told:{1}": "list",
    "ended:{0}": "hash",
    "aside": "stream",
    "aside_logged": "string",
}


#: Those that are used after a death or a data loss.
RARE = (
    *("dead", "groups:{0}", "stale_connections:{0}"),
    *("recovered", "recovering", "aside_logged", "told:{1}", "kept:{0}!kept.60.0"),
)


def put(client: redis.Redis, key: str, kind: str, value: bytes) -> None:
    """Give *key* another type than *kind*."""
    client.delete(key)
    if kind == "list":
        client.set(key, value)
    elif kind == "hash":
        client.rpush(key, value)
    else:
        client.hset(key, value, value)


def in_hash(values: tuple[str, bytes | None, bytes]) -> Change:
    key, name, value = values
    return lambda site: site.redis.hset(
        site.key(key.format(site.server)), name or site.own(key), value
    )


def in_stream(values: tuple[str, dict[bytes, bytes]]) -> Change:
    key, entry = values
    return lambda site: site.redis.xadd(site.key(key.format(site.server)), entry)


def in_set(values: tuple[str, bytes]) -> Change:
    return lambda site: site.redis.sadd(site.key(values[0]), values[1])


def in_times(values: tuple[str, bytes, float]) -> Change:
    key, name, time = values
    return lambda site: site.redis.zadd(site.key(key), {name: time})


def in_string(values: tuple[str, bytes]) -> Change:
    key, value = values
    return lambda site: site.redis.set(site.key(key.format(site.server, site.old.channel)), value)


def of_another_type(values: tuple[str, bytes]) -> Change:
    key, value = values
    return lambda site: put(site.redis, site.name_of(key), KEYS[key], value)


def one_of(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


#: Corruptions of a site's Redis. None stands for the live name.
changes = st.one_of(
    st.tuples(st.just("inbox:{0}"), operations).map(in_stream),
    st.tuples(one_of(*(f"channel:{name}" for name in CHANNELS)), message_fields).map(in_stream),
    st.tuples(one_of("dead_letters", "aside"), message_fields).map(in_stream),
    st.tuples(one_of("connections:{0}"), st.none() | names, records).map(in_hash),
    st.tuples(one_of("process_info", "processes"), st.none() | names, about).map(in_hash),
    st.tuples(one_of("group:group", "connections:dead", "ended:{0}"), names, anything).map(in_hash),
    st.tuples(st.just("delayed_messages"), names, delayed).map(in_hash),
    st.tuples(one_of("delayed", "parked"), names, st.sampled_from([0, 1e300])).map(in_times),
    st.tuples(one_of("awaiting_cleanup", "groups:dead"), names).map(in_set),
    st.tuples(one_of("epoch", "run", "recovering", "aside_logged", "session:{1}"), anything).map(
        in_string
    ),
    st.tuples(one_of(*KEYS), st.binary(max_size=3)).map(of_another_type),
)


@given(st.lists(changes, min_size=1, max_size=3))
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_corrupt_data_in_redis_affects_nobody_else(site: Site, tampering: list[Change]) -> None:
    for change in tampering:
        try:
            change(site)
        except redis.ResponseError:  # the previous corruption changed its type
            continue
    site.talk()
    site.ask()
    site.look_after()
    site.talk()
    site.ask()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_wrong_type_is_set_aside(site: Site, key: str) -> None:
    name = site.name_of(key)
    put(site.redis, name, KEYS[key], b"x")
    site.talk()
    site.ask()
    site.look_after()
    site.talk()
    if key not in RARE:
        assert site.redis.type(name).decode() in (KEYS[key], "none")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "key", ["inbox:{0}", f"channel:{CONNECT}", "channel:work", "aside", "dead_letters"]
)
def test_a_stream_without_ids_left_is_set_aside(site: Site, key: str) -> None:
    name, last = site.name_of(key), f"{2**64 - 1}-{2**64 - 1}"
    site.redis.xadd(name, {b"s" + site.old.channel.encode(): b"\x80"}, id=last)
    site.talk()
    site.run(site.worker.send("work", {"n": 1}))
    if key != "channel:work":
        site.redis.xadd(site.key("channel:work"), {"x": "y"})  # it becomes a dead letter
    site.redis.xadd(site.key(f"inbox:{site.server}"), {"": "y"})
    site.talk()
    site.look_after()
    site.talk()
    newest: Any = site.redis.xrevrange(name, count=1)
    assert not newest or newest[0][0].decode() != last


# Entries that are set aside are kept, counted and logged


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.ERROR]


def test_an_unreadable_inbox_entry(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    inbox = site.key(f"inbox:{site.server}")
    for fields in ({b"": b"x"}, {b"\xff": b"x"}, {b"zfoo": b"x"}, {b"ggroup": b"\xc1"}):
        site.redis.xadd(inbox, {**fields, b"s" + site.old.channel.encode(): b"\x80"})
    site.run(site.old.until(lambda: site.old.messages[-4:] == [{}] * 4))
    server = site.layer._server
    assert server is not None
    assert server.aside.count == 4
    (said,) = [text for text in errors(caplog) if "is set aside" in text]
    assert said.startswith("Field b'' of inbox entry ")
    assert "See `manage.py deadletters aside`" in said
    site.talk()
    assert len(site.worker.admin.set_aside()) == 4


@pytest.mark.parametrize(
    "fields",
    [
        *({b"x": b"y"}, {b"id": b"\xff", b"payload": b"\x80"}, {b"id": b"a", b"x": b"y"}),
        *(
            {b"id": b"a", b"payload": b"\x80", name: value}
            for name, value in [
                (b"reply", b"nobody"),
                (b"reply", b"!x"),
                (b"reply", b"\xff!x"),
                (b"order", b"x"),
                (b"order", b"9" * 5000),
                (b"attempts", b"9" * 100),
                (b"deaths", b"1e3"),
                (b"code", b"-"),
            ]
        ),
        {b"id": b"a", b"payload": b"\x80", **{b"%d" % number: b"" for number in range(9000)}},
    ],
)
def test_an_unreadable_message_becomes_a_dead_letter(
    site: Site, fields: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    site.redis.xadd(site.key("channel:work"), fields)  # type: ignore[arg-type]
    site.talk()
    assert site.worker.length("work") == 0
    (letter,) = site.worker.admin.dead_letters()
    assert letter.is_unreadable
    assert letter.message.channel == "work"
    assert letter.reason.startswith("it is unreadable: Entry ")
    with pytest.raises(ValueError, match="is unreadable"):
        site.worker.admin.retry(letter.id)
    assert len([text for text in errors(caplog) if "is set aside" in text]) == 1
    assert site.worker.admin.drop(letter.id)
    assert site.worker.admin.dead_letters() == []


async def test_receive_skips_to_the_next_readable_message(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    with redis_server.client() as client:
        for number in (1, 9000):
            fields: Any = {f"x{each}": "y" for each in range(number)}
            client.xadd(layer.streams.key("name"), fields)
    await layer.send("name", {"n": 1})
    assert await asyncio.wait_for(layer.receive("name"), TIMEOUT) == {"n": 1}
    assert [letter.is_unreadable for letter in layer.admin.dead_letters()] == [True, True]
    with redis_server.client() as client:
        kept: Any = client.xrange(layer.client.key("dead_letters"))
    assert [len(fields) for _, fields in kept] == [2 + 1, 2 + MOST_FIELDS // 2]
    layer.disconnect()


def test_an_unreadable_record(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.redis.hset(site.key(f"connections:{site.server}"), site.old.channel, b"garbage")
    site.redis.set(site.key(f"session:{site.old.channel}"), b"session")
    assert site.run(site.layer.close(site.old.channel, 1000)).value == "gone"
    site.look_after()
    assert not site.redis.hexists(site.key(f"connections:{site.server}"), site.old.channel)
    assert not site.redis.exists(site.key(f"session:{site.old.channel}"))
    (note,) = site.worker.admin.set_aside()
    assert (note.where, note.value) == (f"connection {site.old.channel}", b"garbage")
    assert sum(note.where in text for text in errors(caplog)) == 1
    site.look_after()
    assert sum(note.where in text for text in errors(caplog)) == 1


def test_a_process_restores_its_lost_entries(site: Site) -> None:
    site.redis.hset(site.key("process_info"), site.name, b"no json")
    site.redis.hset(site.key("processes"), site.name, b"no number")
    assert site.run(site.layer.workers()) == {}
    assert site.worker.heartbeat(site.name) is Liveness.ALIVE
    assert site.worker.heartbeat(site.name) is Liveness.ALIVE
    assert list(site.run(site.layer.workers())) == [site.name]
    assert site.worker.admin.processes()[site.name] > 1


def test_a_dead_process_with_an_invalid_counter(site: Site) -> None:
    for name in (b"dead", b"dead\xff"):
        site.redis.hset(site.key("processes"), name, b"no number")
        site.redis.hset(site.key("process_info"), name, b"no json")
    found = {name for name, counter in site.worker.admin.processes().items() if counter == -1}
    assert len(found) == 2
    for name in found:
        assert site.worker.admin.mark_dead(name, -1)
        assert name in site.worker.admin.awaiting_cleanup()
        site.worker.admin.clean_up(name)
    assert site.worker.admin.awaiting_cleanup() == set()
    assert found.isdisjoint(site.worker.admin.processes())


def test_the_number_of_notes_is_bounded(site: Site) -> None:
    inbox = site.key(f"inbox:{site.server}")
    for _ in range(15):
        site.redis.xadd(inbox, {b"z%d" % number: b"x" * 5000 for number in range(20)})
    site.talk()
    notes = site.worker.admin.set_aside()
    assert 0 < len(notes) <= 100
    assert max(len(note.value) for note in notes) == 1000
    assert site.layer._server is not None
    assert site.layer._server.aside.count == 300


# Commands


@pytest.mark.parametrize("arguments", [["channelstatus"], ["channelstatus", "--json"]])
def test_channelstatus_survives_garbage(
    site: Site, redis_server: RedisServer, settings: Settings, arguments: list[str]
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": BACKEND, "CONFIG": {"hosts": [redis_server.url]}}
    }
    for text in (b"no json", b"[]", b'{"kind": 5}', b'{"kind": "server", "host": 5}', b"\xff"):
        site.redis.hset(site.key("process_info"), text, text)
        site.redis.hset(site.key("processes"), text, text)
    telling = ProcessInfo("worker", "\x1b[2J\n", 1, 1e300, 1, ("\x1b",))._asdict()
    site.redis.hset(site.key("process_info"), b"\x1b[31m", json.dumps(telling).encode())
    site.redis.hset(site.key("processes"), b"\x1b[31m", b"1")
    running = ("\x1b", "\x1b", 1e300, "\x1b", "\x1b", "\x1b")
    for name, runs in ((b"w1", [running]), (b"w2", [(1, *running[1:])]), (b"w3", [5]), (b"w4", 5)):
        shown = {**telling, "versions": ["\x1b"], "release": "\x1b", "running": runs}
        site.redis.hset(site.key("process_info"), name, json.dumps(shown).encode())
        site.redis.hset(site.key("processes"), name, b"1")
    site.redis.set(site.key("channel:\x1b[31m"), b"no stream")
    site.redis.set(site.key("dead_letters"), b"no stream")
    site.redis.set(site.key(f"connections:{site.server}"), b"no hash")
    written = StringIO()
    call_command(*arguments, stdout=written)
    text = written.getvalue()
    assert "\x1b" not in text
    assert json.loads(text)["unreadable"] if "--json" in arguments else "cannot be read" in text
    channel_layers["default"].disconnect()


def test_deadletters_survives_garbage(
    site: Site, redis_server: RedisServer, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": BACKEND, "CONFIG": {"hosts": [redis_server.url]}}
    }
    letters: list[dict[bytes, bytes]] = [
        {b"x": b"y"},
        {b"channel": b"\x1b[31m\xff", b"reason": b"\xff\n", b"id": b"\x1b"},
        {b"channel": b"work", b"reason": b"x", b"id": b"a", b"payload": b"\xc1"},
        {b"channel": b"work", b"reason": b"x", b"id": b"a", b"payload": b"\x80", b"order": b"x"},
    ]
    for fields in letters:
        site.redis.xadd(site.key("dead_letters"), fields)  # type: ignore[arg-type]
    site.redis.xadd(site.key("aside"), {b"what": b"\x1b\xff", b"value": b"\x1b"})
    for action in (["list"], ["show", "all"], ["retry", "all"], ["aside"], ["drop", "all"]):
        written, failed = StringIO(), StringIO()
        call_command("deadletters", *action, stdout=written, stderr=failed)
        assert "\x1b" not in written.getvalue() + failed.getvalue()
    assert site.worker.admin.dead_letters() == []
    channel_layers["default"].disconnect()


# Counting and logging


def test_each_episode_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Aside(logging.getLogger("aside"), "Do this.")
    for number in range(3):
        found.add(Unreadable(f"Field {number}", "It is odd."), {"event": "unreadable"})
    assert errors(caplog) == ["Field 0 cannot be read and is set aside: It is odd. Do this."]
    monkeypatch.setattr(log_limits, "MINUTE", 0)
    found.add(Unreadable("Field 3", "It is odd."), {"event": "unreadable"})
    assert "Field 3 cannot be read and is set aside (and 2 others since the" in errors(caplog)[1]
    assert found.count == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain ä 大厅", "plain ä 大厅"),
        (b"plain", "plain"),
        ("\x1b[31m\n\r\x00", r"\x1b[31m\n\r\x00"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("\ud800\u202e", r"\ud800\u202e"),
        ("x" * 300, "x" * 200 + "..."),
    ],
)
def test_the_printed_form(value: str | bytes, text: str) -> None:
    assert printable(value) == text


# What /readyz checks


def test_an_inbox_that_is_read_is_never_late(site: Site) -> None:
    site.talk()
    assert site.layer.inbox_waits() < health.INBOX_STILL
    assert site.worker.inbox_waits() == 0.0


def test_an_unread_inbox_makes_a_server_not_ready(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stops the reader: here Redis replies nonsense."""
    monkeypatch.setattr(health, "INBOX_STILL", 0.5)
    looks = LayerChecks(lambda: site.layer)
    assert site.run(looks.look()) == dict.fromkeys(("layer", "inbox", "workers"), "ok")

    def fail(*entry: Any) -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(inbox_reader.wire, "InboxEntry", fail)
    site.redis.xadd(site.key(f"inbox:{site.server}"), {b"s": b"x"})
    until = time.monotonic() + TIMEOUT
    while site.run(looks.look())["inbox"] != "is not read; see the log":
        assert time.monotonic() < until
    monkeypatch.undo()
    site.talk()
    assert site.layer.inbox_waits() < health.INBOX_STILL


def test_a_layer_with_a_refused_user_is_not_ready(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url.removesuffix("0") + "99"])
    found = asyncio.run(LayerChecks(lambda: layer).look())
    assert found["layer"] == "refuses its user; see the log"
    layer.disconnect()
