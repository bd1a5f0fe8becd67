"""Accounts on a real server."""

import threading

from tests.chat.accounts.visitor import Visitor
from tests.conftest import StartServer


def test_of_many_sign_ups_at_once_one_gets_the_name(start_runserver: StartServer) -> None:
    server = start_runserver()
    names = ["ann", "Ann", "aNn", "\uff21nn"]
    barrier = threading.Barrier(len(names))
    led_to: list[str] = []

    def sign_up(name: str) -> None:
        visitor = Visitor(server)
        barrier.wait(20)
        led_to.append(visitor.sign_up(name))

    threads = [threading.Thread(target=sign_up, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(led_to) == ["/", *["/accounts/signup/"] * 3]
