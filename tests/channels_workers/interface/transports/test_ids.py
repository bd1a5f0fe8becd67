"""Ids of sockets: they cannot be guessed, made up, or used at another path."""

import pytest
from django.test import override_settings

from channels_workers.interface.transports.ids import SocketId, new_key, of_text, to_text

SOCKET = SocketId("server!mailbox", "key")


def test_an_id_names_its_socket_at_its_path_alone() -> None:
    text = to_text(SOCKET, "/room/")
    assert of_text(text, "/room/") == SOCKET
    assert of_text(text, "/room") is None
    assert of_text(text, "/other/") is None


@pytest.mark.parametrize("text", ["", "x", "websocket.receive/key", "server!mailbox/key:forged"])
def test_a_made_up_id_names_none(text: str) -> None:
    assert of_text(text, "/room/") is None


def test_ids_of_before_the_secret_key_changed_count() -> None:
    with override_settings(SECRET_KEY="old"):
        text = to_text(SOCKET, "/room/")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert of_text(text, "/room/") == SOCKET
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        assert of_text(text, "/room/") is None


def test_keys_are_long_and_differ() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert min(map(len, keys)) >= 24
