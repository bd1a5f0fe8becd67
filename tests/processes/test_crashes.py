"""Processes that are killed, frozen or gone: nothing is lost, nothing happens twice.

These are the quick ones; each waits for the five seconds after which a process counts as dead.
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import StartWeb, StartWorker
from tests.processes.redis_server import RedisServer
from tests.processes.server import Person
from tests.processes.waiting import wait_for

PEOPLE, FRAMES = 6, 40


def keys(redis: RedisServer, pattern: str) -> list[str]:
    """The keys of the layer that match, without its prefix."""
    with redis.client() as client:
        found = [key.decode() for key in client.keys(f"*:1:{pattern}")]
    return sorted(key.partition(":1:")[2] for key in found)


def say_many(person: Person, handle: str) -> None:
    for number in range(FRAMES):
        person.say(str(number), handle=handle)


def hear_all(person: Person) -> list[tuple[str, str]]:
    heard = [person.hear(timeout=60) for _ in range(PEOPLE * FRAMES)]
    return [(frame["handle"], frame["message"]) for frame in heard]


def assert_complete(frames: list[list[tuple[str, str]]]) -> None:
    """Everybody heard everything, once, in the order of each speaker."""
    for got in frames:
        for number in range(PEOPLE):
            of_one = [text for handle, text in got if handle == f"person{number}"]
            assert of_one == [str(count) for count in range(FRAMES)]


def test_what_a_killed_worker_had_begun_is_done_by_another(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web()
    victim, _ = start_worker(threads=4), start_worker(threads=4)
    with ExitStack() as stack, ThreadPoolExecutor(2 * PEOPLE) as pool:
        people = [stack.enter_context(server.join("lobby")) for _ in range(PEOPLE)]
        heard = [pool.submit(hear_all, person) for person in people]
        for number, person in enumerate(people):
            pool.submit(say_many, person, f"person{number}")
        wait_for(lambda: len(people[0].seen) > PEOPLE * FRAMES // 4, "some frames")
        victim.signal(signal.SIGKILL)
        assert_complete([future.result(timeout=90) for future in heard])


def test_what_a_frozen_worker_was_given_is_done_by_another_and_once(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web()
    victim, _ = start_worker(threads=4), start_worker(threads=1)
    with ExitStack() as stack, ThreadPoolExecutor(2 * PEOPLE) as pool:
        people = [stack.enter_context(server.join("lobby")) for _ in range(PEOPLE)]
        heard = [pool.submit(hear_all, person) for person in people]
        # Frozen while it waits: in the middle of a consumer it would hold the lock of SQLite.
        victim.signal(signal.SIGSTOP)
        try:
            for number, person in enumerate(people):
                pool.submit(say_many, person, f"person{number}")
            frames = [future.result(timeout=90) for future in heard]
        finally:
            victim.signal(signal.SIGCONT)
        assert_complete(frames)
        victim.wait_for_line("was taken for dead")
        people[0].say("after it all", handle="person0")
        for person in people:
            assert person.hear()["message"] == "after it all"


def test_the_sockets_of_a_dead_server_end_once(
    start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    victim, other = start_web(), start_web()
    start_worker()
    with victim.join("lobby") as ann, victim.join("lobby"), other.join("lobby") as bob:
        ann.say("hello")
        assert bob.hear()["message"] == "hello"
        assert len(keys(redis_server, "connections:*")) == 2
        victim.process.kill()
        with pytest.raises(ConnectionClosed):
            ann.hear(timeout=10) and ann.hear()
        bob.say("still here")
        assert bob.hear()["message"] == "still here"
        wait_for(lambda: len(keys(redis_server, "connections:*")) == 1, "the end of the dead", 30)
        wait_for(lambda: len(keys(redis_server, "session:*")) == 1, "the end of sessions", 30)
        assert len(keys(redis_server, "groups:*")) == 1
        assert len(keys(redis_server, "inbox:*")) <= 1
        bob.say("and still")
        assert bob.hear()["message"] == "and still"


def test_redis_that_comes_back_empty_costs_no_socket_and_no_message(
    start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    first, second = start_web(), start_web()
    start_worker(threads=4)
    with ExitStack() as stack, ThreadPoolExecutor(2 * PEOPLE) as pool:
        servers = [first, second] * (PEOPLE // 2)
        people = [stack.enter_context(server.join("lobby")) for server in servers]
        heard = [pool.submit(hear_all, person) for person in people]
        for number, person in enumerate(people):
            pool.submit(say_many, person, f"person{number}")
        wait_for(lambda: len(people[0].seen) > PEOPLE * FRAMES // 4, "some frames")
        redis_server.process.kill()
        redis_server.start()
        assert_complete([future.result(timeout=90) for future in heard])
    wait_for(lambda: not keys(redis_server, "connections:*"), "the end of all connections")
    assert keys(redis_server, "session:*") == []
    wait_for(lambda: not keys(redis_server, "group:*"), "the end of all groups")
