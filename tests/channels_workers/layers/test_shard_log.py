"""What each step on a shard writes into its log, in Redis."""

from collections import Counter
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.commits import requests as commit_requests
from channels_workers.layers.redis.requests import Request, encode_operations
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.shards.types import Log, Mark, Result
from channels_workers.layers.types import (
    Delivery,
    Finished,
    GroupSend,
    Join,
    Leave,
    Operation,
    ProcessInfo,
    Send,
    SendLater,
    Session,
)
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_site import NAMES, ShardSite

__all__ = ["make_site", "redis_servers", "site"]

ON_A, ON_B, ON_C = (f"{name}-{0:016x}!socket" for name in NAMES)


def deliver(site: ShardSite, name: str = "a") -> Delivery:
    """Send to `work` on a shard, and pull that."""
    site.send(name, Send("work", b"w"))
    (found,) = site.layers[name].pull(("work",), f"worker{name}.0", 1)
    return found


def commit(site: ShardSite, name: str, *finished: Finished) -> list[bytes]:
    """Commit in one call of the script."""
    layer = site.layers[name]
    known = layer.get_capacity, layer.histories, layer.client.shard
    (request,) = commit_requests(finished, *known)
    done: list[bytes] = layer.client.call(request)
    return done


def test_a_step_without_others_writes_no_log(site: ShardSite) -> None:
    server = site.server("a")
    site.send("a", Send("work", b"1"), Send(f"{server}!x", b"2"), Join("room", f"{server}!x"))
    site.send("a", SendLater("work", b"3", 60.0, "id"))
    assert site.log("a") == []


def test_what_concerns_others_is_one_entry(site: ShardSite) -> None:
    site.send(
        "a",
        Send("work", b"1"),
        GroupSend("room", b"2"),
        Send(ON_B, b"3"),
        Join("room", ON_C),
        Leave("room", ON_B),
    )
    assert site.logged("a") == [
        [
            *(b"g*", b"room", b"2"),
            *(b"sb", ON_B.encode(), b"3"),
            *(b"jc", b"room", ON_C.encode()),
            *(b"lb", b"room", ON_B.encode()),
        ]
    ]
    assert site.log("b") == site.log("c") == []


def test_an_entry_costs_three_commands(site: ShardSite) -> None:
    """A send that concerns nobody else costs none more than on a single shard."""
    alone = RedisChannelLayer(hosts=[site.servers["a"].url], prefix="alone", lifeline=False)
    alone.register("worker", ProcessInfo.this("worker"))

    def commands(layer: RedisChannelLayer, operation: Operation) -> Counter[str]:
        quads = encode_operations([operation], layer.get_capacity, None, layer.client.shard)
        request = Request("send", ["id", *quads])
        layer.client.call(request)  # loads the script
        layer.client.redis.config_resetstat()
        layer.client.call(request)
        found: Any = layer.client.redis.info("commandstats")
        return Counter(
            {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}
        )

    for operation, more in (
        (Send("work", b""), Counter()),
        (GroupSend("room", b""), Counter(get=1, hincrby=1, xadd=1)),
        (Send(ON_B, b""), Counter(get=1, hincrby=1, xadd=1)),
    ):
        found = commands(site.layers["a"], operation)
        assert found - commands(alone, operation) == more
    alone.disconnect()


def test_numbers_have_no_holes(site: ShardSite) -> None:
    for number in range(5):
        site.send("a", GroupSend("room", b"%d" % number))
        site.send("a", Send("work", b""))
    assert [entry.seq for entry in site.log("a")] == [1, 2, 3, 4, 5]


def test_a_group_send_has_the_id_of_its_message(site: ShardSite) -> None:
    site.call("a", "send", "parent", *site.quads("a", Send("work", b""), GroupSend("room", b"x")))
    assert site.log("a")[0].operations[2] == b"parent.2 100"


def test_a_full_channel_leaves_no_entry(site: ShardSite) -> None:
    for _ in range(100):
        site.send("a", Send("work", b""))
    assert site.send("a", GroupSend("room", b""), Send("work", b"")) == b"full work"
    assert site.log("a") == []


def test_a_commit_of_several_deliveries_is_one_entry(site: ShardSite) -> None:
    first, second = deliver(site), deliver(site)
    session = Session(ON_C, b"session")
    done = commit(
        site,
        "a",
        Finished(first, [GroupSend("room", b"1")], session),
        Finished(second, [Send(ON_B, b"2")]),
    )
    assert done == [b"done", b"done"]
    (operations,) = site.logged("a")
    assert operations == [
        *(b"g*", b"room", b"1"),
        *(b"kc", ON_C.encode(), b"session"),
        *(b"sb", ON_B.encode(), b"2"),
    ]


def test_a_repeated_commit_writes_no_second_entry(site: ShardSite) -> None:
    finished = Finished(deliver(site), [GroupSend("room", b"1")])
    assert commit(site, "a", finished) == [b"done"]
    assert commit(site, "a", finished) == [b"stale"]
    assert len(site.log("a")) == 1


