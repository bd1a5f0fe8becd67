"""Groups with history on several shards, in Redis: one gives positions, all keep a copy."""

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.history import Joined, Limits, Position
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.shards.names import home_of
from channels_workers.layers.types import GroupSend, Join, Resume
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_site import NAMES, TOKEN, ShardSite

__all__ = ["make_site", "redis_servers", "site"]

HOME = home_of("kept", NAMES)
FIRST, SECOND = (name for name in NAMES if name != HOME)
LIMITS = Limits(100, 100_000, 3600.0)


def send(site: ShardSite, name: str, *payloads: bytes) -> None:
    for payload in payloads:
        site.send(name, GroupSend("kept", payload))


def resume(site: ShardSite, server: str, since: Position | str | None) -> Joined:
    joined = site.layers[server[0]].resume(Resume("kept", f"{server}!x", since, LIMITS))
    assert joined is not None
    return joined


def positions(site: ShardSite, server: str) -> list[tuple[str, int, bytes]]:
    """Epoch, offset and payload of each message to the group in an inbox."""
    found = [value.split(b":", 2) for name, value in site.told(server) if name == "pkept"]
    return [(epoch.decode(), int(offset), payload) for epoch, offset, payload in found]


def replayed(site: ShardSite, server: str) -> list[bytes]:
    return [value.split(b":", 3)[3] for name, value in site.told(server) if name == f"y{server}!x"]


def history_of(site: ShardSite, name: str) -> tuple[str, int]:
    found = site.redis(name).hget(site.key("histories"), "kept")
    assert isinstance(found, bytes)
    _, epoch, offset, _ = found.decode().split(":")
    return epoch, int(offset)


def test_members_everywhere_hear_the_same_positions(site: ShardSite) -> None:
    servers = {name: site.server(name) for name in NAMES}
    for name, server in servers.items():
        site.send(name, Join("kept", f"{server}!x"))
    for name in (FIRST, HOME, SECOND):
        send(site, name, f"1 {name}".encode(), f"2 {name}".encode())
    site.pull_all()
    heard = [positions(site, server) for server in servers.values()]
    assert heard[0] == heard[1] == heard[2]
    assert [offset for _, offset, _ in heard[0]] == [1, 2, 3, 4, 5, 6]
    assert {epoch for epoch, _, _ in heard[0]} == {history_of(site, HOME)[0]}
    payloads = [payload for _, _, payload in heard[0]]
    for name in NAMES:
        own = [each for each in payloads if each.endswith(name.encode())]
        assert own == [f"1 {name}".encode(), f"2 {name}".encode()]
    assert [history_of(site, name) for name in NAMES] == [history_of(site, HOME)] * 3


def test_a_message_to_another_home_is_only_logged(site: ShardSite) -> None:
    server = site.server(FIRST)
    site.send(FIRST, Join("kept", f"{server}!x"))
    send(site, FIRST, b"1")
    assert site.logged(FIRST)[-1] == [f"h{HOME}".encode(), b"kept", b"1"]
    assert positions(site, server) == []
    site.pull(HOME)
    assert site.logged(HOME) == [[b"p*", b"kept", b"1"]]
    site.pull(FIRST)
    assert [payload for _, _, payload in positions(site, server)] == [b"1"]


def test_a_repeated_apply_gives_one_position(site: ShardSite) -> None:
    send(site, FIRST, b"1")
    for _ in range(2):
        site.apply(HOME, FIRST, *site.log(FIRST))
    assert history_of(site, HOME)[1] == 1
    assert len(site.log(HOME)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_channel_that_comes_back_gets_what_it_missed(name: str, site: ShardSite) -> None:
    server = site.server(name)
    send(site, HOME, b"1", b"2")
    send(site, FIRST, b"3")
    site.pull_all()
    epoch, _ = history_of(site, HOME)
    joined = resume(site, server, Position(epoch, 1))
    assert joined == Joined(Position(epoch, 3), is_gap=False, replayed=2)
    send(site, SECOND, b"4")
    site.pull_all()
    assert replayed(site, server) == [b"2", b"3"]
    assert positions(site, server) == [(epoch, 4, b"4")]


def test_the_first_who_joins_elsewhere_takes_the_epoch_of_the_home(site: ShardSite) -> None:
    server = site.server(FIRST)
    joined = resume(site, server, None)
    assert joined.position == Position(history_of(site, HOME)[0], 0)
    send(site, SECOND, b"1")
    site.pull_all()
    assert positions(site, server) == [(joined.position.epoch, 1, b"1")]
    back = site.server(FIRST)
    assert resume(site, back, joined.position) == Joined(
        Position(joined.position.epoch, 1), is_gap=False, replayed=1
    )


def test_without_the_home_those_who_come_back_see_a_gap(site: ShardSite) -> None:
    def away(shard: str, request: Request) -> bytes:
        raise LayerUnavailable("It is away.")

    site.layers[FIRST].call_shard = away
    server = site.server(FIRST)
    before = resume(site, server, None).position
    send(site, HOME, b"1")
    site.pull_all()
    assert resume(site, site.server(FIRST), before).is_gap


def test_a_copy_that_misses_a_message_begins_anew(site: ShardSite) -> None:
    send(site, HOME, b"1", b"2")
    site.pull(FIRST)
    before = Position(history_of(site, FIRST)[0], 2)
    send(site, HOME, b"3", b"4")
    mark = site.mark(FIRST, HOME)
    assert mark is not None
    site.shards.note_gap(FIRST, TOKEN, HOME, mark._replace(seq=3))
    site.pull(FIRST)
    assert history_of(site, FIRST) == (before.epoch, 4)
    server = site.server(FIRST)
    assert resume(site, server, before).is_gap
    assert resume(site, server, before._replace(offset=3)) == Joined(
        Position(before.epoch, 4), is_gap=False, replayed=1
    )
    assert site.redis(FIRST).xlen(site.key("history:kept")) == 1


def test_a_copy_is_as_bounded_as_the_history(site: ShardSite) -> None:
    limits = site.layers[HOME].histories
    assert limits is not None
    known = limits.limits_of("kept")
    assert known is not None
    send(site, HOME, *[b"%d" % number for number in range(known.messages + 10)])
    site.pull_all()
    lengths = {name: site.redis(name).xlen(site.key("history:kept")) for name in NAMES}
    assert len(set(lengths.values())) == 1
    assert lengths[HOME] == known.messages
    sizes = [site.redis(name).hget(site.key("histories"), ":bytes") for name in NAMES]
    assert len(set(sizes)) == 1


def test_an_ordinary_channel_gets_positions(site: ShardSite) -> None:
    site.send(FIRST, Join("kept", "work"))
    site.pull_all()
    send(site, SECOND, b"1")
    site.pull_all()
    (found,) = [each for name in NAMES for each in site.work(name)]
    epoch, offset = history_of(site, HOME)
    assert found[b"position"] == f"{epoch}:{offset}".encode()
