"""A shard that loses its data, in Redis: it goes on where its servers have stopped to hear."""

from itertools import count
from typing import Any

import pytest

from channels_workers.layers.history import Histories
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.marks import MarksHeard
from channels_workers.layers.shards.heard import Heard
from channels_workers.layers.shards.names import home_of, home_of_member
from channels_workers.layers.shards.types import Mark, Result
from channels_workers.layers.types import GroupSend, Join, Send
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_member import Member, lose, recover, say
from tests.channels_workers.layers.shard_site import NAMES, TOKEN, ShardSite

__all__ = ["make_site", "redis_servers", "site"]


def test_each_member_hears_all_once_though_they_had_read_different_parts(site: ShardSite) -> None:
    fast, slow = Member(site), Member(site)
    say(site, 1, 2, 3)
    for entry in site.log("a"):
        site.apply("b", "a", entry)
    fast.read()
    slow.read(1)
    lose(site)
    say(site, 4)
    fast.restore()
    slow.restore()
    assert site.mark("b", "a") == Mark(site.epoch("a"), 1)
    recover(site)
    site.pull("b")
    fast.read()
    slow.read()
    assert fast.numbers == slow.numbers == [1, 2, 3, 4]
    assert fast.server.heard.marks == slow.server.heard.marks


@pytest.mark.parametrize("order", [1, -1])
def test_the_mark_is_the_lowest(order: int, site: ShardSite) -> None:
    members = [Member(site) for _ in range(3)]
    epoch = site.epoch("a")
    for seq, member in zip((5, 3, 4), members, strict=True):
        member.server.heard.marks.update({"a": Mark(epoch, seq), "c": Mark("c" * 16, 9)})
    lose(site)
    for member in members[::order]:
        member.restore()
    assert site.mark("b", "a") == Mark(epoch, 3)
    assert site.mark("b", "c") == Mark("c" * 16, 9)


def test_what_comes_again_is_only_for_servers(site: ShardSite) -> None:
    """Nobody can skip a second message in an ordinary channel, or a second position."""
    fast, slow = Member(site), Member(site)
    group = next(name for name in map("kept{}".format, count()) if home_of(name, NAMES) == "b")
    for layer in site.layers.values():
        layer.histories = Histories({group: {}}, 1_000_000)
    site.send("a", GroupSend(group, b"1"))
    say(site, 1)
    site.pull("b")
    fast.read()
    fast.heartbeat()
    lose(site)
    slow.restore()
    fast.restore()
    assert site.mark("b", "a") == Mark(site.epoch("a"), 0)
    recover(site)
    site.redis("b").hset(site.key("group:room"), "*work", "")
    site.pull("b")
    assert site.work("b") == site.log("b") == []
    slow.read()
    fast.read()
    assert slow.numbers == fast.numbers == [1]
    say(site, 2)
    site.send("a", GroupSend(group, b"2"))
    site.pull("b")
    assert len(site.work("b")) == 1
    assert site.logged("b") == [[b"p*", group.encode(), b"2"]]


def test_a_server_that_has_heard_nothing_changes_no_mark(site: ShardSite) -> None:
    first, second = Member(site), Member(site)
    first.server.heard.marks.update({"a": Mark(site.epoch("a"), 5)})
    second.server.heard.marks.clear()
    lose(site)
    first.restore()
    second.restore()
    assert site.mark("b", "a") == Mark(site.epoch("a"), 5)
    assert sorted(site.told(second.server.id)) == [("xa", b"?"), ("xc", b"?")]


def test_servers_that_disagree_on_the_epoch(site: ShardSite) -> None:
    """The log begins anew, with a gap for all."""
    members = [Member(site) for _ in range(3)]
    now = site.epoch("a")
    for epoch, member in zip((now, "0" * 16, now), members, strict=True):
        member.server.heard.marks.update({"a": Mark(epoch, 1)})
    say(site, 1, 2)
    lose(site)
    for member in members:
        member.restore()
    assert site.mark("b", "a") == Mark("", 0)
    recover(site)
    site.pull("b")
    for member in members:
        member.read()
    assert [member.numbers for member in members] == [[2], [1, 2], [2]]
    assert members[1].server.heard.gaps == 1


def test_a_server_that_comes_after_the_recovery_learns_of_its_gap(site: ShardSite) -> None:
    early, late = Member(site), Member(site)
    say(site, 1, 2, 3)
    for entry in site.log("a"):
        site.apply("b", "a", entry)
    early.read()
    late.read(1)
    lose(site)
    early.restore()
    recover(site)
    say(site, 4)
    site.pull("b")
    late.restore()
    epoch = site.epoch("a")
    assert site.mark("b", "a") == Mark(epoch, 4)
    told = site.told(late.server.id, marks=True)
    assert told == [("ha", f"{epoch}:4".encode()), ("xa", f"{epoch}:2-4".encode())]
    late.read()
    say(site, 5)
    site.pull("b")
    late.read()
    assert late.numbers == [1, 5]
    assert late.server.heard.gaps == 1


def test_an_older_copy_goes_on_at_its_own_mark(site: ShardSite) -> None:
    """Its streams have no more than that, so an ordinary channel gets each message once."""
    member = Member(site)
    names = (f"work{number}" for number in count())
    channel = next(name for name in names if home_of_member("room", name, NAMES) == "b")
    site.send("a", Join("room", channel))
    say(site, 1, 2, 3)
    entries = site.log("a")
    site.apply("b", "a", *entries[:2])
    kept = dump(site)
    site.apply("b", "a", *entries[2:])
    member.read()
    lose(site)
    put_back(site, kept)
    member.restore()
    assert site.mark("b", "a") == Mark(site.epoch("a"), 2)
    recover(site)
    site.pull("b")
    member.read()
    assert member.numbers == [1, 2, 3]
    assert len(site.work("b", channel)) == 3


