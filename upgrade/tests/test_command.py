"""The command, run on a small but complete project of Channels 1.1.8."""

import subprocess
from errno import ENOSPC
from pathlib import Path

import pytest

from channels_workers_upgrade.findings import is_done
from channels_workers_upgrade.project import Project

from .sample import COMMAND, ENVIRONMENT, FILES, contents, run, write_project

REPORT = """\
Procfile:1: `daphne ...:channel_layer` (note)
Procfile:2: `runworker` (note)
board/consumers.py:{logger}: `channels.log.setup_logger`
board/old.py:1: cannot be parsed
requirements.txt:1: `Django==1.11.29`
requirements.txt:2: `channels<2`
requirements.txt:3: `asgi_redis`
start.sh:1: `asgi_redis`
start.sh:2: `daphne --force-sync`
start.sh:2: `daphne ...:channel_layer` (note)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def assert_said(result: subprocess.CompletedProcess[str], logger: int) -> None:
    lines = result.stderr.splitlines()
    wanted = REPORT.format(logger=logger).splitlines()
    assert len(lines) == len(wanted) + 1
    for line, beginning in zip(lines, wanted, strict=False):
        assert line.startswith(f"{beginning}: ")


def test_without_write_it_prints_a_patch_and_changes_nothing(project: Path) -> None:
    before = contents(project)
    result = run(project, ".")
    assert result.returncode == 1
    assert contents(project) == before
    assert_said(result, logger=2)
    assert result.stderr.endswith(
        "4 files would be changed by --write, 7 changes left to make by hand\n"
    )


def test_the_patch_equals_the_effect_of_write(project: Path) -> None:
    patch = run(project, ".").stdout
    before = contents(project)
    run(project, "--write", ".")
    after = contents(project)
    for name, content in before.items():
        (project / name).write_bytes(content)
    subprocess.run(["git", "apply", "-"], cwd=project, input=patch, check=True, text=True)
    assert contents(project) == after


@pytest.mark.parametrize(
    "text",
    [
        "# coding: latin-1\nfrom channels import Group\nx = 'caf\xe9'\n".encode("latin-1"),
        "from channels import Group\n\f\nx = 'a\u2028b\x85\x1c'\n".encode(),
        b"from channels import Group\r\nx = 1\r\n",
        b"\xef\xbb\xbffrom channels import Group",
    ],
    ids=["another encoding", "other ends of lines", "as on Windows", "a mark and no end"],
)
def test_the_patch_has_the_bytes_of_the_file(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(text)
    env = ENVIRONMENT | {"PYTHONIOENCODING": "ascii"}
    command = [*COMMAND, "a.py"]
    made = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True)
    assert made.returncode == 0, made.stderr
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=made.stdout, check=True)
    assert file.read_bytes() == text.replace(b"channels", b"channels_workers")


def test_write_changes_only_files_of_the_project(project: Path) -> None:
    before = contents(project)
    result = run(project, "--write", ".")
    after = contents(project)
    changed = sorted(name for name in after if after[name] != before[name])
    assert changed == [
        "board/consumers.py",
        "board/routing.py",
        "mysite/asgi.py",
        "mysite/settings.py",
    ]
    assert result.returncode == 1
    assert result.stdout == ""
    assert_said(result, logger=3)
    settings = after["mysite/settings.py"].decode()
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in settings
    assert '"channels_workers", "django.contrib.staticfiles"' in settings


def test_a_second_run_changes_nothing_and_reports_the_same(project: Path) -> None:
    first = run(project, "--write", ".")
    after = contents(project)
    second = run(project, "--write", ".")
    assert contents(project) == after
    assert second.returncode == 1
    assert second.stderr.splitlines()[:-1] == first.stderr.splitlines()[:-1]
    assert run(project, ".").stdout == ""


def test_a_completely_moved_project_has_no_findings(project: Path) -> None:
    result = run(project, "--write", "board/routing.py", "mysite/asgi.py")
    assert result.returncode == 0
    assert result.stderr == "2 files changed, 0 changes left to make by hand\n"


def test_apps_in_a_wrong_order_are_reported(project: Path) -> None:
    (project / "mysite/settings.py").write_text(
        'INSTALLED_APPS = ["django.contrib.staticfiles", "daphne", "channels"]\n'
    )
    result = run(project, "mysite/settings.py")
    assert result.returncode == 1
    assert result.stderr.startswith("mysite/settings.py:1: the order of apps: ")
    assert '"daphne" is not needed' in result.stderr


def test_missing_settings_are_reported(project: Path) -> None:
    (project / "mysite/asgi.py").unlink()
    text = FILES["mysite/settings.py"].replace("INSTALLED_APPS", "OUR_APPS")
    (project / "mysite/settings.py").write_text(text)
    said = run(project, "mysite/settings.py").stderr
    assert "mysite/settings.py:3: no ASGI_APPLICATION: " in said
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in said


def test_a_nonexistent_path_is_a_usage_error(project: Path) -> None:
    result = run(project, "nowhere")
    assert result.returncode == 2
    assert "nowhere does not exist" in result.stderr
    assert run(project).returncode == 2


def test_an_unreadable_file_is_reported(project: Path) -> None:
    found = Project()
    found.take(project / "gone.py")
    found.take(project / "board/routing.py")
    assert len(found.patches) == 1
    assert [finding.what for _, finding in found.report] == ["cannot be read"]
    assert not is_done(finding for _, finding in found.report)


def test_a_file_that_cannot_be_moved_is_reported(tmp_path: Path) -> None:
    old = "from channels import Group\n"
    (tmp_path / "a.py").write_text(f"{old}x = {' + '.join(['1'] * 100_000)}\n")
    (tmp_path / "b.py").write_text(old)
    result = run(tmp_path, "--write", ".")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "a.py:1: cannot be moved: one of its expressions is nested too deeply"
    )
    assert (tmp_path / "a.py").read_text().startswith(old)
    assert (tmp_path / "b.py").read_text() == "from channels_workers import Group\n"


def test_a_file_that_cannot_be_written_is_unchanged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    before = contents(project)
    monkeypatch.setattr("shutil.copymode", fail)
    found = Project(write=True)
    found.take(project / "board/consumers.py")
    assert contents(project) == before
    assert not found.patches
    assert [(finding.line, finding.what) for _, finding in found.report] == [
        (1, "cannot be written"),
        (2, "`channels.log.setup_logger`"),
    ]


def test_a_written_file_keeps_its_mode_and_links(project: Path) -> None:
    routing = project / "board/routing.py"
    routing.chmod(0o751)
    link = project / "routing.py"
    link.symlink_to(routing)
    Project(write=True).take(link)
    assert link.is_symlink()
    assert "channels_workers" in routing.read_text()
    assert routing.stat().st_mode & 0o777 == 0o751
