"""What both sides count: random losses against a model of the server's side."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, integers

from channels_workers.client.resumption import Resumption


def test_a_resumption_that_nobody_wants_costs_nothing() -> None:
    resumption = Resumption(False, 1_000)
    resumption.note_sent("x" * 10_000)
    resumption.note_received()
    assert resumption.offers() == []
    assert not resumption._kept


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"resumed": 1, "received": 1},
        {"resumed": True},
        {"resumed": True, "received": -1},
        {"resumed": True, "received": True},
        {"resumed": True, "received": "1"},
        {"resumed": False, "received": 1, "token": "new"},
    ],
)
def test_an_answer_that_does_not_resume_begins_anew(answer: dict[str, Any]) -> None:
    resumption = Resumption(True, 1_000)
    resumption.take_token({"token": "old"})
    resumption.note_sent("x")
    assert resumption.agree(answer).is_resumed is False
    assert (resumption.sent, resumption.received) == (0, 0)
    assert resumption.token == answer.get("token", "")


@pytest.mark.parametrize("token", ["", "a b", "a,b", 'a"b', "a\r\nb", "x" * 1025, None, 5, ["t"]])
def test_a_token_that_fits_into_no_header_is_none(token: Any) -> None:
    resumption = Resumption(True, 1_000)
    resumption.take_token({"token": token})
    assert not resumption.is_possible
    assert resumption.offers() == ["resume"]


def test_a_server_that_claims_too_much_gets_nothing_twice() -> None:
    resumption = Resumption(True, 10_000)
    resumption.take_token({"token": "t"})
    resumption.note_sent("a")
    answer = {"resumed": True, "received": 50, "gap": False, "token": "t"}
    assert resumption.agree(answer) == (True, False, [])
    assert resumption.note_sent("b") == 51


class Sockets(RuleBasedStateMachine):
    """Frames to a server over sockets that end. It has all, in order, or the client says so."""

    def __init__(self) -> None:
        super().__init__()
        self.resumption = Resumption(True, 400)  # some 6 frames
        self.resumption.take_token({"token": "t"})
        self.sent = 0
        self.on_the_way: list[str] = []
        self.server: list[str] = []  # what it has
        self.missing: set[str] = set()  # of these the client knows that they may be lost
        self.received = 0

    @rule(many=integers(1, 5))
    def send(self, many: int) -> None:
        for _ in range(many):
            text = str(self.sent)
            self.sent += 1
            self.resumption.note_sent(text)
            self.on_the_way.append(text)

    @precondition(lambda self: self.on_the_way)
    @rule(is_confirmed=booleans())
    def arrive(self, is_confirmed: bool) -> None:
        self.server.append(self.on_the_way.pop(0))
        if is_confirmed:
            self.resumption.confirm(len(self.server) + len(self.missing))

    @rule()
    def hear(self) -> None:
        self.resumption.note_received()
        self.received += 1

    @rule()
    def resume(self) -> None:
        assert self.resumption.offers() == [f"resume.t.{self.received}"]
        lost = self.on_the_way
        answer = {"resumed": True, "received": len(self.server), "gap": False, "token": "t"}
        self.missing.clear()
        agreement = self.resumption.agree(answer)
        assert agreement.is_resumed
        assert lost[len(lost) - len(agreement.again) :] == list(agreement.again)
        assert agreement.has_gap == (len(agreement.again) < len(lost))
        self.on_the_way = list(agreement.again)  # type: ignore[arg-type]

    @invariant()
    def the_server_has_each_once_and_in_order(self) -> None:
        numbers = [int(text) for text in self.server]
        assert numbers == sorted(set(numbers))
        assert self.resumption._kept_bytes <= 400


Sockets.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSockets = Sockets.TestCase
