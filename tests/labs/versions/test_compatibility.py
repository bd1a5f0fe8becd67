"""Supported versions are tested versions, and docs/project/versions.md agrees."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from channels_workers.layers.redis.hosts import OLDEST_VERSION
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.report import write_json
from labs.harness.requirements import WRITTEN, locked
from labs.versions.combinations import COMBINATIONS, LOWEST, Combination
from labs.versions.environment import MissingPython, find_python
from labs.versions.selection import PATHS
from labs.versions.servers import SERVERS, MissingServer, Server, require_server
from labs.versions.table import describe, markdown, merge, read_json, rows
from labs.versions.trial import Result, read_report
from tests.docs.pages import page

RESULTS = read_json(ROOT / "labs" / "versions" / "results.json")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = {one.name: one for one in map(Requirement, PROJECT["dependencies"])}
NAMES = [one.name for one in COMBINATIONS]

#: From this date on, runs record the versions of these too.
NAMED_SINCE = "2026-11-28"
NAMED_LATER = {"hiredis", "asgiref", "twisted", "autobahn"}


def result(name: str) -> Result:
    return next(one for one in RESULTS if one.name == name)


def told(one: Result, versions: Mapping[str, str]) -> dict[str, str]:
    """The *versions* that a result of this age has to name."""
    left_out = NAMED_LATER if one.date < NAMED_SINCE else set()
    return {name: version for name, version in versions.items() if name not in left_out}


def classified(family: str) -> set[str]:
    """The versions in the classifiers of this family, such as ``Framework :: Django``."""
    lines = [line for line in PROJECT["classifiers"] if line.startswith(f"{family} :: ")]
    versions = {line.rpartition(" :: ")[2] for line in lines}
    return {version for version in versions if "." in version}


def series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def pinned() -> Mapping[str, str]:
    return {one.name: one.version for one in locked(WRITTEN[0])}


# Claims


def test_each_python_version_is_tested() -> None:
    tried = {one.python for one in COMBINATIONS}
    assert tried == classified("Programming Language :: Python")
    oldest, newest = min(map(Version, tried)), max(map(Version, tried))
    written = f"{oldest.release} <= sys.version_info[:2] <= {newest.release}"
    assert written in (ROOT / "scripts" / "environment.sh").read_text()


def test_most_combinations_use_the_platforms_python() -> None:
    assert (ROOT / "runtime.txt").read_text().strip() == f"python-{Combination('').python}"


def test_each_django_version_is_tested() -> None:
    tried = {series(one.packages.get("django", pinned()["django"])) for one in COMBINATIONS}
    assert tried == classified("Framework :: Django")


def test_the_lowest_versions_are_those_that_the_wheel_allows() -> None:
    bounds = {
        name: next(bound.version for bound in one.specifier if bound.operator == ">=")
        for name, one in NEEDED.items()
    }
    assert {name: Version(version) for name, version in LOWEST.items()} == {
        name: Version(bound) for name, bound in bounds.items()
    }
    lowest = next(one for one in COMBINATIONS if one.name == "all lowest")
    assert PROJECT["requires-python"] == f">={lowest.python}"
    assert lowest.server == f"redis-{'.'.join(map(str, OLDEST_VERSION))}"


def test_both_majors_of_redis_py_are_tested() -> None:
    tried = {one.packages.get("redis", pinned()["redis"]) for one in COMBINATIONS}
    majors = {Version(version).major for version in tried}
    allowed = {major for major in range(20) if NEEDED["redis"].specifier.contains(f"{major}.999")}
    assert majors == allowed


@pytest.mark.parametrize("combination", COMBINATIONS, ids=NAMES)
def test_tested_versions_are_allowed(combination: Combination) -> None:
    for name, version in combination.packages.items():
        assert NEEDED[name].specifier.contains(version)


# Results


def test_the_page_has_the_results() -> None:
    assert page("project/versions").table("matrix") == rows(RESULTS)
    assert all(one.name in {row[0] for row in rows(RESULTS)} for one in COMBINATIONS)


@pytest.mark.parametrize("one", RESULTS, ids=lambda one: one.name)
def test_each_result_is_good_and_has_the_requested_versions(one: Result) -> None:
    asked = COMBINATIONS[NAMES.index(one.name)]
    assert one.is_good, describe(one)
    assert series(one.versions["python"]) == asked.python
    family, _, number = asked.server.partition("-")
    assert one.versions["server"].lower().startswith(f"{family} {number}.")
    wanted = told(one, asked.packages)
    assert {name: one.versions[name] for name in wanted} == wanted


def test_pinned_versions_were_tested() -> None:
    one = result("as pinned")
    wanted = told(one, {name: pinned()[name] for name in NEEDED})
    assert {name: one.versions[name] for name in wanted} == wanted


def test_the_page_names_the_commands_and_the_origin_of_the_servers() -> None:
    text = page("project/versions").text
    assert all(f"`{path}`" in text for path in PATHS if not path.startswith("--"))
    for server in SERVERS.values():
        version = re.search(r"_?(\d+\.\d+\.\d+)", server.url.rpartition("/")[2])
        assert version
        assert version[1] in text


# Implementation


def test_a_pytest_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "test_three.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_error(broken): pass\n"
        "@pytest.mark.skip\n"
        "def test_left_out(): pass\n"
    )
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", f"--junit-xml={report}"]
    subprocess.run(
        [*command, "-p", "no:django", tmp_path],
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
        capture_output=True,
    )
    found = read_report(report)
    assert [name.rpartition(".")[2] for name in found.passed] == ["test_good"]
    assert [name.rpartition(".")[2] for name in found.failed] == ["test_bad", "test_error"]
    assert [name.rpartition(".")[2] for name in found.skipped] == ["test_left_out"]


def test_a_server_with_a_wrong_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "other.tar.gz"
    archive.write_bytes(b"something else")
    monkeypatch.setitem(SERVERS, "redis-6.2", Server(archive.as_uri(), "0" * 64))
    with pytest.raises(MissingServer, match="has the SHA-256 [0-9a-f]{64}, not 0{64}"):
        require_server("redis-6.2", tmp_path / "tools")


def test_a_server_of_another_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingServer, match="redis-5.0 was requested, but the machine has Redis"):
        require_server("redis-5.0", tmp_path)


def test_a_missing_python_is_an_error_with_the_remedy() -> None:
    with pytest.raises(MissingPython, match="--python 3.10=/path/to/python"):
        find_python("3.10", {"3.10": sys.executable})


def test_a_newer_result_replaces_an_older_one(tmp_path: Path) -> None:
    versions = dict.fromkeys(("python", "django", "redis", "channels", "daphne", "server"), "1")
    old = Result("as pinned", "2026-11-20", versions, 0, 1, 0, 9, ["test_bad"])
    new = Result("as pinned", "2026-11-21", versions, 2, 0, 0, 9)
    gone = Result("no combination", "2026-11-20", versions, 2, 0, 0, 9)
    assert merge([old, gone], [new]) == [new]
    write_json(tmp_path / "results.json", [asdict(new)])
    assert read_json(tmp_path / "results.json") == [new]
    table = markdown([new])
    assert "| as pinned | 1 | 1 | 1 | 1 | 1 | 1 | 2 passed | 2026-11-21 |" in table
    assert "| Python 3.11 |  |  |  |  |  |  | not run |  |" in table
    assert "**1 failed, 0 skipped**" in markdown([old])
    assert not old.is_good


def test_tests_that_pass_on_the_second_attempt_are_counted() -> None:
    repeated = Result("as pinned", "2026-11-21", {}, 2, 0, 0, 9, repeated=["test_slow"])
    assert describe(repeated) == "2 passed, 1 on the second attempt"
    assert not Result("as pinned", "2026-11-21", {}, 2, 0, 1, 9).is_good
    assert not Result("as pinned", "2026-11-21", {}, 0, 0, 0, 9).is_good
