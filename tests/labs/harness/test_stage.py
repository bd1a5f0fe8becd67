"""Notes of a stage, and patches of files."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labs.harness.patch import Patch
from labs.harness.stage import Stage


@dataclass
class Row:
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture
def stage() -> Stage[Row]:
    made = Stage[Row]()
    made.row = Row()
    return made


def test_notes_and_missed_targets(stage: Stage[Row]) -> None:
    stage.note("two sockets")
    stage.expect(True, "is met")
    stage.expect(False, "is missed")
    assert stage.row == Row(["two sockets"], ["is missed"])


def test_a_target_that_is_met_after_a_while(stage: Stage[Row]) -> None:
    answers = iter([False, True])
    stage.expect_soon(lambda: next(answers), lambda: "it", 5)
    assert stage.row.failures == []
    stage.expect_soon(lambda: False, lambda: "it", 0)
    assert stage.row.failures == ["Waited 0 s in vain for it"]


def test_a_patch_must_match_exactly_once(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("a = 1\n")
    patch = Patch("module.py", "a = 1", "a = 2")
    patch.apply(tmp_path)
    assert file.read_text() == "a = 2\n"
    with pytest.raises(ValueError, match="exactly once, but has it 0 times"):
        patch.apply(tmp_path)
