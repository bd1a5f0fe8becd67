import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from channels_workers.interface.shutdown import Shutdown
from labs.harness.project import ROOT

TIMEOUT = 60


class Server:
    """The handler that a server program has set."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.got_one = asyncio.Event()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.got.append(number)
        self.got_one.set()

    async def wait(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            await self.got_one.wait()


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal. Its handler is restored after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield request.param
    for changed, handler in before.items():
        signal.signal(changed, handler)


async def test_the_server_gets_the_signal_after_the_shutdown(number: signal.Signals) -> None:
    server, said = Server(), []
    signal.signal(number, server)

    async def say(number: int) -> None:
        await asyncio.sleep(0)
        said.append((number, list(server.got)))

    Shutdown(say).install()
    os.kill(os.getpid(), number)
    await server.wait()
    assert said == [(number, [])]
    assert server.got == [number]


async def begin_to_shut_down(goes_on: asyncio.Event, number: signal.Signals) -> None:
    """Send a signal and return while the shutdown runs."""
    begun = asyncio.Event()

    async def say(number: int) -> None:
        begun.set()
        await goes_on.wait()

    Shutdown(say).install()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(TIMEOUT):
        await begun.wait()


@pytest.fixture
def server(number: signal.Signals) -> Server:
    """A server with handlers for both signals."""
    server = Server()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, server)
    return server


async def test_sigint_during_the_shutdown_goes_to_the_server_at_once(
    server: Server, number: signal.Signals
) -> None:
    goes_on = asyncio.Event()
    await begin_to_shut_down(goes_on, number)
    assert server.got == []
    os.kill(os.getpid(), signal.SIGINT)
    assert server.got == [signal.SIGINT]
    server.got_one.clear()
    goes_on.set()
    await server.wait()
    assert server.got == [signal.SIGINT, number]


async def test_repeated_sigterm_is_passed_on_once(server: Server, number: signal.Signals) -> None:
    """A process group gets it, and a parent sends it again to its children."""
    goes_on = asyncio.Event()
    await begin_to_shut_down(goes_on, number)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert server.got == []
    goes_on.set()
    await server.wait()
    assert server.got == [number]


async def test_a_failed_shutdown_still_ends_the_process(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    signal.signal(number, server)

    async def say(number: int) -> None:
        raise LookupError

    Shutdown(say).install()
    os.kill(os.getpid(), number)
    await server.wait()
    assert "Shutting down failed" in caplog.text


async def test_nothing_is_installed_in_another_thread(number: signal.Signals) -> None:
    server = Server()
    signal.signal(number, server)

    async def install() -> None:
        shutdown = Shutdown(lambda number: asyncio.sleep(0))
        shutdown.install()
        assert shutdown.is_installed

    thread = threading.Thread(target=lambda: asyncio.run(install()))
    thread.start()
    thread.join()
    assert signal.getsignal(number) is server


ALONE = """
import asyncio, os, signal
from channels_workers.interface.shutdown import Shutdown

async def say(number):
    print("shut down", flush=True)

async def main():
    Shutdown(say).install()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_without_a_server_handler_the_process_exits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "shut down\n"
    assert done.returncode == -signal.SIGTERM


FORKED = """
import asyncio, os, signal
from channels_workers.interface.shutdown import Shutdown

async def say(number):
    print("shut down", flush=True)

async def main():
    shutdown = Shutdown(say)
    shutdown.install()
    if not (child := os.fork()):
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_forked_child_handles_signals_as_if_there_were_no_shutdown() -> None:
    """The child's copy of the event loop does not run, and the parent's must not be notified."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{-signal.SIGTERM}\nshut down\n"
    assert done.returncode == -signal.SIGTERM


async def test_a_cancelled_shutdown_still_passes_the_signal_on(
    server: Server, number: signal.Signals
) -> None:
    """As by an event loop that ends."""
    await begin_to_shut_down(asyncio.Event(), number)
    [running] = asyncio.all_tasks() - {asyncio.current_task()}
    running.cancel()
    await server.wait()
    assert server.got == [number]
