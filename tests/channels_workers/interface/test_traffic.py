"""What the sockets of a server count, whatever their clients, workers and the layer do."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from channels_workers.conf import Configuration
from channels_workers.interface.actions import Actions, Close, MakeRoom, Publish, SendFrame
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.close_codes import CONNECTION_LOST, SERVER_STOPS
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import sends_of
from channels_workers.interface.traffic import CODES, OUTCOMES, Commits, Traffic
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import InboxEntry

SCOPE = {"path": "/", "subprotocols": ["chat"]}
LIMITS = replace(Configuration(), FRAME_SIZE=50, FRAMES_WAITING=3, LEFT_FRAMES=1)


@dataclass
class Recorded:
    """Times as they come."""

    times: list[tuple[str, str]] = field(default_factory=list)

    def handshake_ended(self, outcome: str, seconds: float) -> None:
        self.times.append(("handshake", outcome))

    def frame_published(self, seconds: float) -> None:
        self.times.append(("published", ""))

    def frame_committed(self, seconds: float) -> None:
        self.times.append(("committed", ""))

    def frame_sent(self, seconds: float) -> None:
        assert seconds >= 0
        self.times.append(("sent", ""))

    def request_answered(self, by: str, seconds: float) -> None:
        self.times.append(("answered", by))


class Sockets:
    """Some sockets of one server, driven step by step."""

    def __init__(self) -> None:
        self.times = Recorded()
        self.traffic = Traffic(self.times)
        self.backlog = Backlog()
        self.protocols: list[WebSocketProtocol] = []
        self.forgotten: set[WebSocketProtocol] = set()
        self.received = self.released = 0

    def open(self) -> WebSocketProtocol:
        protocol = WebSocketProtocol(SCOPE, LIMITS, None, self.backlog, self.traffic)
        self.protocols.append(protocol)
        self.perform(protocol, protocol.begin(f"server!{len(self.protocols)}"))
        return protocol

    def perform(self, protocol: WebSocketProtocol, actions: Actions) -> None:
        for action in actions:
            match action:
                case Close():
                    protocol.forget()
                    self.forgotten.add(protocol)
                case MakeRoom():
                    self.perform(protocol, protocol.proceed())

    def step(self, protocol: WebSocketProtocol, name: str, value: Any) -> None:
        match name:
            case "frame":
                self.received += 1
                found = protocol.receive({"type": "websocket.receive", "text": "x" * (value % 60)})
            case "release":
                frame = protocol.in_flight
                self.released += frame is not None and frame.order > 0
                found = protocol.release(protocol.order)
            case "reply":
                found = [*protocol.reply(value)]
            case "withdraw":
                if protocol.in_flight is None:
                    return
                protocol.withdraw()
                found = protocol.abort(CONNECTION_LOST)
            case "evict":
                found = protocol.evict()
                protocol.forget()
                self.forgotten.add(protocol)
            case _:
                found = getattr(protocol, name)(*value)
        self.perform(protocol, found)


STEPS = st.one_of(
    st.tuples(st.just("frame"), st.integers(0, 59)),
    st.tuples(st.just("release"), st.none()),
    st.tuples(
        st.just("reply"),
        st.sampled_from(
            [
                {"accept": True},
                {"accept": True, "close": 3000},
                {"accept": True, "subprotocol": "never offered"},
                {"accept": False},
                {"text": "hi"},
                {"close": True},
                {"close": 4999},
                {},
            ]
        ),
    ),
    st.tuples(st.just("end"), st.tuples(st.none() | st.integers(0, 70_000))),
    st.tuples(st.just("time_out"), st.just(())),
    st.tuples(st.just("dismiss"), st.just(("retry-after: 1",))),
    st.tuples(st.just("abort"), st.tuples(st.sampled_from([SERVER_STOPS, CONNECTION_LOST]))),
    st.tuples(st.just("abandon"), st.just((1001,))),
    st.tuples(st.just("read_too_slowly"), st.just((0,))),
    st.tuples(st.just("lose_frames"), st.just(())),
    st.tuples(st.just("evict"), st.none()),
    st.tuples(st.just("withdraw"), st.none()),
)


@given(st.lists(st.tuples(st.integers(0, 2), STEPS), max_size=40))
def test_the_counts_agree_whatever_happens(steps: list[tuple[int, tuple[str, Any]]]) -> None:
    sockets = Sockets()
    for _ in range(3):
        sockets.open()
    for number, (name, value) in steps:
        sockets.step(sockets.protocols[number], name, value)
        known = [each for each in sockets.protocols if each not in sockets.forgotten]
        assert sockets.traffic.sockets == {
            "connecting": sum(each.is_connecting for each in known),
            "open": sum(each.is_open for each in known),
            "parked": 0,
            "closing": sum(each.is_closed for each in known),
        }
        assert sockets.traffic.admission.asking == {each for each in known if each.is_connecting}
    traffic = sockets.traffic
    ended = sum(not each.is_connecting for each in sockets.protocols)
    still_open = sum(each.is_open for each in sockets.protocols)
    assert sum(traffic.handshakes.values()) == ended
    assert sum(traffic.closed.values()) == traffic.handshakes["accepted"] - still_open
    assert traffic.frames_received == sockets.received
    counts = Counter(name for name, _ in sockets.times.times)
    assert (counts["handshake"], counts["committed"]) == (ended, sockets.released)
    for protocol in sockets.protocols:
        protocol.forget()
    assert (sockets.backlog.frames, sockets.backlog.taken) == (0, 0)
    assert set(traffic.sockets.values()) == {0}


def test_each_outcome_of_a_handshake() -> None:
    sockets = Sockets()
    for name, value in [
        ("reply", {"accept": True}),
        ("reply", {"accept": False}),
        ("time_out", ()),
        ("end", (1006,)),
        ("evict", None),
        ("abort", (SERVER_STOPS,)),
    ]:
        sockets.step(sockets.open(), name, value)
    found = {outcome: count for outcome, count in sockets.traffic.handshakes.items() if count}
    assert found == {"accepted": 1, "refused": 2, "timed_out": 1, "abandoned": 1, "failed": 1}


def test_strange_codes_and_subprotocols_make_no_series() -> None:
    sockets = Sockets()
    before = set(sockets.traffic.closed)
    for code in range(10_000):
        scope = {"path": "/", "subprotocols": [f"sub{code}", "\x00", "x" * 100]}
        protocol = WebSocketProtocol(scope, LIMITS, None, sockets.backlog, sockets.traffic)
        sockets.perform(protocol, protocol.begin(f"server!{code}"))
        sockets.perform(protocol, [*protocol.reply({"accept": True, "subprotocol": f"sub{code}"})])
        sockets.perform(protocol, protocol.release(0))
        sockets.perform(protocol, protocol.end(code * 7))
    closed = sockets.traffic.closed
    assert set(closed) == before
    assert len(before) == 2 * len(CODES)
    assert sum(closed.values()) == 10_000
    assert closed["other", "client"] > 9_900
    assert set(sockets.traffic.handshakes) == set(OUTCOMES)


def test_a_frame_has_its_bytes_on_the_wire() -> None:
    for text in ("tea", "", "\N{HOT BEVERAGE}", "\ud800"):
        [action] = sends_of({"text": text})
        assert isinstance(action, SendFrame)
        assert action.length == len(text.encode("utf-8", "surrogatepass"))


async def test_the_time_of_a_commit_is_that_of_its_inbox_entry() -> None:
    layer = InMemoryChannelLayer()
    commits = Commits(lambda: layer)
    assert commits.latest() is None  # nothing was carried out
    server = layer.start_server()
    server.process(InboxEntry(f"{5 * 10**9:020d}-1", []))
    first = commits.latest()
    assert first is not None
    assert abs(first - 5.0) < 1e-3
    assert commits.latest() == first  # one look for all members of a group
    server.process(InboxEntry(f"{6 * 10**9:020d}-2", []))
    second = commits.latest()
    assert second is not None
    assert abs(second - 6.0) < 1e-3


def test_without_metrics_no_time_is_taken() -> None:
    traffic = Traffic()
    protocol = WebSocketProtocol(SCOPE, LIMITS, None, Backlog(), traffic)
    protocol.begin("server!1")
    protocol.reply({"accept": True})
    protocol.release(0)
    [step] = protocol.receive({"type": "websocket.receive", "text": "x"})
    assert isinstance(step, Publish)
    assert (traffic.now, step.received) == (None, 0.0)
