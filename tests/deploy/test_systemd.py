"""The units in deploy/systemd/, as far as they can be tested without systemd."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_workers.conf import Configuration
from channels_workers.management.commands.runworker import EXIT_TIME
from channels_workers.processes.child import MARGIN
from channels_workers.worker.group import LEAVE_TIME
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from labs.harness.requirements import locked
from tests.deploy.variables import known_variables, variables_of
from tests.docs.pages import page

FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "chat-.service.d" / "chat.conf"
UNITS = sorted(FOLDER.glob("*.service"))
PLACE = "/srv/chat"
# Maximum time of a worker, and of an interface server, for an orderly shutdown (s).
DRAIN = max(Configuration().STOP_TIMEOUT, Configuration().DRAIN_TIME + 16)


def values(file: Path, name: str) -> list[str]:
    """The values of `name` in the file, for each occurrence."""
    return re.findall(rf"^{name}=(.*)$", file.read_text(), re.MULTILINE)


def started(unit: Path) -> list[str]:
    (command,) = values(unit, "ExecStart")
    return command.split()


def test_units_start_the_processes_of_the_procfile() -> None:
    by_start = [started(unit) for unit in UNITS if unit.name != "chat-pages.service"]
    assert sorted(by_start) == sorted([f"{PLACE}/deploy/start", name] for name in read_procfile())
    assert values(COMMON, "WorkingDirectory") == [PLACE]


def test_units_match_the_drop_in_of_common_settings() -> None:
    """systemd applies chat-.service.d to chat-web@.service, but not chat.service."""
    assert len(UNITS) == 4
    for unit in UNITS:
        assert unit.name.startswith("chat-")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_processes_start_with_the_chat_and_restart(unit: Path) -> None:
    is_release = unit.name == "chat-release.service"
    assert values(unit, "Restart") == ([] if is_release else ["always"])
    assert values(unit, "WantedBy") == ([] if is_release else ["chat.target"])
    assert values(COMMON, "PartOf") == ["chat.target"]


def test_servers_behind_nginx_listen_only_locally() -> None:
    """Clients that bypass nginx could forge trusted headers."""
    (given,) = values(FOLDER / "chat-web@.service", "Environment")
    assert given == "PORT=%i BIND=127.0.0.1"
    assert "127.0.0.1:8001" in started(FOLDER / "chat-pages.service")


def test_processes_have_enough_time_to_stop() -> None:
    (seconds,) = values(COMMON, "TimeoutStopSec")
    assert int(seconds) > DRAIN


def test_each_variable_is_the_chats() -> None:
    given = variables_of((FOLDER / "chat.env").read_text())
    assert given["SECRET_KEY"] == ""
    assert set(given) <= known_variables()
    assert "PORT" not in given, "It would win over the ports of the units."
    own = set(re.findall(r"(\w+)=", " ".join(of_units("Environment"))))
    assert own - {"PATH", "PYTHONUNBUFFERED"} <= known_variables()


def of_units(name: str) -> Iterator[str]:
    for file in (COMMON, *UNITS):
        yield from values(file, name)


def test_workers_use_all_cores_and_load_new_code_without_a_gap() -> None:
    unit = FOLDER / "chat-worker.service"
    assert values(unit, "Environment") == ["WORKER_CONCURRENCY=auto"]
    assert values(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values(COMMON, "KillMode") == ["mixed"], "The parent stops its workers itself."


def test_a_parent_that_kills_a_stuck_worker_ends_in_time() -> None:
    (seconds,) = values(COMMON, "TimeoutStopSec")
    assert int(seconds) > Configuration().STOP_TIMEOUT + LEAVE_TIME + EXIT_TIME + MARGIN


# Gunicorn, which the Procfile does not start, is in a unit and in docs/how-to/deploy-nginx.md.


def test_the_page_starts_gunicorn_like_the_unit() -> None:
    program, *arguments = started(FOLDER / "chat-pages.service")
    assert program == f"{PLACE}/.venv/bin/gunicorn"
    assert f"gunicorn {' '.join(arguments)} " in page("how-to/deploy-nginx").text


def test_the_page_pins_the_gunicorn_of_the_tests() -> None:
    """With the same hashes, because pip reads both files together."""
    (written,) = locked(ROOT / "deploy" / "gunicorn.txt")
    (tested,) = [
        one for one in locked(ROOT / "tests" / "requirements.in") if one.name == "gunicorn"
    ]
    assert str(written.requirement) == str(tested.requirement)
    assert written.hashes == tested.hashes
    assert "gunicorn==" not in page("how-to/deploy-nginx").text
