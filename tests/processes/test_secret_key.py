"""A SECRET_KEY rotation as in docs/chat/running.md, with real servers and one database."""

import json
from typing import Any

from labs.harness.server import Person
from labs.harness.visitor import Visitor
from tests.conftest import StartServer

OLD, NEW = (f"the-{age}-key-of-this-test-0123456789-0123456789-0123" for age in ("old", "new"))


def next_of(person: Person, kind: str) -> dict[str, Any]:
    """The next frame of this type."""
    while (frame := json.loads(person.socket.recv(60))).get("type") != kind:
        pass
    return dict(frame)


def edit(person: Person, message: dict[str, Any], text: str) -> None:
    person.socket.send(json.dumps({"type": "edit", "id": message["id"], "message": text}))


def is_logged_in(visitor: Visitor, name: str) -> bool:
    """Whether an empty room shows the visitor this name."""
    return name in visitor.get("/empty/").body


def test_signatures_of_the_old_key_stay_valid_until_it_is_removed(
    start_runserver: StartServer,
) -> None:
    server = start_runserver(env={"SECRET_KEY": OLD})
    zoe, lea, guest, stranger = (Visitor.of(server) for _ in range(4))
    for visitor, name in ((zoe, "Zoe"), (lea, "Lea")):
        visitor.sign_up(name)
        assert is_logged_in(visitor, name)
    said = {}
    for visitor in (guest, stranger):
        visitor.get("/lobby/")
        with server.join("lobby", additional_headers=visitor.headers) as tab:
            tab.say("said under the old key")
            said[visitor] = tab.hear()
    server.stop()

    server = start_runserver(env={"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": OLD})
    for visitor in (zoe, lea, guest, stranger):
        visitor.go_to(server)
    with (
        server.join("lobby", additional_headers=guest.headers) as tab,
        server.join("lobby", additional_headers=lea.headers) as other,
    ):
        edit(tab, said[guest], "by who said it")
        assert next_of(tab, "edited")["message"] == "by who said it"
        other.say("hello")
        assert other.hear()["handle"] == "Lea"
    assert is_logged_in(zoe, "Zoe"), "and her session is signed anew"
    guest.get("/lobby/")  # and so is this cookie
    server.stop()

    server = start_runserver(env={"SECRET_KEY": NEW})
    for visitor in (zoe, lea, guest, stranger):
        visitor.go_to(server)
    assert is_logged_in(zoe, "Zoe")
    assert not is_logged_in(lea, "Lea"), "she asked for no page while the old key was there"
    with server.join("lobby", additional_headers=guest.headers) as tab:
        edit(tab, said[guest], "by who said it, still")
        assert next_of(tab, "edited")["message"] == "by who said it, still"
    with server.join("lobby", additional_headers=stranger.headers) as tab:
        edit(tab, said[stranger], "by one who asked for no page")
        assert next_of(tab, "error")["code"] == "forbidden"
