"""Valid and invalid frames on the socket of a real server."""

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from labs.harness import ports
from labs.harness.processes import Processes
from labs.harness.server import Person, Server
from tests.conftest import StartServer


@pytest.fixture(scope="module")
def server(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One runserver without a rate limit for all tests. Each test has its own room."""
    folder = tmp_path_factory.mktemp("socket")
    file = shutil.copy(migrated_database, folder / "chat.sqlite3")
    environment = {"DATABASE_URL": f"sqlite:///{file}", "CHAT_RATE_LIMIT": "0"}
    port = ports.free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    started = Processes(folder)
    process = started(command, name="runserver", env=environment)
    yield Server(port, process.wait_until_listening(port))
    started.stop()


@pytest.fixture
def label(request: pytest.FixtureRequest) -> str:
    return f"room-{abs(hash(request.node.nodeid))}"


def next_frame(person: Person) -> dict[str, Any]:
    """The next frame that is not about presence."""
    while (frame := json.loads(person.socket.recv(60))).get("type") == "presence":
        pass
    found: dict[str, Any] = frame
    return found


def message(**fields: Any) -> str:
    return json.dumps({"handle": "ann", "message": "hi"} | fields)


def status_of_handshake(server: Server, path: str, origin: str | None) -> int:
    with pytest.raises(InvalidStatus) as caught:
        connect(server.socket_url + path, origin=origin and Origin(origin), open_timeout=60)
    return caught.value.response.status_code


def test_everybody_in_the_room_gets_a_message_including_the_sender(
    server: Server, label: str
) -> None:
    with server.join(label) as ann, server.join(label) as bob:
        ann.say(" hi ", handle="ann", nonce="n1")
        heard = ann.hear()
        assert heard == bob.hear()
        assert set(heard) == {"handle", "message", "timestamp", "id", "who", "nonce"}
        assert (heard["handle"], heard["message"], heard["nonce"]) == ("ann", "hi", "n1")
        assert heard["timestamp"].endswith("Z")


def test_another_room_gets_nothing(server: Server, label: str) -> None:
    with server.join(label) as ann, server.join(label + "-2") as eve:
        ann.say("secret")
        ann.hear()
        eve.say("mine")
        assert eve.hear()["message"] == "mine"


BAD_FRAMES: dict[str, tuple[str | bytes, str]] = {
    "not JSON": ("hello", "bad_json"),
    "half of JSON": ('{"handle": "ann"', "bad_json"),
    "empty": ("", "bad_json"),
    "NaN": ('{"handle": "ann", "message": NaN}', "bad_json"),
    "deeply nested": ("[" * 30_000 + "]" * 30_000, "bad_json bad_message"),  # Python 3.14 reads it
    "a huge number": ('{"handle": "ann", "message": ' + "9" * 50_000 + "}", "bad_json"),
    "an array": ("[]", "bad_message"),
    "null": ("null", "bad_message"),
    "a number as message": (message(message=7), "bad_message"),
    "an object as handle": (message(handle={}), "bad_message"),
    "no handle": ('{"message": "hi"}', "bad_message"),
    "an unknown key": (message(colour="red"), "bad_message"),
    "an unknown type": (message(type="dance"), "bad_message"),
    "NUL in the message": (message(message="a\0b"), "bad_message"),
    "NUL in the handle": (message(handle="a\0b"), "bad_message"),
    "a lone surrogate": ('{"handle": "ann", "message": "\\ud800"}', "bad_message"),
    "a lone surrogate as key": ('{"\\udfff": "ann", "message": "hi"}', "bad_message"),
    "an empty handle": (message(handle=" "), "bad_message"),
    "an empty message": (message(message="\n"), "bad_message"),
    "a line end in the handle": (message(handle="a\nb"), "bad_message"),
    "an empty nonce": (message(nonce=""), "bad_message"),
    "a number as nonce": (message(nonce=1), "bad_message"),
    "a long handle": (message(handle="x" * 41), "too_long"),
    "a long message": (message(message="x" * 4001), "too_long"),
    "a long nonce": (message(nonce="x" * 65), "too_long"),
    "a binary frame": (b'{"handle": "ann", "message": "hi"}', "bad_message"),
    "more than 64 KiB": (message(message="x" * 65_536), "too_long"),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_an_invalid_frame_is_answered_to_its_sender_and_affects_nobody_else(
    server: Server, label: str, case: str
) -> None:
    frame, code = BAD_FRAMES[case]
    with server.join(label) as ann, server.join(label) as bob:
        ann.socket.send(frame)
        error = next_frame(ann)
        assert error["type"] == "error"
        assert error["code"] in code.split()
        assert len(error["detail"]) < 200
        ann.say("good", nonce="n1")
        assert next_frame(ann)["message"] == "good"
        assert next_frame(bob)["message"] == "good"


def test_the_error_carries_the_nonce_of_its_frame(server: Server, label: str) -> None:
    with server.join(label) as ann:
        ann.say("", nonce="n1")
        assert next_frame(ann)["nonce"] == "n1"


def send_and_wait(person: Person, text: str) -> None:
    person.socket.send(text)
    next_frame(person)


def test_a_frame_of_2_mib_closes_only_its_own_socket(server: Server, label: str) -> None:
    with server.join(label) as bob:
        # The server may close before everything is sent.
        with server.join(label) as ann, pytest.raises(ConnectionClosed):
            send_and_wait(ann, "x" * 2 * 1024 * 1024)
        with server.join(label) as ann:
            ann.say("back")
            assert next_frame(ann)["message"] == "back"
        assert next_frame(bob)["message"] == "back"


@pytest.mark.parametrize("path", ["/chat/nobody.was.here/", "/chat/new/", "/nothing/"])
def test_a_path_without_a_room_is_refused(server: Server, path: str) -> None:
    assert status_of_handshake(server, path, server.url) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_a_wrong_or_missing_origin_is_refused(
    server: Server, label: str, origin: str | None
) -> None:
    server.get(f"/{label}/")
    assert status_of_handshake(server, f"/chat/{label}/", origin) == HTTPStatus.FORBIDDEN


def guest_cookie(server: Server, label: str) -> dict[str, str]:
    """The cookie header of a browser that has visited the page."""
    with urllib.request.urlopen(f"{server.url}/{label}/", timeout=60) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    return {"Cookie": cookie}


def test_a_retry_after_a_reconnect_is_stored_once_and_confirmed_to_its_sender(
    server: Server, label: str
) -> None:
    headers = guest_cookie(server, label)
    with server.join(label) as bob:
        with server.join(label, additional_headers=headers) as ann:
            ann.say("once", nonce="n1")
            first = ann.hear()
        with server.join(label, additional_headers=headers) as ann:
            ann.say("once", nonce="n1")
            assert ann.hear() == first
            ann.say("twice", nonce="n2")
            assert ann.hear()["message"] == "twice"
        assert [bob.hear()["message"], bob.hear()["message"]] == ["once", "twice"]


def test_another_person_may_have_the_same_nonce(server: Server, label: str) -> None:
    with server.join(label) as ann, server.join(label) as bob:
        ann.say("ann's", nonce="n1")
        ann.hear()
        bob.say("bob's", nonce="n1")
        assert ann.hear()["message"] == "bob's"


def test_one_nonce_on_many_concurrent_sockets_is_stored_once(server: Server, label: str) -> None:
    headers = guest_cookie(server, label)
    with ExitStack() as stack:
        sockets = [server.join(label, additional_headers=headers) for _ in range(8)]
        people = [stack.enter_context(socket) for socket in sockets]
        for person in people:
            person.say("once", nonce="n1")
        ids = {person.hear()["id"] for person in people}
    assert len(ids) == 1
    assert len(json.loads(server.get(f"/{label}/messages/"))["messages"]) == 1


def test_a_client_above_the_rate_limit_gets_an_error_and_stays_connected(
    start_runserver: StartServer,
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "3/3600"})
    with server.join("lobby") as ann, server.join("lobby") as bob:
        for number in range(4):
            ann.say(f"m{number}", nonce=f"n{number}")
        assert [ann.hear()["message"] for _ in range(3)] == ["m0", "m1", "m2"]
        error = next_frame(ann)
        assert (error["code"], error["nonce"]) == ("too_fast", "n3")
        bob.say("I am not")
        assert [bob.hear()["message"] for _ in range(4)] == ["m0", "m1", "m2", "I am not"]
        assert ann.hear()["message"] == "I am not"


def test_after_a_pause_the_client_may_speak_again(start_runserver: StartServer) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "1/1"})
    with server.join("lobby") as ann:
        ann.say("one")
        ann.hear()
        codes: list[str] = []
        while not codes or "message" not in codes:
            ann.say("two")
            codes.append(next_frame(ann).get("type", "message"))
        assert codes[0] == "error"


def test_a_refused_handshake_is_not_logged_as_an_error(start_runserver: StartServer) -> None:
    server = start_runserver()
    assert status_of_handshake(server, "/chat/lobby/", None) == HTTPStatus.FORBIDDEN
    assert status_of_handshake(server, "/chat/no.where/", server.url) == HTTPStatus.FORBIDDEN
    with server.join("lobby") as ann:  # its answer shows that the workers are done with the others
        ann.say("hi")
        assert next_frame(ann)["message"] == "hi"
    server.process.terminate()
    assert "ERROR" not in server.process.output


def test_guests_without_cookies_share_one_limit(start_runserver: StartServer) -> None:
    server = start_runserver(env={"CHAT_ADDRESS_RATE_LIMIT": "5/3600"})
    answers = []
    for number in range(8):
        with server.join("lobby") as guest:  # keeps no cookie
            guest.say(f"m{number}")
            frame = next_frame(guest)
            answers.append(frame.get("code") or frame["message"])
    assert answers == ["m0", "m1", "m2", "m3", "m4", "too_fast", "too_fast", "too_fast"]
    output = server.process.output
    assert output.count("The address 127.0.0.1 exceeds its rate (say)") == 1
    assert "raise CHAT_ADDRESS_RATE_LIMIT" in output
