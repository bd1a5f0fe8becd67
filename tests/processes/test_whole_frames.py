"""Every valid frame arrives unchanged, in both directions."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from labs.harness.processes import Process
from tests.conftest import Shared

MIRROR = {"DJANGO_SETTINGS_MODULE": "tests.processes.mirror"}

SIZES = (0, 1, 125, 126, 127, 65535, 65536)

#: All of Unicode except surrogates, which no frame can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)

REUSED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def worker(shared: Shared) -> Process:
    return shared.start_worker(env=MIRROR)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def address(request: pytest.FixtureRequest, shared: Shared, worker: Process) -> str:
    return shared.start_web(request.param, env=MIRROR).socket_url


@pytest.fixture(params=["deflate", None])
def mirror(request: pytest.FixtureRequest, address: str) -> Iterator[ClientConnection]:
    with connect(
        f"{address}/fast/", compression=request.param, open_timeout=60, ping_interval=None
    ) as socket:
        yield socket


def test_frames_of_every_size_arrive_unchanged(mirror: ClientConnection) -> None:
    for letter in ("a", "é", "\x00", "\U0001f600", b"\xff"):
        width = len(letter.encode()) if isinstance(letter, str) else 1
        for size in SIZES:
            sent = letter * (size // width)
            mirror.send(sent)
            assert mirror.recv(60) == sent


@REUSED
@given(st.lists(st.one_of(TEXTS, st.binary(max_size=300)), min_size=1, max_size=8))
def test_random_frames_arrive_in_order(mirror: ClientConnection, sent: list[str | bytes]) -> None:
    for each in sent:
        mirror.send(each)
    assert [mirror.recv(60) for _ in sent] == sent


@REUSED
@given(st.one_of(st.lists(TEXTS, min_size=1), st.lists(st.binary(max_size=300), min_size=1)))
def test_fragmented_frames_arrive_whole(
    mirror: ClientConnection, fragments: list[str] | list[bytes]
) -> None:
    mirror.send(iter(fragments))
    kind = type(fragments[0])
    assert mirror.recv(60) == kind().join(fragments)  # type: ignore[arg-type]


def test_an_empty_text_accepts_and_is_sent(address: str) -> None:
    with connect(f"{address}/empty/", open_timeout=60, ping_interval=None) as socket:
        assert socket.recv(60) == ""


@pytest.mark.parametrize("compression", ["deflate", None])
def test_frames_larger_than_clients_may_send_arrive(compression: str | None, address: str) -> None:
    with connect(
        f"{address}/large/", compression=compression, open_timeout=60, ping_interval=None
    ) as socket:
        assert socket.recv(60) == "é" * 250_000
        assert socket.recv(60) == bytes(500_000)


def test_a_server_shares_frames_for_groups_and_no_others(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    def note(extension: PerMessageDeflate, frame: Frame, **options: Any) -> Frame:
        found.append(frame.rsv1)
        return decode(extension, frame, **options)

    decode = PerMessageDeflate.decode
    monkeypatch.setattr(PerMessageDeflate, "decode", note)
    with connect(f"{address}/group/", open_timeout=60, ping_interval=None) as socket:
        for sent in ("short", "own", "long " * 100, "own", "short"):
            socket.send(sent)
            assert socket.recv(60) == sent
        # uvicorn compresses frames of any length; Daphne agrees to no compression.
        expected = [False, True, True, True, False] if socket.protocol.extensions else []
        assert found == expected


@pytest.mark.parametrize("offered", [None, ["chat", "talk"]])
def test_a_subprotocol_that_was_not_offered_is_refused_at_once(
    offered: list[Subprotocol] | None, address: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address}/other/", subprotocols=offered, open_timeout=60)
    assert refused.value.response.status_code == 403
    with connect(
        f"{address}/other/", subprotocols=[Subprotocol("other")], open_timeout=60
    ) as socket:
        assert socket.subprotocol == "other"
