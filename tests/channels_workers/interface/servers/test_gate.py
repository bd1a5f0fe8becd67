"""How a gate passes a transport's data on to its server."""

import asyncio

import pytest

from channels_workers.interface.servers.gate import EARLY, FRAGMENTS, PIECE, Gate
from channels_workers.interface.servers.turns import turns


class Line(Gate):
    """A gate whose server and transport are lists."""

    can_hold = True

    def __init__(self) -> None:
        self.calls: list[str] = []
        super().__init__(lambda: self.calls.append("heard"), lambda: self.calls.append("broken"))
        self.handed: list[bytes] = []
        self.is_full = False
        self.fills = False  # with each piece
        self.fails = False
        self.unread = self.parts = 0
        self.is_reading = True

    def unsent(self) -> int:
        return self.unread

    def _fragments(self) -> int:
        return self.parts

    def _is_busy(self) -> bool:
        return self.is_full

    def _cut(self) -> None:
        self.calls.append("cut")

    def _hand_on(self, data: bytes) -> None:
        if self.fails:
            raise ValueError
        self.handed.append(data)
        self.is_full = self.fills

    def _stop_reading(self) -> None:
        self.is_reading = False

    def _resume(self) -> None:
        self.is_reading = True

    def _expect_pongs(self, is_expected: bool) -> None:
        self.calls.append("expects pongs" if is_expected else "expects none")


def opened() -> Line:
    line = Line()
    line.open()
    return line


def test_small_data_is_passed_on_unchanged() -> None:
    line = opened()
    line.take(b"one")
    line.take(b"two")
    assert line.handed == [b"one", b"two"]
    assert line.is_reading


def test_large_data_is_passed_on_in_pieces_as_the_application_consumes_them() -> None:
    line, data = opened(), bytes(range(256)) * (PIECE // 64)
    line.fills = True
    line.take(data)
    assert [len(piece) for piece in line.handed] == [PIECE]
    assert not line.is_reading
    line.take(b"more")
    while not line.is_reading:
        line.is_full = False
        line.go_on()
    assert b"".join(line.handed) == data + b"more"
    assert max(map(len, line.handed)) == PIECE


def test_nothing_is_read_from_a_client_that_is_held_back() -> None:
    line = opened()
    line.hold()
    line.hold()
    line.take(b"one")
    assert (line.handed, line.is_reading, line.calls) == ([], False, ["expects none"])
    line.let_go()
    line.let_go()
    assert (line.handed, line.is_reading) == ([b"one"], True)
    assert line.calls == ["expects none", "expects pongs"]


def test_little_is_buffered_before_the_handshake_is_answered() -> None:
    line = Line()
    line.take(b"x" * EARLY)
    assert line.is_reading
    line.take(b"y")
    assert not line.is_reading
    assert line.handed == []
    line.open()
    assert b"".join(line.handed) == b"x" * EARLY + b"y"
    assert line.is_reading


def test_unread_pongs_and_fragments_are_reported() -> None:
    line = opened()
    line.take(b"x")
    assert line.calls == []
    line.unread, line.parts = 1, FRAGMENTS + 1
    line.take(b"x")
    assert line.calls == ["heard", "broken"]


def test_a_server_that_fails_on_input_cuts_only_that_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = opened()
    line.fails = True
    line.take(b"x")
    line.take(b"y")
    assert line.calls == ["cut"]
    assert line.handed == []
    assert (
        "A server failed on what a client sent, whose connection is cut: ValueError" in caplog.text
    )


def test_nothing_is_passed_on_after_a_cut() -> None:
    line = opened()
    line.shut()
    line.take(b"x")
    assert line.handed == []


def test_a_close_frame_that_comes_before_the_application_took_the_end_is_passed_on() -> None:
    line = opened()
    line.is_full = True  # of the end
    line.take(b"close frame")
    assert line.handed == []
    line.is_full = False
    line.end()
    assert line.handed == [b"close frame"]
    line.end()
    assert line.handed == [b"close frame"]


def test_an_unknown_server_is_left_alone() -> None:
    line = Gate(lambda: None, lambda: None)
    assert (line.can_hold, line.descriptor(), line.unsent()) == (False, -1, 0)


class Slow(Line):
    """A gate whose server takes a while for each piece, by a clock of its own."""

    def __init__(self, clock: list[float], order: list[int], number: int) -> None:
        super().__init__()
        self.clock, self.order, self.number = clock, order, number

    def _hand_on(self, data: bytes) -> None:
        self.clock[0] += 0.002
        self.order.append(self.number)


async def test_many_clients_share_each_turn_of_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without that, 20 clients that send nothing but pings stop everything else."""
    clock, order, per_turn = [0.0], list[int](), list[int]()
    monkeypatch.setattr(turns, "clock", lambda: clock[0])
    gates = [Slow(clock, order, number) for number in range(3)]
    for gate in gates:
        gate.open()
        gate.take(bytes(4 * PIECE))
    while any(gate.rest for gate in gates):
        before = len(order)
        await asyncio.sleep(0)  # one turn
        per_turn.append(len(order) - before)
    assert max(per_turn) == 3  # of 2 ms each, within 5 ms
    assert order == [0, 0, 0, 0, 1, 2, 1, 2, 1, 2, 1, 2]
    assert all(gate.is_reading for gate in gates)
    gates[0].take(b"small")  # which needs no turn
    assert order[-1] == 0


async def test_a_gate_that_is_shut_while_it_waits_hands_on_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, order = [0.0], list[int]()
    monkeypatch.setattr(turns, "clock", lambda: clock[0])
    gate = Slow(clock, order, 0)
    gate.open()
    gate.take(bytes(9 * PIECE))
    assert len(order) == 3
    gate.shut()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(order) == 3
