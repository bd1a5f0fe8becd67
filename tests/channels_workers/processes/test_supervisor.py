"""The parent with small programs in place of workers."""

import json
import os
import pty
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from channels_workers.processes.__main__ import VARIABLE
from channels_workers.processes.handover import PROGRAM
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

#: Stands for `manage.py runworker`. Its code is in a file that tests change.
WORKER = """
import os, signal, socket, sys, time
from pathlib import Path

descriptor, number, count = os.environ["CHANNEL_WORKERS_PARENT"].split(":")
link = socket.socket(fileno=int(descriptor))


def write(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")


write("begun", number, "of", count, "as", os.getpid())
exec(Path("code").read_text())
write("stopped", number)
"""
GOOD = "link.sendall(b'ready 60\\n')\nlink.recv(1)"
NEW = f"write('new code', number)\n{GOOD}"
BAD = "sys.exit(3)"

Start = Callable[..., Process]


@pytest.fixture
def start(start_process: Processes, tmp_path: Path) -> Start:
    """`start(count, code)` starts the parent with *count* programs that run *code*."""
    (tmp_path / "worker.py").write_text(WORKER)

    def run(count: int, code: str) -> Process:
        write_code(tmp_path, code)
        command = [sys.executable, "-P", PROGRAM, sys.executable, "worker.py"]
        return start_process(command, name="parent", cwd=tmp_path, env=given(count))

    return run


def given(count: int) -> dict[str, str]:
    """What the parent is told."""
    options = {"count": count, "path": sys.path, "logs": {"settings": "", "plain": {}}}
    return {VARIABLE: json.dumps(options)}


def write_code(folder: Path, code: str) -> None:
    (folder / "new").write_text(code)
    (folder / "new").replace(folder / "code")


def pids(parent: Process) -> list[int]:
    """The ids of all processes that have begun, in this order."""
    return [int(line.split()[-1]) for line in parent.lines if line.startswith("begun")]


def count_lines(parent: Process, start: str) -> int:
    return sum(line.startswith(start) for line in parent.lines)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_starts_as_many_as_asked_and_stops_all(start: Start) -> None:
    parent = start(3, GOOD)
    parent.wait_for_line("^All 3 worker processes are ready$")
    begun = sorted(line.split(" as ")[0] for line in parent.lines if line.startswith("begun"))
    assert begun == ["begun 1 of 3", "begun 2 of 3", "begun 3 of 3"]
    assert parent.terminate() == 0
    assert sorted(line for line in parent.lines if line.startswith("stopped")) == [
        "stopped 1",
        "stopped 2",
        "stopped 3",
    ]
    assert parent.lines[-1] == "All worker processes have stopped"


def test_an_interrupt_stops_it_like_sigterm(start: Start) -> None:
    parent = start(1, GOOD)
    parent.wait_for_line("are ready$")
    parent.signal(signal.SIGINT)
    assert parent.wait() == 0
    assert "stopped 1" in parent.lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_whole_group_count_once(number: signal.Signals, start: Start) -> None:
    """As Ctrl-C, systemd and Heroku send them."""
    handler = f"signal.signal({number:d}, lambda *_: write('signal'))\n"
    parent = start(2, handler + GOOD)
    parent.wait_for_line("are ready$")
    os.killpg(parent.pid, number)
    assert parent.wait() == 0
    assert count_lines(parent, "signal") == 2
    assert count_lines(parent, "stopped") == 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_at_once(second: signal.Signals, start: Start) -> None:
    parent = start(2, f"{GOOD}\nwrite('stays')\ntime.sleep(600)")
    parent.wait_for_line("are ready$")
    parent.signal(signal.SIGTERM)
    wait_for(lambda: count_lines(parent, "stays") == 2, parent.describe)
    parent.signal(second)
    assert parent.wait() == -second
    wait_for(lambda: not any(map(is_running, pids(parent))), "the end of the processes")


def test_a_signal_during_the_start_ends_it(start: Start) -> None:
    parent = start(2, "write('loading')\ntime.sleep(600)")
    wait_for(lambda: count_lines(parent, "loading") == 2, parent.describe)
    assert parent.terminate() == 0
    assert "ready" not in parent.output
    assert not any(map(is_running, pids(parent)))


def test_a_killed_process_is_replaced(start: Start) -> None:
    parent = start(2, GOOD)
    parent.wait_for_line("are ready$")
    victim, other = pids(parent)
    os.kill(victim, signal.SIGKILL)
    line = rf"^Worker process \d \(pid {victim}\) was killed by SIGKILL\. Starting another in 1 s$"
    parent.wait_for_line(line)
    wait_for(lambda: len(pids(parent)) == 3, parent.describe)
    assert is_running(other)
    assert parent.terminate() == 0


def test_a_signal_without_a_name_has_a_number(start: Start) -> None:
    parent = start(1, GOOD)
    parent.wait_for_line("are ready$")
    number = signal.SIGRTMIN + 2
    os.kill(pids(parent)[0], number)
    parent.wait_for_line(rf"was killed by signal {number}\. Starting another")