def dump(site: ShardSite) -> dict[bytes, bytes]:
    """The marks, groups and messages of shard b."""
    client: Any = site.redis("b")
    keys = [
        key for kind in ("marks", "group:*", "channel:*") for key in client.keys(site.key(kind))
    ]
    return {key: client.execute_command("DUMP", key) for key in keys}


def put_back(site: ShardSite, kept: dict[bytes, bytes]) -> None:
    client: Any = site.redis("b")
    for key, value in kept.items():
        client.execute_command("RESTORE", key, 0, value)


def test_what_is_trimmed_meanwhile_is_a_gap(site: ShardSite) -> None:
    member = Member(site)
    say(site, 1)
    site.pull("b")
    member.read()
    say(site, 2, 3)
    lose(site)
    member.restore()
    recover(site)
    site.redis("a").xtrim(site.key(f"log:{site.epoch('a')}"), maxlen=1, approximate=False)
    mark = site.mark("b", "a")
    log = site.shards.read_log("a", mark, 50, 0)
    assert mark is not None
    assert log.first == mark.seq + 2
    assert site.apply("b", "a", *log.entries).result is Result.GAP
    site.shards.note_gap("b", TOKEN, "a", Mark(log.epoch, log.first - 1))
    site.pull("b")
    member.read()
    assert member.numbers == [1, 3]
    assert member.server.heard.gaps == 1


def test_a_heartbeat_says_how_far_a_server_has_heard(site: ShardSite) -> None:
    member = Member(site)
    heard = MarksHeard(member.server.heard)
    member.marks = MarksHeard(Heard())  # its own does nothing
    site.send("a", Send(f"c-{0:016x}!x", b""))  # nothing for b
    site.pull("b")
    heard.note(member.heartbeat(), member.server.position)
    assert member.server.heard.marks == {
        "a": Mark(site.epoch("a"), 1),
        "c": Mark(site.epoch("c"), 0),
    }
    say(site, 1, 2)
    site.pull("b")
    said = member.heartbeat()
    heard.note(said, member.server.position)
    assert member.server.heard.marks["a"].seq == 1
    member.read()
    heard.note([], member.server.position)
    assert member.server.heard.marks["a"].seq == 3


def test_marks_of_a_heartbeat_take_nothing_back() -> None:
    heard = Heard()
    marks = MarksHeard(heard)
    marks.note([b"5-0", b"a", b"e1:3::"], "4-9")
    heard.marks = {"a": Mark("e1", 7)}
    marks.note([], "5-0")
    assert heard.marks == {"a": Mark("e1", 7)}
    heard.marks = {"a": Mark("e2", 1)}  # the inbox has told of it
    marks.note([b"0-0", b"a", b"e1:9::", b"b", b"foreign"], "")
    assert heard.marks == {"a": Mark("e2", 1)}


def test_one_shard_has_no_marks_and_no_log(site: ShardSite) -> None:
    layer = RedisChannelLayer(hosts=[site.servers["b"].url], prefix="alone", lifeline=False)
    registration = layer.register_server("0" * 16)
    assert len(layer.client.call(registration.heartbeat())) == 4
    layer.apply([GroupSend("room", b"")])
    kinds = {key.split(b":")[2] for key in layer.client.redis.keys("alone:2:*")}
    assert kinds == {b"epoch", b"run", b"processes", b"process_info"}
    layer.disconnect()


def test_a_late_server_that_knows_a_newer_epoch_hears_nothing_twice(site: ShardSite) -> None:
    early, late = Member(site), Member(site)
    old = early.server.heard.marks["a"]
    lose(site, "a")
    recover(site, "a")
    say(site, 1, 2)
    epoch = site.epoch("a")
    site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 0))
    site.apply("b", "a", *site.log("a"))
    late.read()
    lose(site)
    early.restore()
    recover(site)
    assert site.mark("b", "a") == old
    late.restore()
    site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 0))
    site.apply("b", "a", *site.log("a"))
    early.read()
    late.read()
    assert early.numbers == late.numbers == [1, 2]


def test_what_a_heartbeat_said_before_a_loss_is_not_heard_after_it(site: ShardSite) -> None:
    member = Member(site)
    say(site, 1)
    site.pull("b")
    member.heartbeat()
    lose(site)
    member.restore()
    recover(site)
    site.send("b", Send(member.channel, site.layers["b"].encode({"n": 0})))
    member.read()
    member.heartbeat()
    site.pull("b")
    member.read()
    assert member.numbers == [0, 1]


def test_a_snapshot_and_a_server_that_know_different_epochs(site: ShardSite) -> None:
    """All of the log comes again, and nothing counts twice that the snapshot has."""
    ahead, behind = Member(site), Member(site)
    site.redis("b").hset(site.key("group:room"), "*work", "")
    lose(site, "a")
    recover(site, "a")
    say(site, 1, 2)
    epoch = site.epoch("a")
    site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 0))
    site.apply("b", "a", *site.log("a"))
    kept = dump(site)
    ahead.read()
    lose(site)
    put_back(site, kept)
    behind.restore()
    ahead.restore()
    assert site.mark("b", "a") == Mark(epoch, 0)
    recover(site)
    site.pull("b")
    for member in (ahead, behind):
        member.read()
        assert member.numbers == [1, 2]
    assert behind.server.heard.gaps == 1
    assert len(site.work("b")) == 2
