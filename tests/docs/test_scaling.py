"""The arithmetic of docs/explanation/past-one-redis.md follows from its figures, within a tenth.

If a test fails after a new figure, recalculate the page.
"""

import re

import pytest

from tests.docs.pages import page

FULL, SOCKETS, SOCKETS_EACH, STAY, ROOM = 0.7, 1_000_000, 10_000, 1800, 50

#: Seconds that servers have to register again.
PATIENCE = 4.0


def numbers(cell: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?", cell)]


def table(name: str) -> dict[str, list[list[float]]]:
    """The numbers of each row, by its first word."""
    rows = page("explanation/past-one-redis").table(name)
    return {row[0].split()[0].strip("*:,"): [numbers(cell) for cell in row] for row in rows}


def figures() -> dict[str, list[float]]:
    return {name: row[2] for name, row in table("figures").items()}


FIGURES = figures()
A, B, BROADCAST = FIGURES["a"][0], FIGURES["b"][0], FIGURES["c"][0]
OPEN, CLOSE = FIGURES["d"]
DAPHNE, UVICORN = FIGURES["j"]


def servers_of(sockets: float, size: float = SOCKETS_EACH) -> float:
    """The number of servers with members in a room, *S*, if rooms are spread."""
    servers = max(1.0, sockets / size)
    return servers * (1 - (1 - 1 / servers) ** ROOM)


def spread(sockets: float, size: float = SOCKETS_EACH) -> float:
    """Redis time for a message to a spread room (us)."""
    return A + (servers_of(sockets, size) - 1) * B


def presence(sockets: float) -> float:
    told = 2 * (servers_of(sockets) - 1) * B
    return sockets / STAY * (OPEN + CLOSE + told)


def chat(sockets: float) -> float:
    return sockets / 60 * spread(sockets)


def registering(sockets: float) -> float:
    """Redis time to register everything again, with spread rooms (us)."""
    connection, pair = FIGURES["e"]
    return sockets * connection + sockets / ROOM * servers_of(sockets) * pair


def test_cores_of_redis() -> None:
    rows = {name: row[5] for name, row in table("costs").items()}
    assert rows["idle"] == [pytest.approx(SOCKETS / STAY * (OPEN + CLOSE) / 1e6, rel=0.1)]
    assert rows["presence"] == [pytest.approx(presence(SOCKETS) / 1e6, rel=0.1)]
    assert rows["chat"] == [pytest.approx(chat(SOCKETS) / 1e6, rel=0.1)]
    assert rows["the"] == [pytest.approx(SOCKETS / 60 * A / 1e6, rel=0.1)]
    assert rows["ticker"] == [pytest.approx((BROADCAST + 99 * B) / 1e6, rel=0.1)]
    assert rows["game"] == [pytest.approx(A, rel=0.1)]


def test_cores_of_servers_and_workers() -> None:
    rows = table("costs")
    message, deliveries = FIGURES["i"][0] / 60, SOCKETS / 60 * ROOM / 1e6
    cores = [message + deliveries * DAPHNE, message + deliveries * UVICORN]
    assert rows["the"][3] == pytest.approx(cores, rel=0.1)
    assert rows["ticker"][3] == pytest.approx([DAPHNE, UVICORN], rel=0.1)
    assert rows["game"][3:5] == [pytest.approx(FIGURES["i"]), pytest.approx(FIGURES["h"])]
    assert rows["chat"][4] == [pytest.approx(FIGURES["h"][0] / 60, rel=0.1)]


def test_the_capacity_of_one_redis() -> None:
    rows = {row[0]: row for row in page("explanation/past-one-redis").table("carries")}
    carried = {name: [numbers(cell) for cell in row[1:]] for name, row in rows.items()}
    full, patience = FULL * 1e6, FULL * PATIENCE * 1e6
    for name, costs in {"presence, spread": presence, "chat, spread": chat}.items():
        assert costs(carried[name][0][0]) == pytest.approx(full, rel=0.1)
        assert registering(carried[name][1][0]) == pytest.approx(patience, rel=0.1)
    assert carried["idle"][0] == [pytest.approx(full / (OPEN + CLOSE) * STAY, rel=0.1)]
    assert carried["idle"][1] == [pytest.approx(patience / FIGURES["e"][0], rel=0.1)]
    assert carried["chat, rooms together"][0] == [pytest.approx(full / A * 60, rel=0.1)]
    assert carried["game"][0] == [pytest.approx(full / A, rel=0.1)]
    for *limits, least, needed in carried.values():
        assert least == min(filter(None, limits))
        assert needed == [pytest.approx(SOCKETS / least[0], abs=1)]


def test_sizes_of_processes() -> None:
    for row in table("sizes").values():
        (size,), (processes,), (members,), (time,), _, broadcast, (death,) = row
        assert processes == SOCKETS / size
        assert members == pytest.approx(servers_of(SOCKETS, size), abs=0.1)
        assert time == pytest.approx(spread(SOCKETS, size), rel=0.1)
        assert broadcast == pytest.approx([size * DAPHNE / 1e6, size * UVICORN / 1e6], abs=0.01)
        assert death == pytest.approx(size * (OPEN + CLOSE) / 1e6, rel=0.1)


def test_what_shards_carry() -> None:
    log, (applied, each), kept = FIGURES["n"][0], FIGURES["o"], FIGURES["p"][0]
    for row in page("explanation/past-one-redis").table("shards"):
        (shards,), (part,), (total,), (one,), (messages,), (sockets,) = map(numbers, row)
        assert part == pytest.approx(servers_of(SOCKETS) / shards, abs=0.1)
        own = A + (part - 1) * B
        if shards > 1:
            own += log + (shards - 1) * (kept + applied + part * each)
        assert total == pytest.approx(own, rel=0.05)
        assert one == pytest.approx(total / shards, abs=1)
        assert messages == pytest.approx(FULL * 1e6 / one, rel=0.1)
        assert sockets == pytest.approx(messages * 60, rel=0.1)


def test_a_reconnect_storm() -> None:
    found = re.search(r"sockets . d / 0.7 = (\d+) s", page("explanation/past-one-redis").text)
    assert found
    assert float(found[1]) == pytest.approx(OPEN / FULL, rel=0.1)