def test_a_lost_delivery_writes_no_entry(site: ShardSite) -> None:
    delivery = deliver(site)._replace(consumer="another.0")
    assert commit(site, "a", Finished(delivery, [GroupSend("room", b"1")])) == [b"stale"]
    assert site.log("a") == []


@pytest.mark.parametrize("kind", [Join, Leave])
def test_changes_of_a_running_consumer(kind: Any, site: ShardSite) -> None:
    delivery, server = deliver(site), site.server("a")
    held = (delivery.channel, delivery.token, delivery.consumer)
    changes: list[Operation] = [kind("room", ON_B), kind("room", f"{server}!x")]
    assert site.call("a", "change_groups", *held, *site.quads("a", *changes)) == b"done"
    letter = {Join: b"j", Leave: b"l"}[kind]
    assert site.logged("a") == [[letter + b"b", b"room", ON_B.encode()]]


def test_a_delayed_message_is_logged_when_it_is_due(site: ShardSite) -> None:
    site.send("a", SendLater(ON_B, b"late", 0.0, "id"))
    assert site.log("a") == []
    assert site.call("a", "send_due", 10, 1000)[0] == 1
    assert site.logged("a") == [[b"sb", ON_B.encode(), b"late"]]


def test_stored_sends_are_logged_once(site: ShardSite) -> None:
    fence = site.call("a", "claim_relay", "base", "1f", 60_000_000, "")[0]
    for expected in (b"done", b"repeated"):
        sends = ["key", *site.quads("a", GroupSend("room", b"stored"))]
        assert site.call("a", "send_once", "base", fence, *sends) == [1, expected]
    assert site.logged("a") == [[b"g*", b"room", b"stored"]]
    assert site.log("a")[0].operations[2] == b"key.1 100"


