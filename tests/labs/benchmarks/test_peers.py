"""What the other rooms and runners share with this package has the same version."""

import pytest

from labs.harness.project import ROOT
from labs.harness.requirements import PIN, locked, requirements

BENCHMARKS = ROOT / "labs" / "benchmarks"
OURS = {one.name: one.version for one in locked(ROOT / "tests" / "requirements.txt")}


@pytest.mark.parametrize(("folder", "least"), [("peers", 8), ("runners", 4)])
def test_shared_packages_have_the_same_version(folder: str, least: int) -> None:
    lines = requirements(BENCHMARKS / folder / "requirements.txt")
    pins = [found for line, _ in lines if (found := PIN.fullmatch(line))]
    assert len(pins) == len(lines)
    versions = {pin["name"].lower().replace("_", "-"): pin["version"] for pin in pins}
    shared = versions.keys() & OURS.keys()
    assert len(shared) >= least
    assert {name: versions[name] for name in shared} == {name: OURS[name] for name in shared}
