"""The patches of the mutants fit the engine, and their rows exist."""

from pathlib import Path

import pytest

from labs.faults.mutants.mutant import PACKAGE, Mutant
from labs.faults.mutants.registry import MUTANTS
from labs.faults.registry import named
from labs.harness.project import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_built(mutant: Mutant, tmp_path: Path) -> None:
    built = mutant.build(tmp_path / "engine")
    for patch in mutant.patches:
        changed = (built / PACKAGE / patch.file).read_text()
        assert changed != (ROOT / PACKAGE / patch.file).read_text()
    assert [named(name).name for name in mutant.rows] == [*mutant.rows]