def test_a_large_outbox_takes_several_entries(site: ShardSite) -> None:
    site.send("a", *[Send(ON_B, b"%d" % number) for number in range(2500)])
    entries = site.log("a")
    assert [len(entry.operations) // 4 for entry in entries] == [999, 999, 502]
    values = [value for entry in entries for value in entry.operations[3::4]]
    assert values == [b"%d" % number for number in range(2500)]


def test_a_log_has_no_more_entries_than_it_may(make_site: Any) -> None:
    site = make_site("a", "b", entries=40)
    for number in range(96):
        site.send("a", GroupSend("room", b"%d" % number))
    entries = site.log("a")
    assert (entries[0].seq, entries[-1].seq) == (57, 96)
    assert site.redis("a").hget(site.key("logs"), ":dropped") == b"56"


def test_a_log_has_not_many_more_bytes_than_it_may(make_site: Any) -> None:
    site = make_site("a", "b", size=100_000)
    for _ in range(200):
        site.send("a", GroupSend("room", b"x" * 1_000))
    key = site.key(f"log:{site.epoch('a')}")
    assert site.redis("a").memory_usage(key) < 120_000
    assert site.log("a")[-1].seq == 200
    site.send("a", GroupSend("room", b"x" * 200_000))
    assert [entry.seq for entry in site.log("a")] == [201]


def test_entries_that_all_have_applied_are_not_counted_as_dropped(make_site: Any) -> None:
    site = make_site("a", "b", entries=40)
    for number in range(48):
        site.send("a", GroupSend("room", b"%d" % number))
        site.shards.trim("a", "b", Mark(site.epoch("a"), number + 1))
    assert site.redis("a").hget(site.key("logs"), ":dropped") is None


def test_a_log_is_trimmed_to_the_lowest_of_all_others(site: ShardSite) -> None:
    for number in range(500):
        site.send("a", GroupSend("room", b"%d" % number))
    epoch = site.epoch("a")
    site.shards.trim("a", "b", Mark(epoch, 450))
    assert site.log("a")[0].seq == 1  # c is away
    site.shards.trim("a", "c", Mark(epoch, 250))
    assert 150 <= site.log("a")[0].seq <= 251  # whole nodes of the stream
    site.shards.trim("a", "c", Mark(epoch, 10))  # a late one
    site.shards.trim("a", "c", Mark("0" * 16, 499))  # of another epoch
    assert site.log("a")[0].seq <= 251
    site.shards.trim("a", "c", Mark(epoch, 500))
    assert 350 <= site.log("a")[0].seq <= 451


def test_a_trim_leaves_the_newest_entry(site: ShardSite) -> None:
    """A shard whose mark goes back sees by it that others are gone."""
    for number in range(100):  # a whole node of the stream
        site.send("a", GroupSend("room", b"%d" % number))
    for name in ("b", "c"):
        site.shards.trim("a", name, Mark(site.epoch("a"), 100))
    log = site.shards.read_log("a", Mark(site.epoch("a"), 50), 50, 0)
    assert log.entries[-1].seq == 100


def test_a_log_is_kept_for_shards_that_a_process_does_not_know_yet(site: ShardSite) -> None:
    site.redis("a").hset(site.key("processed"), "new", f"{site.epoch('a')}:0")
    for number in range(300):
        site.send("a", GroupSend("room", b"%d" % number))
    for name in ("b", "c"):
        site.shards.trim("a", name, Mark(site.epoch("a"), 300))
    assert site.log("a")[0].seq == 1
    site.shards.forget("a", "new")
    site.shards.trim("a", "b", Mark(site.epoch("a"), 300))
    assert site.log("a")[0].seq > 100


def test_a_new_epoch_forgets_the_log(site: ShardSite) -> None:
    site.send("a", GroupSend("room", b"old"))
    before = site.epoch("a")
    site.redis("a").set(site.key("run"), "another run")
    site.call("a", "register", "workera", "{}", "e" * 16)
    assert site.epoch("a") == "e" * 16
    assert site.log("a") == []
    assert site.redis("a").exists(site.key(f"log:{before}")) == 0
    site.send("a", GroupSend("room", b"new"))
    assert [entry.seq for entry in site.log("a")] == [1]


def test_a_log_begins_an_epoch_where_nobody_is_registered(site: ShardSite) -> None:
    """As by a view, before the first worker is there."""
    site.redis("a").flushall()
    with pytest.raises(LayerUnavailable, match="lost its data"):
        site.shards.read_log("a", None, 1, 0)
    site.send("a", Send("work", b""))
    with pytest.raises(LayerUnavailable, match="lost its data"):
        site.shards.read_log("a", None, 1, 0)
    site.send("a", GroupSend("room", b""))
    epoch = site.epoch("a")
    site.register("a")
    assert site.epoch("a") == epoch
    assert [entry.seq for entry in site.log("a")] == [1]
    assert site.shards.marks("b")["a"] == Mark(epoch, 0)


@pytest.mark.parametrize("damage", ["counter", "key", "field"])
def test_a_lost_counter_goes_on_after_the_log(damage: str, site: ShardSite) -> None:
    site.send("a", GroupSend("room", b"1"))
    key = site.key("logs")
    if damage == "field":
        site.redis("a").hset(key, site.epoch("a"), "foreign")
    else:
        site.redis("a").delete(key)
    if damage == "key":
        site.redis("a").set(key, "foreign")
    for number in (b"2", b"3"):
        site.send("a", GroupSend("room", number))
    assert [entry.seq for entry in site.log("a")] == [1, 2, 3]


def test_a_foreign_key_of_a_log_is_set_aside(site: ShardSite) -> None:
    site.send("a", GroupSend("room", b"1"))
    key = site.key(f"log:{site.epoch('a')}")
    site.redis("a").set(key, "foreign")
    site.send("a", GroupSend("room", b"2"))
    assert [entry.seq for entry in site.log("a")] == [2]
    assert site.apply("b", "a", *site.log("a")).result is Result.GAP


def test_a_flush_keeps_numbers_and_marks(site: ShardSite) -> None:
    site.send("a", GroupSend("room", b"1"))
    site.pull("b")
    for number in range(5):
        site.send("a", GroupSend("room", b"%d" % number))
    for layer in site.layers.values():
        layer.client.flush("")
    site.send("a", GroupSend("room", b"new"))
    epoch = site.epoch("a")
    log = site.shards.read_log("a", Mark(epoch, 1), 50, 0)
    assert [(entry.seq, len(entry.operations)) for entry in log.entries] == [
        *[(seq, 0) for seq in range(2, 8)],
        (8, 4),
    ]
    assert log.first == 2
    assert site.shards.read_log("a", Mark(epoch, 3), 2, 0).entries == [(4, ()), (5, ())]
    assert [done.mark for done in site.pull("b")] == [Mark(epoch, 8)]


def test_a_read_waits_for_an_entry(site: ShardSite) -> None:
    mark = Mark(site.epoch("a"), 0)
    assert site.shards.read_log("a", mark, 50, 0.01) == Log(mark.epoch, [], 1)
    site.send("a", GroupSend("room", b"1"))
    assert [entry.seq for entry in site.shards.read_log("a", mark, 50, 2).entries] == [1]


def test_one_shard_passes_no_names() -> None:
    assert Shard("a", ("a",)).key("chat:2:") == ""
    assert Shard("a", ("a", "b", "c"), 9, 99).key("chat:2:") == "chat:2:shards:a:b,c:9:99:a"


def test_each_of_merged_commits_has_its_ids(site: ShardSite) -> None:
    deliveries = [deliver(site) for _ in range(2)]
    commit(site, "a", *[Finished(each, [GroupSend("room", b"")]) for each in deliveries])
    ids = [part.split()[0].decode() for part in site.log("a")[0].operations[2::4]]
    assert ids == [f"{each.id}.1" for each in deliveries]
