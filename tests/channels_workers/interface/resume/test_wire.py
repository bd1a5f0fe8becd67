"""What a client offers, and tokens."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers.bearer.redaction import redacted
from channels_workers.bearer.wire import SUBPROTOCOL
from channels_workers.conf import Configuration
from channels_workers.interface.replies import connect_content
from channels_workers.interface.resume import wire
from channels_workers.interface.resume.offers import offer_of, with_offer
from channels_workers.interface.resume.tokens import Ticket, make_token, read_token, signer_for

NAME = "0123456789abcdef!kept.30.fedcba9876543210"
LIMITS = Configuration(RESUME_TIME=30)


def handshake(*offered: str, path: str = "/", **headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    if offered:
        pairs.append((b"sec-websocket-protocol", ", ".join(offered).encode()))
    return {"type": "websocket", "path": path, "headers": pairs, "subprotocols": list(offered)}


def signer(**options: Any) -> Any:
    return signer_for(connect_content(handshake(**options)))


def test_an_offer_is_in_one_place_only() -> None:
    scope = with_offer(handshake("chat.v2", "resume.abc.17", SUBPROTOCOL), LIMITS)
    assert offer_of(scope, LIMITS) == ("abc", 17)
    content = connect_content(scope)
    assert content["subprotocols"] == ["chat.v2", SUBPROTOCOL]
    assert content["headers"] == [[b"sec-websocket-protocol", b"chat.v2, channels-workers.v1"]]


@given(st.lists(st.one_of(st.text(max_size=20), st.from_regex(r"resume\..{0,30}")), max_size=4))
def test_any_offer_is_read(entries: list[str]) -> None:
    offer = wire.offer_of(entries)
    assert (offer is None) == (not any(map(wire.is_entry, entries)))
    assert offer is None or 0 <= offer.received < 10**15


def test_without_the_setting_only_clients_of_ours_are_understood() -> None:
    off = Configuration()
    scope = handshake("resume")
    assert with_offer(scope, off) is scope
    stripped = with_offer(handshake(SUBPROTOCOL, "resume.a.1"), off)
    assert stripped["subprotocols"] == [SUBPROTOCOL]
    assert offer_of(stripped, off) is None


def test_sockets_with_the_token_in_their_first_frame_are_not_resumable(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.tokens.signed.validate"],
        "FIRST_FRAME": ["/mobile/"],
    }
    assert offer_of(with_offer(handshake("resume", path="/mobile/"), LIMITS), LIMITS) is None
    assert offer_of(with_offer(handshake("resume", path="/"), LIMITS), LIMITS) == ("", 0)


def test_a_token_fits_into_an_offer() -> None:
    token = make_token(signer(), Ticket(NAME, 4_000_000_000))
    assert len(token) <= wire.TOKEN_SIZE
    assert wire.offer_of([f"resume.{token}.5"]) == (token, 5)
    assert read_token(signer(), token) == Ticket(NAME, 4_000_000_000)


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/other/"},
        {"origin": "https://evil.example"},
        {"cookie": "sessionid=abcdefgh12345678abcdefgh12345678"},
    ],
)
def test_a_token_is_for_handshakes_like_the_first(options: dict[str, str]) -> None:
    assert read_token(signer(**options), make_token(signer(), Ticket(NAME))) is None


def test_a_token_expires_with_its_socket() -> None:
    assert read_token(signer(), make_token(signer(), Ticket(NAME, int(time.time()) - 1))) is None


@given(st.text(max_size=100))
def test_no_text_is_a_token(text: str) -> None:
    assert read_token(signer(), text) is None


def test_old_keys_count(settings: Settings) -> None:
    token = make_token(signer(), Ticket(NAME))
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    assert read_token(signer(), token) == Ticket(NAME)
    settings.SECRET_KEY_FALLBACKS = []
    assert read_token(signer(), token) is None


@pytest.mark.parametrize("name", [NAME, NAME.replace("!", "%21")])
def test_tokens_are_hidden_in_logs(name: str) -> None:
    token = make_token(signer(), Ticket(NAME)).replace(NAME, name)
    hidden = redacted(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, resume.{token}.17")
    assert token[-43:] not in hidden
    assert name not in hidden
    frame = wire.resumed_answer(token, 30, 5, is_gap=False)
    assert token not in redacted(frame)
    line = "channels_workers.interface.resume.protocol resumes"
    assert redacted(line) == line
