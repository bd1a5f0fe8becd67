"""The outbox: single steps, and random ones against a model of a server behind a lossy socket."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, integers

from channels_workers.client import Entry, Outbox, new_nonce


def sent(outbox: Outbox[Any], limit: int = 100) -> list[Any]:
    """Send what there is to send, and return the contents."""
    found = []
    while len(found) < limit and (entry := outbox.next_unsent()):
        outbox.note_sent(entry.nonce)
        found.append(entry.content)
    return found


def states(outbox: Outbox[Any]) -> list[tuple[Any, str]]:
    return [(entry.content, entry.state) for entry in outbox]


def test_each_connection_sends_each_entry_once() -> None:
    outbox: Outbox[str] = Outbox()
    entries = [outbox.add(text) for text in "abc"]
    assert sent(outbox, 2) == ["a", "b"]
    assert [entry.content for entry in outbox.under_way()] == ["a", "b"]
    assert sent(outbox) == ["c"]
    assert sent(outbox) == []
    assert outbox.remove(entries[1].nonce) is entries[1]
    outbox.rewind()
    assert sent(outbox) == ["a", "c"]
    assert outbox.remove(entries[1].nonce) is None
    assert len(outbox) == 2


def test_later_keeps_the_order() -> None:
    outbox: Outbox[str] = Outbox()
    entries = [outbox.add(text) for text in "abc"]
    sent(outbox)
    outbox.hold_back(entries[1].nonce, "slow down")
    outbox.add("d")
    assert states(outbox) == [
        ("a", "sending"),
        ("b", "waiting"),
        ("c", "waiting"),
        ("d", "waiting"),
    ]
    assert entries[1].detail == "slow down"
    assert sent(outbox) == []
    assert [entry.content for entry in outbox.release()] == ["b", "c", "d"]
    assert sent(outbox) == ["b", "c", "d"]


def test_a_refused_entry_waits_for_a_decision() -> None:
    outbox: Outbox[str] = Outbox()
    entry, other = outbox.add("bad"), outbox.add("fine")
    sent(outbox)
    assert outbox.refuse(entry.nonce, "too long") is entry
    assert (entry.state, entry.detail) == ("failed", "too long")
    outbox.rewind()
    assert sent(outbox) == ["fine"]
    entry.content = "good"
    outbox.retry(entry.nonce)
    assert sent(outbox) == ["good"]
    for change in (outbox.refuse, outbox.hold_back):
        assert change("unknown", "") is None
    assert outbox.retry("unknown") is None
    assert outbox.remove(None) is None
    outbox.note_sent("unknown")
    assert outbox.n_under_way == 2
    outbox.note_unsent(other.nonce)
    assert sent(outbox) == ["fine"]


def test_entries_outlive_a_process() -> None:
    before: Outbox[str] = Outbox()
    before.add("a")
    kept = [(entry.nonce, entry.content) for entry in before]
    after = Outbox([Entry(nonce, content) for nonce, content in kept])
    assert sent(after) == ["a"]
    with pytest.raises(ValueError, match="in the outbox"):
        after.add("b", kept[0][0])


def test_nonces_are_valid_and_differ() -> None:
    nonces = {new_nonce() for _ in range(1_000)}
    assert len(nonces) == 1_000
    assert all(len(nonce) <= 64 and nonce.isascii() for nonce in nonces)


class LossySocket(RuleBasedStateMachine):
    """A server that remembers nonces, refuses for a while, and whose socket drops frames.

    As a rate limit does, it wants nothing until the client has waited.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outbox: Outbox[int] = Outbox()
        self.added = 0
        self.refused: set[int] = set()
        self.to_server: list[Entry[int]] = []
        self.to_client: list[tuple[str, str]] = []
        self.effects: list[int] = []  # what the server has done, in order
        self.known: set[str] = set()
        self.denied: set[str] = set()
        self.is_busy = False

    @rule(many=integers(1, 4))
    def add(self, many: int) -> None:
        for _ in range(many):
            self.outbox.add(self.added)
            self.added += 1

    @rule(many=integers(1, 5))
    def send(self, many: int) -> None:
        for _ in range(many):
            if (entry := self.outbox.next_unsent()) is not None:
                self.outbox.note_sent(entry.nonce)
                self.to_server.append(entry)

    @precondition(lambda self: self.to_server)
    @rule(becomes_busy=booleans(), refuses=integers(0, 9))
    def serve(self, becomes_busy: bool, refuses: int) -> None:
        entry = self.to_server.pop(0)
        self.is_busy = self.is_busy or becomes_busy
        if entry.nonce in self.known:
            answer = "ack"
        elif self.is_busy:
            answer = "later"
        elif refuses == 0 or entry.nonce in self.denied:
            answer = "denied"
            self.denied.add(entry.nonce)
        else:
            self.known.add(entry.nonce)
            self.effects.append(entry.content)
            answer = "ack"
        self.to_client.append((answer, entry.nonce))

    @precondition(lambda self: self.to_client)
    @rule()
    def answer(self) -> None:
        answer, nonce = self.to_client.pop(0)
        if answer == "ack":
            self.outbox.remove(nonce)
        elif answer == "later":
            self.outbox.hold_back(nonce)
        elif entry := self.outbox.remove(nonce):
            self.refused.add(entry.content)

    @precondition(lambda self: self.is_busy)
    @rule()
    def wait(self) -> None:
        """The time of the rate limit passes; its refusals have arrived by then."""
        while self.to_server:
            self.serve(becomes_busy=False, refuses=1)
        while self.to_client:
            self.answer()
        self.is_busy = False
        self.outbox.release()

    @rule(served=integers(0, 3))
    def lose(self, served: int) -> None:
        """The socket ends: some frames arrive yet, and no answer does."""
        for _ in range(min(served, len(self.to_server))):
            self.serve(becomes_busy=False, refuses=1)
        self.to_server.clear()
        self.to_client.clear()
        self.outbox.rewind()

    @invariant()
    def nothing_is_lost_doubled_or_out_of_order(self) -> None:
        assert len(set(self.effects)) == len(self.effects)
        assert self.effects == sorted(self.effects)
        kept = {entry.content for entry in self.outbox}
        assert kept | set(self.effects) | self.refused == set(range(self.added))

    def teardown(self) -> None:
        """In the end everything arrives."""
        for _ in range(2):
            self.is_busy = False
            self.lose(served=0)
            self.outbox.release()
            self.send(many=self.added)
            while self.to_server:
                self.serve(becomes_busy=False, refuses=1)
            while self.to_client:
                self.answer()
        assert set(self.effects) | self.refused == set(range(self.added))
        assert self.effects == sorted(self.effects)
        assert len(self.outbox) == 0


LossySocket.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLossySocket = LossySocket.TestCase