def test_a_process_that_was_told_to_end_is_replaced(start: Start) -> None:
    parent = start(1, "signal.signal(15, lambda *_: sys.exit())\n" + GOOD)
    parent.wait_for_line("are ready$")
    os.kill(pids(parent)[0], signal.SIGTERM)
    parent.wait_for_line(r"ended with status 0\. Starting another in 1 s$")
    wait_for(lambda: len(pids(parent)) == 2, parent.describe)


def test_pauses_grow_and_it_gives_up_if_none_can_start(start: Start) -> None:
    parent = start(2, BAD)
    assert parent.wait() == 1
    ends = [line for line in parent.lines if "process 1" in line]
    assert [line.partition(") ")[2] for line in ends] == [
        "ended with status 3. Starting another in 1 s",
        "ended with status 3. Starting another in 2 s",
        "ended with status 3. Starting another in 4 s",
    ]
    assert parent.lines[-1] == "No worker process can start, so this command ends"


def test_it_does_not_give_up_while_one_runs(start: Start) -> None:
    parent = start(2, f"sys.exit(3) if number == '2' else None\n{GOOD}")
    parent.wait_for_line("Starting another in 4 s$")
    assert sum(map(is_running, pids(parent))) == 1
    assert parent.terminate() == 0


def test_a_missing_program_is_a_failed_start(start_process: Processes, tmp_path: Path) -> None:
    command = [sys.executable, "-P", PROGRAM, tmp_path / "missing"]
    parent = start_process(command, name="parent", cwd=tmp_path, env=given(1))
    parent.wait_for_line("^Worker process 1 cannot start: .*No such file.* Trying again in 1 s$")
    assert parent.wait() == 1


# New code


def test_sighup_replaces_one_after_the_other(start: Start, tmp_path: Path) -> None:
    parent = start(3, GOOD)
    parent.wait_for_line("are ready$")
    old = pids(parent)
    write_code(tmp_path, NEW)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^All worker processes are replaced$")
    words = [line.split()[0] for line in parent.lines if line.startswith(("new", "stopped"))]
    assert words == ["new", "stopped"] * 3
    assert not any(map(is_running, old))
    assert all(map(is_running, pids(parent)[3:]))
    assert parent.terminate() == 0


def test_broken_code_leaves_the_old_processes_running(start: Start, tmp_path: Path) -> None:
    parent = start(2, GOOD)
    parent.wait_for_line("are ready$")
    old = pids(parent)
    write_code(tmp_path, BAD)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line(
        r"^Worker process 1 \(pid \d+\) ended with status 3 before it was ready\. "
        "Those that are not replaced run the old code$"
    )
    assert all(map(is_running, old))
    write_code(tmp_path, NEW)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^All worker processes are replaced$")
    assert not any(map(is_running, old))


def test_a_second_sighup_loads_the_newest_code(start: Start, tmp_path: Path) -> None:
    parent = start(2, GOOD)
    parent.wait_for_line("are ready$")
    slow = "write('waiting')\nwhile not Path('go').exists(): time.sleep(0.01)\n" + GOOD
    write_code(tmp_path, slow)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^waiting$")
    write_code(tmp_path, NEW)
    parent.signal(signal.SIGHUP)
    wait_for(lambda: count_lines(parent, "Replacing") == 2, parent.describe)
    (tmp_path / "go").touch()
    parent.wait_for_line("^All worker processes are replaced$")
    assert count_lines(parent, "waiting") == 1
    assert count_lines(parent, "new code") == 2
    assert sum(map(is_running, pids(parent))) == 2


def test_a_process_that_ends_while_it_is_replaced(start: Start, tmp_path: Path) -> None:
    parent = start(1, GOOD)
    parent.wait_for_line("are ready$")
    write_code(
        tmp_path, "write('waiting')\nwhile not Path('go').exists(): time.sleep(0.01)\n" + GOOD
    )
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^waiting$")
    os.kill(pids(parent)[0], signal.SIGKILL)
    parent.wait_for_line("was killed by SIGKILL$")
    (tmp_path / "go").touch()
    parent.wait_for_line("^All worker processes are replaced$")
    assert len(pids(parent)) == 2


def test_sighup_starts_what_waits_after_failures(start: Start, tmp_path: Path) -> None:
    """New code may be the cure, so it does not wait for the end of a pause."""
    parent = start(2, f"sys.exit(3) if number == '2' else None\n{GOOD}")
    parent.wait_for_line("Starting another in 4 s$")
    write_code(tmp_path, NEW)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^All worker processes are replaced$")
    parent.wait_for_line("^All 2 worker processes are ready$")


def test_a_stop_ends_a_replacement(start: Start, tmp_path: Path) -> None:
    parent = start(2, GOOD)
    parent.wait_for_line("are ready$")
    write_code(tmp_path, "write('loading')\ntime.sleep(600)")
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^loading$")
    assert parent.terminate() == 0
    assert count_lines(parent, "stopped") == 2
    assert "old code" not in parent.output


