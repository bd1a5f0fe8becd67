"""Frames on their way to a client: a model of what it has, and what is kept for it."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from channels_workers.interface.transports.downstream import (
    WINDOW_FRAMES,
    WINDOW_SIZE,
    Downstream,
)


def test_its_room_is_bounded() -> None:
    many, large = Downstream(), Downstream()
    while many.has_room:
        many.put("")
    assert many.last == WINDOW_FRAMES
    large.put("x" * WINDOW_SIZE * 4)  # one frame may be larger
    assert not large.has_room
    assert large.acknowledge(1)
    assert large.has_room


class Delivery(RuleBasedStateMachine):
    """A client that reads, reads again, and confirms, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.downstream = Downstream()
        self.put: list[str] = []
        self.got: list[str] = []

    @precondition(lambda self: self.downstream.has_room)
    @rule(text=st.text(max_size=5))
    def put_a_frame(self, text: str) -> None:
        self.put.append(text)
        self.downstream.put(text)

    @rule(again=st.integers(0, 5), is_lost=st.booleans())
    def read(self, again: int, is_lost: bool) -> None:
        after = max(self.downstream.acknowledged, len(self.got) - again)
        batch: dict[str, Any] = json.loads(self.downstream.batch(after))
        assert batch["first"] == after + 1
        if not is_lost:
            self.got += batch["frames"][len(self.got) - after :]

    @rule(behind=st.integers(0, 3))
    def confirm(self, behind: int) -> None:
        assert self.downstream.acknowledge(max(0, len(self.got) - behind))

    @rule(beyond=st.integers(1, 5))
    def confirm_what_never_was(self, beyond: int) -> None:
        assert not self.downstream.acknowledge(len(self.put) + beyond)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert self.got == self.put[: len(self.got)]
        assert self.downstream.last == len(self.put)
        assert self.downstream.acknowledged <= len(self.got)
        assert self.downstream.knows(len(self.got))


TestDelivery = Delivery.TestCase
