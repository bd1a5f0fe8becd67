import os
import socket
import threading

import pytest

from channels_workers.processes.parent import VARIABLE, Parent


def test_most_processes_have_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Parent.find() is None


def test_a_parent_is_found_once_and_not_by_the_programs_of_consumers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    monkeypatch.setattr("multiprocessing.current_process", threading.current_thread)
    name = threading.current_thread().name
    monkeypatch.setenv(VARIABLE, f"{theirs.fileno()}:2:4")
    with ours:
        parent = Parent.find()
        assert parent is not None
        assert parent.describe() == f"process 2 of 4 (pid {os.getpid()})"
        assert threading.current_thread().name == "worker-2"
        threading.current_thread().name = name
        assert not os.get_inheritable(theirs.detach())
        assert Parent.find() is None
        parent.tell_changed()
        assert ours.recv(100) == b"changed\n"
        parent.close()


def test_a_parent_that_is_gone_ends_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = socket.socketpair()
    parent, stopped = Parent(theirs, 1, 1), threading.Event()
    ours.close()
    parent.begin(lambda: None, 5.0, stopped.set)
    assert stopped.wait(60)
    assert [record.__dict__["event"] for record in caplog.records] == ["parent_gone"]
    parent.tell_changed()  # to nobody
    parent.close()


def test_a_closed_socket_ends_the_wait_too() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    stopped = threading.Event()
    with ours:
        Parent(theirs, 1, 1).begin(lambda: None, 5.0, stopped.set)
        assert stopped.wait(60)
