"""Checks that the table detects a mutant."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labs.faults.mutants.mutant import Mutant
from labs.faults.registry import named
from labs.faults.row import Row
from labs.faults.size import Size
from labs.faults.table import describe, heading
from labs.faults.trial import try_fault
from labs.harness.project import ROOT
from labs.harness.report import say


@dataclass
class Proof:
    """The result of one mutant."""

    mutant: Mutant
    rows: list[Row] = field(default_factory=list)
    has_failed_tests: bool = False

    @property
    def is_caught(self) -> bool:
        """Whether a row missed its target, or tests failed, because of it."""
        return self.has_failed_tests or any(not row.is_met and not row.broken for row in self.rows)


def try_mutants(mutants: Sequence[Mutant], size: Size, folder: Path) -> list[Proof]:
    """Run each of the *mutants* until a row misses its target."""
    proofs = []
    for mutant in mutants:
        say(f"\n{mutant.name}: {mutant.description}\n{heading()}")
        engine = mutant.build(folder / mutant.name)
        proofs.append(try_mutant(mutant, engine, size, folder))
        say("caught" if proofs[-1].is_caught else "NOT CAUGHT")
    return proofs


def try_mutant(mutant: Mutant, engine: Path, size: Size, folder: Path) -> Proof:
    """Run its tests, and its rows, one after the other, until one misses its target."""
    proof = Proof(mutant, has_failed_tests=bool(mutant.tests) and fails(mutant.tests, engine))
    for name in () if proof.is_caught else mutant.rows:
        own = folder / f"{mutant.name}-{name}"
        own.mkdir()
        proof.rows.append(try_fault(named(name), size, own, engine))
        say(describe(proof.rows[-1]))
        if proof.is_caught:
            break
    return proof


def fails(tests: Sequence[str], engine: Path) -> bool:
    """Run *tests* on an engine, and return whether one has failed; RuntimeError if none ran."""
    ignored = shutil.ignore_patterns("__pycache__", ".venv", "results")
    for name in ("labs", "tests", "chat", "chat_project"):
        shutil.copytree(ROOT / name, engine / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", engine)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=engine, capture_output=True, text=True, check=False)
    say(done.stdout.strip().rpartition("\n")[2])
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"The tests did not run:\n{done.stdout}{done.stderr}")
    return done.returncode == 1
