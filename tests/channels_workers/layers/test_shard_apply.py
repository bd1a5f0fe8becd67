"""What a shard does with the log of another one, in Redis: each entry once."""

import random
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis.shards import MOST, parts_of
from channels_workers.layers.shards.types import LogEntry, Mark, Result
from channels_workers.layers.types import GroupSend, Join, Leave, Operation, Send
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_site import (
    NAMES,
    TOKEN,
    ShardSite,
    heard,
    room_of,
    sends,
    sent_to,
)

__all__ = ["make_site", "redis_servers", "site"]


def test_members_on_all_shards_hear_all_in_order(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", b"2", b"3")
    sends(site, b"4", name="b")
    for name in NAMES:
        site.pull(name)
    assert sent_to(site, servers["c"]) == heard(b"1", b"2", b"3", b"4")
    assert sent_to(site, servers["a"]) == heard(b"1", b"2", b"3", b"4")
    assert sent_to(site, servers["b"]) == heard(b"4", b"1", b"2", b"3")


def test_a_repeated_apply_does_nothing(site: ShardSite) -> None:
    """As after a lost reply."""
    servers = room_of(site)
    sends(site, b"1", b"2")
    entries, mark = site.log("a"), Mark(site.epoch("a"), 2)
    assert site.apply("b", "a", *entries) == (Result.APPLIED, mark)
    before = site.redis("b").info("commandstats")["cmdstat_xadd"]["calls"]
    assert site.apply("b", "a", *entries) == (Result.REPEATED, mark)
    assert site.redis("b").info("commandstats")["cmdstat_xadd"]["calls"] == before
    assert sent_to(site, servers["b"]) == heard(b"1", b"2")


def test_of_overlapping_entries_the_new_ones_are_applied(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", b"2", b"3")
    entries = site.log("a")
    site.apply("b", "a", *entries[:2])
    assert site.apply("b", "a", *entries).mark == Mark(site.epoch("a"), 3)
    assert sent_to(site, servers["b"]) == heard(b"1", b"2", b"3")


def test_an_entry_without_operations_raises_the_mark(site: ShardSite) -> None:
    room_of(site)
    server = site.server("c")
    for number in range(3):
        site.send("a", Send(f"{server}!x", b"%d" % number))
    assert site.pull("b")[-1].mark == Mark(site.epoch("a"), 3)
    site.pull("c")
    assert sent_to(site, server) == [(f"s{server}!x", b"%d" % number) for number in range(3)]


def test_one_inbox_entry_for_many_log_entries(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, *[b"%d" % number for number in range(40)])
    before = len(site.entries(servers["b"]))
    site.pull("b")
    new = site.entries(servers["b"])[before:]
    assert len(new) == 1
    epoch = site.epoch("a")
    assert new[0] == [
        each
        for number in range(40)
        for each in (("ha", f"{epoch}:{number + 1}".encode()), ("groom", b"%d" % number))
    ]


def test_a_full_channel_of_a_group_is_skipped(site: ShardSite) -> None:
    servers = room_of(site)
    site.send("a", Join("room", "work"))
    site.pull_all()
    home = next(name for name in NAMES if "*work" in site.members(name, "room"))
    sender = next(name for name in NAMES if name != home)
    for _ in range(100):
        site.send(home, Send("work", b""))
    sends(site, b"1", name=sender)
    site.pull_all()
    assert len(site.work(home)) == 100
    assert sent_to(site, servers[home]) == heard(b"1")


def test_an_ordinary_channel_is_a_member_on_one_shard(site: ShardSite) -> None:
    for name in NAMES:
        site.send(name, Join("room", "work"))
        site.pull_all()
        assert sum("*work" in site.members(each, "room") for each in NAMES) == 1
    for name in NAMES:
        sends(site, name.encode(), name=name)
    site.pull_all()
    found = [each for name in NAMES for each in site.work(name)]
    assert sorted(each[b"payload"] for each in found) == [b"a", b"b", b"c"]
    assert len({each[b"id"] for each in found}) == 3
    site.send("c", Leave("room", "work"))
    site.pull_all()
    assert [site.members(name, "room") for name in NAMES] == [set()] * 3


def test_a_changed_list_of_shards_leaves_no_double_member(site: ShardSite) -> None:
    site.redis("a").hset(site.key("group:room"), "*work", "")
    site.redis("c").hset(site.key("group:room"), "*work", "")
    site.send("b", Join("room", "work"))
    site.pull_all()
    assert sum("*work" in site.members(each, "room") for each in NAMES) == 1


def test_a_foreign_socket_joins_and_leaves(site: ShardSite) -> None:
    server = site.server("b")
    site.send("a", Join("room", f"{server}!x"), GroupSend("room", b"1"))
    site.pull("b")
    assert site.members("b", "room") == {server}
    assert site.told(server) == [("jroom", f"{server}!x".encode()), *heard(b"1")]
    last = site.redis("b").hget(site.key("group:room"), server)
    ((entry, _),) = site.redis("b").xrange(site.key(f"inbox:{server}"))
    assert last == entry
    site.send("a", Leave("room", f"{server}!x"))
    site.pull("b")
    assert site.told(server)[-1] == ("lroom", f"{server}!x".encode())


def test_a_kept_connection_is_found_at_the_server_that_has_it_now(site: ShardSite) -> None:
    first, second = site.server("b"), site.server("b")
    reply = f"{first}!kept.30.1"
    asked = f"{reply}@{first}."
    published = site.call("b", "publish", "websocket.connect", asked, 0, b"", b"last", "")
    assert published == b"published"
    assert site.call("b", "park", asked, 1006, 10, "") == [b"parked", 0]
    adopted = site.call("b", "adopt", reply, second, "ad", 0, "none", site.epoch("b"))
    assert (adopted[0], adopted[8]) == (b"adopted", first.encode())
    again = site.call("b", "adopt", reply, second, "ad", 0, "ad", site.epoch("b"))
    assert again[8] == first.encode()
    site.send("a", Join("room", reply), Send(reply, b"1"))
    site.pull("b")
    assert site.told(second) == [("jroom", reply.encode()), (f"s{reply}", b"1")]
    assert site.redis("b").hexists(site.key(f"kept:{reply}"), "groom")
    assert site.call("b", "publish", "websocket.receive", asked, 1, b"", b"", "") == b"moved"
    held = f"{reply}@{second}.ad"
    assert site.call("b", "close", held, 1000, "") in (b"closing", b"withdrawn")


def test_nothing_is_written_for_a_server_that_is_gone(site: ShardSite) -> None:
    site.send("a", Send(f"b-{0:016x}!x", b"1"), Join("room", f"b-{0:016x}!x"))
    assert site.pull("b")[-1].result is Result.APPLIED
    assert site.redis("b").keys(site.key("inbox:*")) == []
    assert site.members("b", "room") == set()


def test_a_session_is_saved_if_its_connection_lives(site: ShardSite) -> None:
    server = site.server("b")
    reply, gone = f"{server}!x", f"{server}!gone"
    site.call("b", "publish", "websocket.connect", reply, 0, b"", b"")
    entry = LogEntry(1, [b"kb", reply.encode(), b"", b"s", b"kb", gone.encode(), b"", b"s"])
    assert site.apply("b", "a", entry).result is Result.APPLIED
    assert site.redis("b").get(site.key(f"session:{reply}")) == b"s"
    assert site.redis("b").exists(site.key(f"session:{gone}")) == 0
    assert site.told(server) == [(f"k{reply}", b"s")]


BAD = [
    [b"g*", b"room", b"id 100"],
    [b"q*", b"room", b"id 100", b"x"],
    [b"", b"room", b"id 100", b"x"],
    [b"g*", b"room", b"no number", b"x"],
    [b"h*", b"room", b"id 100", b"x"],
    [b"p*", b"room", b"id 100:1:1:1:1:1", b"x"],
    [b"sb", b"work", b"", b"x"],
    [b"sb", b"c-00!x", b"", b"x"],
    [b"j*", b"room", b"", b"c-00!x"],
]


@pytest.mark.parametrize("operations", BAD, ids=str)
def test_a_bad_entry_becomes_a_dead_letter(operations: list[bytes], site: ShardSite) -> None:
    servers, epoch = room_of(site), site.epoch("a")
    good = [b"g*", b"room", b"id 100", b"good"]
    entries = [LogEntry(1, good), LogEntry(2, [*good, *operations]), LogEntry(3, good)]
    assert site.apply("b", "a", *entries) == (Result.APPLIED, Mark(epoch, 3))
    assert sent_to(site, servers["b"]) == heard(b"good", b"good")
    (letter,) = site.layers["b"].admin.dead_letters(10)
    assert (letter.message.channel, letter.message.id) == ("log:a", f"a:{epoch}:2")
    assert letter.is_unreadable


def test_an_entry_that_redis_refuses_becomes_a_dead_letter(site: ShardSite) -> None:
    """The others of its step are applied."""
    servers = room_of(site)
    sends(site, b"1", b"2")
    good = site.log("a")
    entries = [good[0], LogEntry(2, [b"g*", b"room", b"id 100", b"bad"]), good[1]._replace(seq=3)]
    kept = site.shards._call

    def call(shard: str, script: str, arguments: Any) -> Any:
        if b"bad" in arguments and not arguments[5]:
            arguments = ["x", "y"]  # an error of Lua
            arguments = [TOKEN, *arguments, "no number", 1, ""]
        return kept(shard, script, arguments)

    site.shards._call = call  # type: ignore[method-assign]
    assert site.apply("b", "a", *entries).mark == Mark(site.epoch("a"), 3)
    assert sent_to(site, servers["b"]) == heard(b"1", b"2")
    (letter,) = site.layers["b"].admin.dead_letters(10)
    assert letter.message.payload == b"bad"
    assert letter.reason.startswith("Redis refuses it")


def test_a_full_redis_applies_nothing(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1")
    site.redis("b").config_set("maxmemory", 1)
    try:
        with pytest.raises(LayerUnavailable):
            site.apply("b", "a", *site.log("a"))
    finally:
        site.redis("b").config_set("maxmemory", 0)
    assert site.mark("b", "a") is None
    site.pull("b")
    assert sent_to(site, servers["b"]) == heard(b"1")


def test_nothing_is_applied_before_the_servers_are_back(site: ShardSite) -> None:
    sends(site, b"1")
    entries, epoch = site.log("a"), site.epoch("b")
    site.redis("b").set(site.key("recovering"), epoch)
    with pytest.raises(LayerUnavailable):
        site.apply("b", "a", *entries)
    site.redis("b").flushall()
    with pytest.raises(LayerUnavailable):
        site.apply("b", "a", *entries)


def test_parts_of_a_batch(site: ShardSite) -> None:
    ours, foreign = [b"g*", b"room", b"id 1", b"x"], [b"sc", b"c-00!x", b"", b"x"]
    entries = [LogEntry(1, ours * 600), LogEntry(2, foreign * 900), LogEntry(3, ours * 400)]
    parts = list(parts_of(entries, "b"))
    assert [[(entry.seq, len(entry.operations) // 4) for entry in part] for part in parts] == [
        [(1, 600), (2, 0)],
        [(3, 400)],
    ]
    large = [LogEntry(number, [*ours[:3], b"x" * 200_000]) for number in range(3)]
    assert [len(part) for part in parts_of(large, "b")] == [1, 1, 1]
    assert MOST == 1_000


@pytest.mark.parametrize("seed", range(3))
def test_random_batches_with_lost_replies(seed: int, site: ShardSite) -> None:
    """Each server hears each message once, in order, however the calls are repeated and cut."""
    rng, servers = random.Random(seed), room_of(site)
    operations: list[Operation] = []
    for number in range(120):
        target = servers[rng.choice(NAMES)]
        sent = [GroupSend("room", b"%d" % number), Send(f"{target}!x", b"%d" % number)]
        operations = list(rng.sample(sent, rng.randint(1, 2)))
        site.send("a", *operations)
    log, epoch = site.log("a"), site.epoch("a")
    for name in ("b", "c"):
        mark = 0
        while mark < len(log):
            first = max(0, mark - rng.randint(0, 5))
            part = log[first : first + rng.randint(1, 30)]
            applied = site.apply(name, "a", *part)
            mark = max(mark, part[-1].seq)
            assert applied.mark == Mark(epoch, mark)
        expected = [
            (kind.decode()[:1] + target.decode(), value)
            for entry in log
            for kind, target, value in zip(
                entry.operations[::4], entry.operations[1::4], entry.operations[3::4], strict=True
            )
            if kind[1:] in (b"*", name.encode())
        ]
        assert sent_to(site, servers[name]) == expected


def test_the_documented_rights_suffice(make_site: Any) -> None:
    site = make_site(user="ann")
    servers = room_of(site)
    sends(site, b"1", b"2")
    site.pull_all()
    site.shards.note_gap("b", TOKEN, "a", Mark(site.epoch("a"), 9))
    site.shards.trim("a", "b", Mark(site.epoch("a"), 9))
    site.call("a", "open_history", "kept", "9:9:9:9:9", "seed")
    site.call("a", "heartbeat", servers["a"], "", site.epoch("a"), 1, "e" * 16)
    assert sent_to(site, servers["b"])[:2] == heard(b"1", b"2")
    for server in site.servers.values():
        with server.client() as client:
            assert "user=ann" in client.execute_command("CLIENT", "LIST").decode()  # type: ignore[no-untyped-call]
            denied: Any = client.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
        # What redis-py reports about itself is not needed.
        assert [each for each in denied if b"client" not in str(each).encode()] == []
