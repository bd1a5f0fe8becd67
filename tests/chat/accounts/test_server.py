"""Accounts on a real server."""

import json
import threading
from typing import Any

from labs.harness.server import Person
from labs.harness.visitor import Visitor
from tests.conftest import StartServer, StartWeb, StartWorker


def test_one_of_many_concurrent_sign_ups_gets_the_name(start_runserver: StartServer) -> None:
    server = start_runserver()
    names = ["ann", "Ann", "aNn", "\uff21nn"]
    barrier = threading.Barrier(len(names))
    led_to: list[str] = []

    def sign_up(name: str) -> None:
        visitor = Visitor.of(server)
        barrier.wait(60)
        led_to.append(visitor.sign_up(name).led_to)

    threads = [threading.Thread(target=sign_up, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(led_to) == ["/", *["/accounts/signup/"] * 3]


def next_of(person: Person, kind: str) -> dict[str, Any]:
    """The next frame of this type."""
    while (frame := json.loads(person.socket.recv(60))).get("type") != kind:
        pass
    return dict(frame)


def test_an_account_speaks_under_its_name_until_it_logs_out(start_runserver: StartServer) -> None:
    server = start_runserver()
    zoe = Visitor.of(server)
    zoe.sign_up("Zoe")
    zoe.get("/lobby/")
    with (
        server.join("lobby") as bob,
        server.join("lobby", additional_headers=zoe.headers) as first,
        server.join("lobby", additional_headers=zoe.headers) as second,
    ):
        first.say("as Zoe", handle="somebody")
        heard = bob.hear()
        assert (heard["handle"], heard["account"]) == ("Zoe", True)

        assert zoe.post("/accounts/logout/", next="/lobby/").led_to == "/lobby/"
        for tab in (first, second):
            frame = next_of(tab, "account")
            assert (frame["handle"], frame["account"]) == ("", False)
        first.say("as Zoe?", handle="zoe")
        assert next_of(first, "error")["code"] == "forbidden"
        bob.say("as Zoe?", handle="\uff3aoe")
        assert next_of(bob, "error")["code"] == "forbidden"
        second.say("as a guest", handle="ann")
        heard = bob.hear()
        assert (heard["handle"], heard["who"]) == ("ann", frame["who"])
        assert "account" not in heard


def test_log_outs_reach_sockets_of_other_servers(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    servers = [start_web(), start_web()]
    start_worker()
    zoe = Visitor.of(servers[0])
    zoe.sign_up("Zoe")
    with servers[1].join("lobby", additional_headers=zoe.headers) as tab:
        tab.say("hi")
        assert tab.hear()["handle"] == "Zoe"
        zoe.post("/accounts/logout/")
        assert next_of(tab, "account")["account"] is False
