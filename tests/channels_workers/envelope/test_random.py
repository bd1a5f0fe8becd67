"""Random messages on random connections, with crashes and repeats, against a model of the promises.

A message of one owner counts once, however often it comes and wherever. Each has one answer.
"""

from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_workers.envelope import EnvelopeConsumer, Refused, stream
from channels_workers.exceptions import ConsumeLater
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import CommittedMessage
from chat.models import Room
from tests.channels_workers.envelope.conftest import Site, Socket
from tests.channels_workers.once.conftest import rooms, write

pytestmark = pytest.mark.django_db(transaction=True)

Fate = Literal["runs", "dies", "waits", "refuses", "fails"]

#: What happens once, in the first run of a message.
FATES: tuple[Fate, ...] = ("runs", "runs", "dies", "waits", "refuses", "fails")


class Step(NamedTuple):
    """A message with the nonce on one of two connections, perhaps after a new connect."""

    connection: int
    nonce: int
    fate: Fate
    is_new: bool


NEW = st.sampled_from([False, False, True])
STEPS = st.lists(
    st.builds(Step, st.integers(0, 1), st.integers(0, 3), st.sampled_from(FATES), NEW), max_size=12
)


class Board(EnvelopeConsumer):
    once = True
    fates: list[Fate]

    @stream("write")
    def write(self, label: str) -> None:
        write(label)
        self.send(label)
        match self.fates.pop() if self.fates else "runs":
            case "waits":
                raise ConsumeLater
            case "refuses":
                raise Refused("denied")
            case "fails":
                raise RuntimeError

    def nonce_owner(self) -> str:
        return "ann"


class Play:
    """Plays steps on *site*, and predicts what comes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sockets = [site.connect(Board) for _ in range(2)]
        self.done: dict[int, str] = {}

    def step(self, step: Step, label: str) -> None:
        if step.is_new:
            self.sockets[step.connection] = self.site.connect(Board)
        socket = self.sockets[step.connection]
        socket.take()
        got, expected = self.run(socket, step, label), self.predict(step, label)
        assert got == expected
        assert rooms() == list(self.done.values())

    def predict(self, step: Step, label: str) -> list[dict[str, Any]]:
        nonce = str(step.nonce)
        ack, sent = {"type": "ack", "nonce": nonce}, {"type": "message", "payload": label}
        if step.nonce in self.done:
            return [ack]
        if step.fate in ("refuses", "fails"):
            code, text = {
                "refuses": ("denied", "You may not do this."),
                "fails": ("failed", "The server could not do this."),
            }[step.fate]
            return [sent, {"type": "error", "nonce": nonce, "code": code, "message": text}]
        self.done[step.nonce] = label
        return [sent, ack]

    def run(self, socket: Socket, step: Step, label: str) -> list[dict[str, Any]]:
        Board.fates = [step.fate]
        socket.send({"stream": "write", "payload": label, "nonce": str(step.nonce)})
        delivery = self.site.pull()
        outcome = self.site.run(delivery, Board)
        if step.fate == "dies":
            delivery = self.site.again(delivery)
            outcome = self.site.run(delivery, Board)
        self.site.commit(delivery, outcome)
        if outcome.is_put_off:
            self.site.finish(Board)
        socket.wait()
        return socket.take()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_each_message_counts_once(steps: list[Step]) -> None:
    for model in (CommittedMessage, Room):
        model.objects.all().delete()
    site = Site(InMemoryChannelLayer())
    try:
        play = Play(site)
        for number, step in enumerate(steps):
            play.step(step, f"{step.nonce}-{number}")
    finally:
        site.stop()
