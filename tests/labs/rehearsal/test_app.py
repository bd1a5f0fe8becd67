"""Apps whose dynos are small shell processes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labs.harness.processes import Processes
from labs.harness.waiting import wait_for
from labs.rehearsal import app as apps
from labs.rehearsal.app import App
from labs.rehearsal.slug import Slug

WORKER = "trap 'exit 0' TERM; echo Worker w: 1 on redis, listening on channels a; sleep 60 & wait"


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "Procfile").write_text(f"release: echo $DYNO $COLOUR\nworker: {WORKER}\n")
    return Slug("one", folder, Path("/usr/bin/python3"))


@pytest.fixture
def app(tmp_path: Path, slug: Slug) -> Iterator[App]:
    processes = Processes(tmp_path)
    made = App("chat", processes, {"COLOUR": "red"}, lambda ports: None)
    made.release(slug)
    yield made
    for process in processes:
        process.kill()


def pids(app: App) -> list[int]:
    return [dyno.process.pid for dyno in app.dynos["worker"]]


def test_a_release_runs_its_command_with_the_config_vars(app: App, slug: Slug) -> None:
    assert app.release(slug) == "release.1 red"


def test_scaling_out_keeps_running_dynos(app: App) -> None:
    app.scale("worker", 1)
    before = pids(app)
    app.scale("worker", 3)
    assert pids(app)[:1] == before
    assert len(set(pids(app))) == 3


def test_scaling_in_stops_the_highest_numbers_gracefully(app: App) -> None:
    app.scale("worker", 3)
    staying, *leaving = app.dynos["worker"]
    app.scale("worker", 1)
    assert app.dynos["worker"] == [staying]
    assert staying.process.is_running
    assert [dyno.process.returncode for dyno in leaving] == [0, 0]
    assert app.killed == 0


def test_a_dyno_that_ignores_sigterm_is_killed(
    app: App, slug: Slug, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "GRACE", 0.5)
    deaf = WORKER.replace("'exit 0'", "''").replace("sleep 60 & wait", "while :; do sleep 1; done")
    (slug.folder / "Procfile").write_text(f"release: true\nworker: {deaf}\n")
    app.scale("worker", 1)
    app.scale("worker", 0)
    assert app.killed == 1


def test_a_changed_config_var_restarts_all_dynos(app: App) -> None:
    app.scale("worker", 2)
    before = pids(app)
    assert app.set_config(COLOUR="blue").endswith("blue")
    assert not set(before) & set(pids(app))
    wait_for(lambda: all(dyno.process.is_running for dyno in app.dynos["worker"]), "new dynos")


def test_a_rollback_restores_files_and_config_vars(app: App, slug: Slug) -> None:
    app.set_config(COLOUR="blue")
    app.release(replace(slug, commit="two"))
    app.roll_back()
    app.roll_back()
    assert app.releases[-1].slug.commit == "two"
    app.config["COLOUR"] = "green"
    app.releases.append(app.releases[0])
    app.release(slug)
    app.roll_back()
    assert app.config["COLOUR"] == "red"


def test_a_failed_release_leaves_the_dynos_alone(app: App, slug: Slug) -> None:
    app.scale("worker", 1)
    before = pids(app)
    (slug.folder / "Procfile").write_text(f"release: exit 3\nworker: {WORKER}\n")
    with pytest.raises(AssertionError, match="status 3"):
        app.release(slug)
    assert pids(app) == before
    assert app.dynos["worker"][0].process.is_running
