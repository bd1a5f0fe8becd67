import signal
import socket
import subprocess
import sys

import pytest

from channels_workers.processes.child import Child, described
from labs.harness.waiting import wait_for


def start_child() -> tuple[Child, socket.socket]:
    """A process that does not listen, and the worker's end of its socket."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Child(1, process, ours), theirs


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_ready_process_without_its_socket_gets_a_signal(is_noted: bool) -> None:
    child, theirs = start_child()
    theirs.sendall(b"ready 5\n")
    child.listen()
    assert child.is_ready
    theirs.close()
    if is_noted:
        child.listen()
    child.stop()
    wait_for(lambda: child.status == -signal.SIGTERM, "the end of the process")
    child.close()


def test_a_word_may_come_in_parts() -> None:
    child, theirs = start_child()
    with theirs:
        theirs.sendall(b"rea")
        child.listen()
        assert not child.is_ready
        theirs.sendall(b"dy 5\nchanged\n")
        child.listen()
        assert child.is_ready
        assert child.has_changed
        child.kill()
        wait_for(lambda: child.status == -signal.SIGKILL, "the end of the process")
    child.close()


def test_a_reset_socket_is_a_closed_one() -> None:
    child, theirs = start_child()
    assert child.link is not None
    child.link.send(b"s")
    theirs.close()  # with unread data, which resets it
    child.listen()
    assert child.link is None
    child.kill()
    wait_for(lambda: child.status is not None, "the end of the process")


def test_statuses_are_described() -> None:
    assert described(3) == "ended with status 3"
    assert described(-9) == "was killed by SIGKILL"
