import math
import os
from pathlib import Path

import pytest

from channels_workers.processes import cores
from channels_workers.processes.cores import cgroup_limit, usable_cores


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    """A hierarchy of cgroups in which only the inner one has a limit."""
    (tmp_path / "cgroup").write_text("1:name=systemd:/old\n0::/site/worker\n")
    (tmp_path / "fs" / "site" / "worker").mkdir(parents=True)
    (tmp_path / "fs" / "site" / "cpu.max").write_text("max 100000\n")
    (tmp_path / "fs" / "site" / "worker" / "cpu.max").write_text("150000 100000\n")
    return tmp_path


def limit(folder: Path) -> float:
    return cgroup_limit(folder / "cgroup", folder / "fs")


def test_the_limit_of_a_cgroup_counts(cgroups: Path) -> None:
    assert limit(cgroups) == 1.5


def test_the_limit_of_an_outer_cgroup_counts_too(cgroups: Path) -> None:
    (cgroups / "fs" / "site" / "cpu.max").write_text("50000 100000\n")
    assert limit(cgroups) == 0.5


def test_a_system_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert limit(tmp_path) == math.inf


def test_cores_are_whole_and_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(4))
    for share, number in {0.1: 1, 1.5: 2, 3.0: 3, math.inf: 4}.items():
        monkeypatch.setattr(cores, "cgroup_limit", lambda share=share: share)
        assert usable_cores() == number


def test_cores_of_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(cores, "cgroup_limit", lambda: math.inf)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_cores() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
