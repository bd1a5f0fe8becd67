"""Whatever is lost between a client and its server: each frame arrives once, and in order."""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Action,
    ClientAction,
    Close,
    CloseSocket,
    Publish,
    SendFrame,
)
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.replies import connect_content
from channels_workers.interface.resume import wire
from channels_workers.interface.resume.protocol import ResumableProtocol
from channels_workers.interface.resume.replay import Replay, ReplayedOutgoing, Replays
from channels_workers.interface.resume.tokens import signer_for
from channels_workers.interface.traffic import Traffic
from channels_workers.layers.types import CONNECT, RECEIVE, RESUME
from channels_workers.log_limits import Episodes

SCOPE: dict[str, Any] = {"type": "websocket", "path": "/", "headers": [], "subprotocols": []}
LIMITS = Configuration(RESUME_TIME=30)
NAME = "0123456789abcdef!kept.30.0123456789abcdef"


class Wires:
    """What is on its way between one client and its server: both lose it when they are cut."""

    def __init__(self) -> None:
        self.up: deque[str] = deque()
        self.down: deque[ClientAction] = deque()

    def put(self, action: ClientAction) -> None:
        self.down.append(action)


class World:
    """A client, its connection, and a worker."""

    def __init__(self) -> None:
        self.replays, self.backlog, self.traffic = Replays(), Backlog(), Traffic()
        replay = Replay(self.replays, 10**6, 10**7)
        signer = signer_for(connect_content(SCOPE))
        self.protocol = ResumableProtocol(
            SCOPE, LIMITS, Episodes(), self.backlog, self.traffic, replay, signer
        )
        self.wires: Wires | None = Wires()
        self.outgoing = ReplayedOutgoing(replay, self.wires)  # type: ignore[arg-type]
        self.published: list[Publish] = []
        self.closes: list[Close] = []
        # The client
        self.is_ready = False  # the first frame has come
        self.sent: list[str] = []
        self.received: list[str] = []
        self.told: list[str] = []
        self.perform(self.protocol.begin(NAME))
        self.perform([*self.protocol.reply({"accept": True})])

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Publish():
                    self.published.append(action)
                case Close():
                    self.closes.append(action)
                case Accept() | SendFrame() | CloseSocket():
                    self.outgoing.put(action)

    # The steps

    def say(self) -> None:
        """The client sends a frame."""
        if self.wires is not None and self.is_ready:
            self.sent.append(str(len(self.sent)))
            self.wires.up.append(self.sent[-1])

    def take(self) -> None:
        """The server takes a frame."""
        if self.wires is not None and self.wires.up:
            event = {"type": "websocket.receive", "text": self.wires.up.popleft()}
            self.perform(self.protocol.receive(event))

    def tell(self) -> None:
        """A consumer sends a frame."""
        self.told.append(f"told {len(self.told)}")
        self.perform([*self.protocol.reply({"text": self.told[-1]})])

    def hear(self) -> None:
        """The client takes a frame."""
        if self.wires is None or not self.wires.down:
            return
        action = self.wires.down.popleft()
        if not isinstance(action, SendFrame):
            return
        text = action.event["text"]
        if not text.startswith(wire.OWN_FRAME):
            self.received.append(text)
            return
        answer = json.loads(text)
        self.is_ready = True
        if answer["resumed"]:
            assert not answer["gap"]
            self.wires.up.extend(self.sent[answer["received"] :])

    def finish(self) -> None:
        """A worker finishes the message in flight."""
        if self.protocol.in_flight is not None:
            self.perform(self.protocol.release(self.protocol.order))

    def cut(self) -> None:
        """The socket is lost, and both sides know."""
        if self.wires is not None:
            self.wires = self.outgoing.line = None
            self.is_ready = False
            self.perform(self.protocol.end(1006))

    def come_back(self) -> None:
        """The client opens another socket, whatever became of the one before."""
        self.wires, self.is_ready = None, False
        self.perform(self.protocol.claim(SCOPE, len(self.received)))
        self.wires = Wires()
        self.outgoing.line = self.wires  # type: ignore[assignment]
        self.outgoing.is_held = True
        self.perform(self.protocol.ask(connect_content(SCOPE)))

    def settle(self) -> None:
        """Let everything arrive."""
        if self.wires is None:
            self.come_back()
        while (
            self.protocol.in_flight is not None
            or self.protocol.pending.frames
            or (self.wires and (self.wires.up or self.wires.down))
        ):
            self.take()
            self.hear()
            self.finish()


STEPS = ("say", "take", "tell", "hear", "finish", "cut", "come_back")


# Threads of other tests draw random numbers, too.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module")
@given(st.lists(st.sampled_from(STEPS), max_size=80))
def test_each_frame_arrives_once(steps: list[str]) -> None:
    world = World()
    for step in steps:
        getattr(world, step)()
    world.settle()
    assert world.received == world.told
    taken = [each for each in world.published if each.channel == RECEIVE]
    assert [each.content["text"] for each in taken] == world.sent
    assert [each.order for each in world.published] == list(range(len(world.published)))
    assert world.published[0].channel == CONNECT
    assert world.protocol.frames_taken == len(world.sent)
    resumes = sum(each.channel == RESUME for each in world.published)
    assert resumes <= steps.count("come_back") + 1
    assert world.closes == []
    world.perform(world.protocol.end(1000))
    assert world.closes == [Close(1000)]
    world.protocol.forget()
    world.protocol.replay.end()
    assert (world.backlog.taken, world.backlog.frames) == (0, 0)
    assert (world.backlog.orphaned_frames, world.backlog.orphaned_bytes) == (0, 0)
    assert set(world.traffic.sockets.values()) == {0}
    assert world.replays.taken == 0


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_it_ends_once_if_its_client_does_not_come_back(steps: list[str]) -> None:
    world = World()
    for step in steps:
        getattr(world, step)()
    world.cut()
    if not world.protocol.has_client:
        world.perform(world.protocol.give_up())
    else:
        world.perform(world.protocol.end(1001))
    while world.protocol.in_flight is not None:
        world.finish()
    assert len(world.closes) == 1
    assert world.protocol.give_up() == []
    assert world.protocol.end(1006) == []


@given(st.integers(0, 10**15), st.lists(st.integers(0, 300), max_size=50), st.integers(100, 3000))
def test_a_replay_is_whole_or_has_a_gap(received: int, sizes: list[int], limit: int) -> None:
    replays = Replays()
    replay = Replay(replays, limit, 10**6)
    frames = [SendFrame({"text": f"{n}"}, size) for n, size in enumerate(sizes)]
    for frame in frames:
        replay.append(frame)
    kept, is_gap = replay.after(received)
    assert replays.taken <= limit
    assert replay.sent == len(frames)
    if not is_gap:
        assert kept == frames[received:]
    else:
        assert kept == frames[len(frames) - len(kept) :]
    replay.restart(received)
    assert replay.sent == received
    assert replays.taken == 0
