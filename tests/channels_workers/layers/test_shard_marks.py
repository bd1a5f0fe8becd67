"""Who applies the logs of other shards in Redis, and from where on: claims, marks, gaps."""

import time

import pytest

from channels_workers.layers.redis import shards
from channels_workers.layers.shards.types import LogEntry, Mark, Result
from channels_workers.layers.types import Join
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_site import (
    TOKEN,
    ShardSite,
    heard,
    room_of,
    sends,
    sent_to,
)

__all__ = ["make_site", "redis_servers", "site"]


def test_a_gap_does_nothing(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", b"2", b"3")
    entries, epoch = site.log("a"), site.epoch("a")
    assert site.apply("b", "a", *entries[1:]).result is Result.GAP
    site.apply("b", "a", entries[0])
    assert site.apply("b", "a", entries[2]) == (Result.GAP, Mark(epoch, 1))
    assert sent_to(site, servers["b"]) == heard(b"1")


def test_a_puller_that_lost_its_claim_does_nothing(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1")
    assert not site.shards.claim("b", "2e", 60)
    site.shards.release("b", TOKEN)
    assert site.shards.claim("b", "2e", 60)
    entry, epoch = site.log("a")[0], site.epoch("a")
    assert site.apply("b", "a", entry) == (Result.LOST, None)
    assert site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 1)) == (Result.LOST, None)
    assert sent_to(site, servers["b"]) == []
    assert site.apply("b", "a", entry, token="2e").result is Result.APPLIED


def test_a_claim_ends_with_its_time_or_its_process(site: ShardSite) -> None:
    site.shards.release("b", TOKEN)
    assert site.shards.claim("b", "workerbz1f", 60)
    assert not site.shards.claim("b", "2e", 60)
    assert site.shards.claim("b", "workerbz1f", 60)
    site.layers["b"].retire("workerb", (), ())
    assert site.shards.claim("b", "2e", 0.001)
    assert (
        site.apply("b", "a", LogEntry(1, ()), token="2e").result is Result.APPLIED
    )  # not yet taken
    while not site.shards.claim("b", "3d", 60):
        pass
    assert site.apply("b", "a", LogEntry(2, ()), token="2e").result is Result.LOST


def test_a_new_epoch_begins_anew_and_tells_of_the_gap(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", b"2")
    site.pull("b")
    old, before = site.log("a"), site.epoch("a")
    site.servers["a"].flush()
    site.register("a")
    sends(site, b"3")
    now = site.epoch("a")
    assert [done.mark for done in site.pull("b")] == [Mark(now, 1)]
    assert site.told(servers["b"], marks=True)[-4:] == [
        *(("ha", f"{now}:0".encode()), ("xa", b"?")),
        *(("ha", f"{now}:1".encode()), ("groom", b"3")),
    ]
    late = site.shards.apply("b", TOKEN, "a", before, old)  # it was on its way all the time
    assert late == (Result.PAST, Mark(now, 1))
    assert site.shards.note_gap("b", TOKEN, "a", Mark(before, 9)) == (Result.PAST, Mark(now, 1))
    assert sent_to(site, servers["b"])[-1] == ("groom", b"3")


def test_a_gap_is_noted_once_and_told_to_servers_only(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", b"2", b"3", b"4")
    epoch, entries = site.epoch("a"), site.log("a")
    site.apply("b", "a", entries[0])
    for result in (Result.APPLIED, Result.REPEATED):
        noted = site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 3))
        assert noted == (result, Mark(epoch, 3))
    site.apply("b", "a", entries[3])
    assert sent_to(site, servers["b"]) == [
        *heard(b"1"),
        ("xa", f"{epoch}:2-3".encode()),
        *heard(b"4"),
    ]
    assert site.redis("b").keys(site.key("inbox:worker*")) == []


def test_the_first_mark_is_set_without_a_word(site: ShardSite) -> None:
    servers = room_of(site)
    epoch = site.epoch("a")
    assert site.shards.note_gap("b", TOKEN, "a", Mark(epoch, 7)).result is Result.APPLIED
    assert sent_to(site, servers["b"]) == []


def test_a_new_shard_begins_where_the_log_was_when_it_became_known(site: ShardSite) -> None:
    """It must not hear what waits for a third one that is away."""
    for shard in "ac":
        site.redis(shard).hdel(site.key("processed"), "b")
    sends(site, b"before")
    site.register("a")  # a process that knows of b
    server = site.server("b")
    site.send("b", Join("room", f"{server}!x"))
    sends(site, b"after")
    assert len(site.log("a")) == 2
    site.pull("b")
    assert sent_to(site, server) == heard(b"after")


def test_a_source_that_is_away_does_not_stop_the_others(site: ShardSite) -> None:
    servers = room_of(site)
    sends(site, b"1", name="c")
    site.servers["a"].stop()
    marks = site.shards.marks("b")
    assert marks == {"c": Mark(site.epoch("c"), 0)}
    log = site.shards.read_log("c", marks["c"], 50, 0)
    assert site.apply("b", "c", *log.entries).result is Result.APPLIED
    assert sent_to(site, servers["b"]) == heard(b"1")
    before = time.monotonic()
    assert site.shards.marks("b").keys() == {"c"}  # it is not asked again at once
    assert time.monotonic() - before < 0.5


def test_a_source_that_goes_back_to_an_epoch_is_heard_again(
    site: ShardSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover, the former master has answered for a while, and was new to this shard."""
    servers = room_of(site)
    sends(site, b"1", b"2")
    site.pull("b")
    epoch, entries = site.epoch("a"), site.log("a")
    site.shards.note_gap("b", TOKEN, "a", Mark("0" * 16, 0))
    assert site.apply("b", "a", *entries).result is Result.PAST
    monkeypatch.setattr(shards, "PAST_FOR", 0.0)
    assert site.apply("b", "a", *entries) == (Result.APPLIED, Mark(epoch, 2))
    sends(site, b"3")
    site.pull("b")
    told = [("groom", b"1"), ("groom", b"2"), ("xa", b"?"), ("xa", b"?"), ("groom", b"3")]
    assert sent_to(site, servers["b"]) == told
