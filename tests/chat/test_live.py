"""Live updates of rooms and the lobby, with real processes, some of which are killed."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Origin

from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for
from tests.conftest import StartServer, StartWeb, StartWorker


def send(person: Person, kind: str, **fields: Any) -> None:
    person.socket.send(json.dumps({"type": kind, **fields}))


def next_of(person: Person, *kinds: str) -> dict[str, Any]:
    """The next frame of one of these types, skipping others."""
    while (frame := json.loads(person.socket.recv(60))).get("type", "message") not in kinds:
        pass
    found: dict[str, Any] = frame
    return found


def names(person: Person, handle: str = "") -> list[str]:
    """Who is in the room, as one person in it sees it."""
    send(person, "presence", handle=handle)
    while "here" not in (frame := next_of(person, "presence")):
        pass
    return sorted(entry["handle"] for entry in frame["here"])


def guest_cookie(server: Server) -> dict[str, str]:
    with urllib.request.urlopen(f"{server.url}/lobby/", timeout=60) as response:
        return {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}


@contextmanager
def in_the_lobby(server: Server) -> Iterator[Person]:
    address = f"{server.socket_url}/chat/"
    with connect(address, origin=Origin(server.url), open_timeout=60) as socket:
        yield Person(socket)


def test_typing_reaches_the_others(runserver: Server, room: str) -> None:
    with runserver.join(room) as ann, runserver.join(room) as bob:
        send(ann, "typing", handle="ann")
        typing = next_of(bob, "typing")
        assert typing["handle"] == "ann"
        send(ann, "typing", handle="ann")  # too soon: it is skipped
        ann.say("hi")
        frame = next_of(bob, "typing", "message")
        assert (frame["message"], frame["who"]) == ("hi", typing["who"])


def test_edits_and_deletions_are_seen_live_and_in_the_history(
    runserver: Server,
    room: str,
) -> None:
    with runserver.join(room) as ann, runserver.join(room) as bob:
        for text in ("one", "two"):
            ann.say(text)
        first, second = next_of(bob, "message"), next_of(bob, "message")
        send(bob, "delete", id=first["id"], nonce="n1")
        refused = next_of(bob, "error")
        assert (refused["code"], refused["nonce"]) == ("forbidden", "n1")
        send(ann, "edit", id=first["id"], message="better")
        edited = next_of(bob, "edited")
        assert (edited["id"], edited["message"], edited["change"]) == (first["id"], "better", 1)
        send(ann, "delete", id=second["id"])
        deleted = next_of(bob, "deleted")
        assert (deleted["id"], deleted["message"], deleted["change"]) == (second["id"], "", 2)
    page = json.loads(runserver.get(f"/{room}/messages/?after={second['id']}&change=0"))
    assert page["change"] == 2
    live = [{**frame} for frame in (edited, deleted)]
    for frame in live:
        del frame["type"], frame["change"]
    assert page["changed"] == live


def test_all_tabs_of_a_browser_are_one_person(runserver: Server, room: str) -> None:
    headers = guest_cookie(runserver)
    with runserver.join(room) as bob:
        with (
            runserver.join(room, additional_headers=headers) as ann,
            runserver.join(room, additional_headers=headers) as tab,
        ):
            assert names(ann, "ann") == ["", "ann"]
            assert names(tab) == ["", "ann"]
        while "left" not in next_of(bob, "presence"):
            pass
        assert names(bob) == [""]


def test_concurrent_changes_of_a_crowd_are_numbered_without_gaps(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web()
    for _ in range(2):
        start_worker(threads=4)

    def visit(number: int) -> None:
        for _ in range(3):
            with server.join("lobby") as person:
                names(person, f"n{number}")
                person.say("hi", handle=f"m{number}")
                person.hear()

    with server.join("lobby") as bob:
        names(bob, "bob")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(visit, range(8)))
        seen: dict[int, dict[str, Any]] = {}
        while sum("left" in delta for delta in seen.values()) < 24:
            delta = next_of(bob, "presence")
            assert delta["revision"] not in seen
            seen[delta["revision"]] = delta
        # Each visit has four changes: joined, named, renamed, left. The first two are bob's own.
        assert sorted(seen) == list(range(3, 3 + 24 * 4))
        assert names(bob) == ["bob"]


def test_the_lobby_is_updated_live(start_runserver: StartServer) -> None:
    server = start_runserver()
    with in_the_lobby(server) as visitor:
        assert next_of(visitor, "rooms")["rooms"] == []
        with server.join("lobby") as ann:
            (room,) = next_of(visitor, "rooms")["rooms"]
            assert (room["label"], room["people"], room["active"]) == ("lobby", 1, None)
            ann.say("hi", handle="ann")
            while not (room := next_of(visitor, "rooms")["rooms"][0])["active"]:
                pass
            assert room["handles"] == ["ann"]
        while next_of(visitor, "rooms")["rooms"][0]["people"]:
            pass


def test_people_on_a_killed_server_are_removed(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    victim, server = start_web(), start_web()
    start_worker(threads=4)
    with server.join("lobby") as bob:
        names(bob, "bob")
        with victim.join("lobby") as ann, victim.join("lobby"):
            names(ann, "ann")
            assert names(bob) == ["", "ann", "bob"]
            victim.process.signal(signal.SIGKILL)
            for _ in range(2):
                while "left" not in next_of(bob, "presence"):
                    pass
        assert names(bob) == ["bob"]


def test_people_on_a_stopped_runserver_are_removed_with_its_layer(
    start_runserver: StartServer,
) -> None:
    server = start_runserver()
    with server.join("lobby") as ann:
        assert names(ann, "ann") == ["ann"]
        server.process.kill()
    again = start_runserver()

    def is_gone() -> bool:
        with again.join("lobby") as bob:
            return names(bob, "bob") == ["bob"]

    wait_for(is_gone, "the room without ann")
