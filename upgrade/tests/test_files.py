"""Which files are read."""

from pathlib import Path

import pytest

from channels_workers_upgrade.files import (
    find_files,
    is_declaring,
    is_procfile,
    is_python,
    is_requirements,
    is_script,
)
from channels_workers_upgrade.patch import Patch


def test_a_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("b.py", "a/c.py"):
        (tmp_path / name).write_text("")
    paths = [tmp_path / "b.py", tmp_path, tmp_path / "a"]
    assert list(find_files(paths)) == [tmp_path / "b.py", tmp_path / "a" / "c.py"]


def test_links_and_folders_of_tools_are_skipped(tmp_path: Path) -> None:
    for name in (".git", ".tox", "node_modules", "__pycache__", "my-env"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("")
    (tmp_path / "my-env" / "pyvenv.cfg").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.py").symlink_to(tmp_path / ".git" / "a.py")
    assert list(find_files([tmp_path])) == []
    assert list(find_files([tmp_path / "link.py"])) == [tmp_path / "link.py"]


def test_hidden_folders_with_commands_are_read(tmp_path: Path) -> None:
    for name in (".github/workflows", ".circleci", ".idea"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.yml").write_text("")
    found = [str(path.relative_to(tmp_path)) for path in find_files([tmp_path])]
    assert found == [".circleci/a.yml", ".github/workflows/a.yml"]


def test_kinds_of_files() -> None:
    assert is_python(Path("a/b.py"))
    assert is_requirements(Path("requirements/base.txt"))
    assert is_requirements(Path("dev-requirements.in"))
    assert is_declaring(Path("x/Pipfile"))
    assert is_requirements(Path("constraints-dev.txt"))
    assert not is_requirements(Path("notes.txt"))
    assert is_procfile(Path("Procfile.dev"))


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("docker-compose.prod.yml", True),
        ("compose.yaml", True),
        ("Dockerfile.web", True),
        ("scripts/start.sh", True),
        ("deploy/supervisord.conf", True),
        ("worker.service", True),
        ("Makefile", True),
        ("rules.mk", True),
        (".travis.yml", True),
        (".gitlab-ci.yml", True),
        (".github/workflows/test.yaml", True),
        ("circus.ini", True),
        ("init/daphne.conf", True),
        ("GNUmakefile", True),
        ("web.Dockerfile", True),
        ("Jenkinsfile", True),
        ("data.json", False),
        ("notes.md", False),
    ],
)
def test_files_that_start_processes(name: str, reads: bool) -> None:
    assert is_script(Path(name)) is reads


def test_lines_of_the_new_text_map_to_the_old() -> None:
    patch = Patch(Path("a.py"), b"a\nb\nc\n", b"a\nb1\nb2\nb3\nc\n")
    assert [patch.old_line(number) for number in range(1, 6)] == [1, 2, 2, 2, 3]


def test_a_file_without_a_final_newline() -> None:
    patch = bytes(Patch(Path("a.py"), b"a", b"b"))
    assert patch.count(b"\\ No newline at end of file\n") == 2