def test_broken_code_in_an_empty_place_ends_the_replacement(start: Start, tmp_path: Path) -> None:
    parent = start(2, f"sys.exit(3) if number == '1' else None\n{GOOD}")
    parent.wait_for_line("Starting another in 4 s$")
    write_code(tmp_path, BAD)
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("ended with status 3 before it was ready. Those")
    assert sum(map(is_running, pids(parent))) == 1
    write_code(tmp_path, GOOD)
    parent.wait_for_line("^All 2 worker processes are ready$")


def test_a_program_that_is_gone_replaces_nothing(start_process: Processes, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(f"#!{sys.executable}\n{WORKER}")
    (tmp_path / "worker.py").chmod(0o755)
    write_code(tmp_path, GOOD)
    command = [sys.executable, "-P", PROGRAM, tmp_path / "worker.py"]
    parent = start_process(command, name="parent", cwd=tmp_path, env=given(1))
    parent.wait_for_line("are ready$")
    (tmp_path / "worker.py").unlink()
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("^Worker process 1 cannot start: .*No such file.* Those that")
    assert is_running(pids(parent)[0])
    assert parent.terminate() == 0


def test_sighup_starts_nothing_while_all_stop(start: Start) -> None:
    wait = "\nwhile not Path('go').exists(): time.sleep(0.01)"
    parent = start(1, f"{GOOD}\nwrite('stopping'){wait}")
    parent.wait_for_line("are ready$")
    parent.signal(signal.SIGTERM)
    parent.wait_for_line("^stopping$")
    parent.signal(signal.SIGHUP)
    (parent.log.parent / "go").touch()
    assert parent.wait() == 0
    assert len(pids(parent)) == 1


def test_a_process_says_that_the_code_has_changed(start: Start, tmp_path: Path) -> None:
    wait = "while not Path('changed').exists(): time.sleep(0.01)"
    tell = "link.sendall(b'changed\\n')"
    parent = start(1, "\n".join(("link.sendall(b'ready 60\\n')", wait, tell, "link.recv(1)")))
    parent.wait_for_line("are ready$")
    write_code(tmp_path, NEW)
    (tmp_path / "changed").touch()
    parent.wait_for_line("^All worker processes are replaced$")


def test_a_process_that_does_not_become_ready_replaces_nothing(
    start: Start, start_process: Processes, tmp_path: Path
) -> None:
    start(0, GOOD)  # writes the program
    lines = (
        "import os, sys",
        "from channels_workers.processes import supervisor",
        "supervisor.REPLACE_TIME = 0.1",
        "sys.exit(supervisor.run(1, [sys.executable, 'worker.py'], dict(os.environ)))",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    parent = start_process(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    parent.wait_for_line("are ready$")
    write_code(tmp_path, "time.sleep(600)")
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("is not ready after 0.1 s, so it is killed$")
    parent.wait_for_line("was killed by SIGKILL before it was ready. Those")
    assert is_running(pids(parent)[0])
    assert parent.terminate() == 0


# The parent's end


def test_the_end_of_the_parent_ends_the_others(start: Start) -> None:
    parent = start(2, f"{GOOD}\nPath(f'stopped {{number}}').touch()")
    parent.wait_for_line("are ready$")
    parent.signal(signal.SIGKILL)
    wait_for(lambda: not any(map(is_running, pids(parent))), "the end of the processes")
    assert count_lines(parent, "stopped") == 2


def test_a_process_that_does_not_end_is_killed(start: Start) -> None:
    parent = start(1, "link.sendall(b'ready -9\\n')\nlink.recv(1)\ntime.sleep(600)")
    parent.wait_for_line("are ready$")
    assert parent.terminate() == 1
    assert "does not end, so it is killed" in parent.output
    assert "was killed by SIGKILL" in parent.output


def test_a_crash_while_stopping_shows_in_the_status(start: Start) -> None:
    parent = start(1, f"{GOOD}\nsys.exit(3)")
    parent.wait_for_line("are ready$")
    assert parent.terminate() == 1
    assert "ended with status 3" in parent.output


def test_a_process_that_closes_its_socket_is_stopped_by_a_signal(start: Start) -> None:
    code = "link.sendall(b'ready 60\\n')\nlink.close()\nwrite('closed')\ntime.sleep(600)"
    parent = start(1, code)
    parent.wait_for_line("are ready$")
    parent.wait_for_line("^closed$")
    assert parent.terminate() == 1
    assert "was killed by SIGTERM" in parent.output


def test_a_closed_terminal_stops_all(tmp_path: Path) -> None:
    """It sends SIGHUP, and nobody is there to see the new code."""
    (tmp_path / "worker.py").write_text(WORKER)
    write_code(tmp_path, f"signal.signal(1, lambda *_: None)\n{GOOD}\nPath('stopped').touch()")
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.chdir(tmp_path)
        program = [sys.executable, "-P", str(PROGRAM), sys.executable, "worker.py"]
        os.execve(sys.executable, program, os.environ | given(1))
    try:
        said = b""
        while b"are ready" not in said:
            said += os.read(terminal, 4096)
        os.close(terminal)
        wait_for((tmp_path / "stopped").exists, "the process to stop")
        wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "the end of the parent")
    finally:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
