"""The units in deploy/systemd/, as far as they can be seen without systemd."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_workers.conf import Configuration
from labs.harness.processes import clean_environment
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from labs.harness.requirements import locked
from tests.deploy.variables import known_variables, variables_of
from tests.docs.pages import page

FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "chat-.service.d" / "chat.conf"
UNITS = sorted(FOLDER.glob("*.service"))
PLACE = "/srv/chat"
# Seconds that a worker, and that an interface server, takes at most to end in order.
DRAIN = max(Configuration().STOP_TIMEOUT, Configuration().DRAIN_TIME + 16)


def values(file: Path, name: str) -> list[str]:
    """What the file sets `name` to, each time."""
    return re.findall(rf"^{name}=(.*)$", file.read_text(), re.MULTILINE)


def started(unit: Path) -> list[str]:
    (command,) = values(unit, "ExecStart")
    return command.split()


def test_units_start_the_processes_of_the_procfile() -> None:
    by_start = [started(unit) for unit in UNITS if unit.name != "chat-pages.service"]
    assert sorted(by_start) == sorted([f"{PLACE}/deploy/start", name] for name in read_procfile())
    assert values(COMMON, "WorkingDirectory") == [PLACE]


def test_names_of_units_get_what_all_have_in_common() -> None:
    """systemd looks for chat-web@.service in chat-.service.d too, not for chat.service."""
    assert len(UNITS) == 4
    for unit in UNITS:
        assert unit.name.startswith("chat-")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_runs_is_started_with_the_chat_and_again(unit: Path) -> None:
    is_release = unit.name == "chat-release.service"
    assert values(unit, "Restart") == ([] if is_release else ["always"])
    assert values(unit, "WantedBy") == ([] if is_release else ["chat.target"])
    assert values(COMMON, "PartOf") == ["chat.target"]


def test_what_nginx_is_in_front_of_listens_on_this_machine_alone() -> None:
    """Whoever got past nginx would write the headers that are believed."""
    (given,) = values(FOLDER / "chat-web@.service", "Environment")
    assert given == "PORT=%i BIND=127.0.0.1"
    assert "127.0.0.1:8001" in started(FOLDER / "chat-pages.service")


def test_processes_have_the_time_to_end() -> None:
    (seconds,) = values(COMMON, "TimeoutStopSec")
    assert int(seconds) > DRAIN


def test_each_variable_is_one_of_the_chat() -> None:
    given = variables_of((FOLDER / "chat.env").read_text())
    assert given["SECRET_KEY"] == ""
    assert set(given) <= known_variables()
    assert "PORT" not in given, "It would win over the ports of the units."
    own = set(re.findall(r"(\w+)=", " ".join(of_units("Environment"))))
    assert own - {"PATH", "PYTHONUNBUFFERED"} <= known_variables()


def of_units(name: str) -> Iterator[str]:
    for file in (COMMON, *UNITS):
        yield from values(file, name)


# How many workers run. What the script asks of systemd is written down by one that does nothing.


@pytest.fixture
def systemctl(tmp_path: Path) -> Path:
    """A systemctl of its own; four workers are known to it."""
    program = tmp_path / "systemctl"
    program.write_text(
        f"""#!/bin/sh
        echo "$*" >>{tmp_path}/asked
        [ "$1" != list-units ] ||
          for n in 1 2 10 3; do echo "chat-worker@$n.service loaded active running Worker"; done
        """
    )
    program.chmod(0o755)
    return program


def scale(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    env = clean_environment()
    return subprocess.run(
        [FOLDER / "scale", *arguments],
        env=env | {"PATH": f"{path.parent}:{env['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_one_number_says_how_many_workers_run(systemctl: Path) -> None:
    result = scale("2", path=systemctl)
    assert result.returncode == 0, result.stderr
    asked = (systemctl.parent / "asked").read_text().splitlines()
    assert [line for line in asked if "able --now" in line] == [
        "enable --now chat-worker@1.service",
        "enable --now chat-worker@2.service",
        "disable --now chat-worker@10.service",
        "disable --now chat-worker@3.service",
    ]


@pytest.mark.parametrize("given", [[], [""], ["-1"], ["two"], ["1", "2"]])
def test_scale_refuses_what_is_no_number(given: list[str], systemctl: Path) -> None:
    result = scale(*given, path=systemctl)
    assert result.returncode == 2
    assert "scale expects the number of workers" in result.stderr
    assert not (systemctl.parent / "asked").exists()


# Gunicorn, which the Procfile does not start, stands in a unit and in docs/how-to/deploy-nginx.md.


def test_the_page_starts_gunicorn_as_the_unit_does() -> None:
    program, *arguments = started(FOLDER / "chat-pages.service")
    assert program == f"{PLACE}/.venv/bin/gunicorn"
    assert f"gunicorn {' '.join(arguments)} " in page("how-to/deploy-nginx").text


def test_the_gunicorn_of_the_page_is_that_of_the_tests() -> None:
    """With the same hashes, so that pip takes both files at once."""
    (written,) = locked(ROOT / "deploy" / "gunicorn.txt")
    (tested,) = [
        one for one in locked(ROOT / "tests" / "requirements.in") if one.name == "gunicorn"
    ]
    assert str(written.requirement) == str(tested.requirement)
    assert written.hashes == tested.hashes
    assert "gunicorn==" not in page("how-to/deploy-nginx").text
