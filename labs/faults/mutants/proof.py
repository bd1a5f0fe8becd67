"""Checks that the table detects a mutant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labs.faults.mutants.mutant import Mutant
from labs.faults.registry import named
from labs.faults.row import Row
from labs.faults.size import Size
from labs.faults.table import describe, heading
from labs.faults.trial import try_fault
from labs.harness.report import say


@dataclass
class Proof:
    """The result of one mutant."""

    mutant: Mutant
    rows: list[Row] = field(default_factory=list)

    @property
    def is_caught(self) -> bool:
        """Whether a row missed its target because of it."""
        return any(not row.is_met and not row.broken for row in self.rows)


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
    """Run its rows, one after the other, until one misses its target."""
    proof = Proof(mutant)
    for name in mutant.rows:
        own = folder / f"{mutant.name}-{name}"
        own.mkdir()
        proof.rows.append(try_fault(named(name), size, own, engine))
        say(describe(proof.rows[-1]))
        if proof.is_caught:
            break
    return proof
