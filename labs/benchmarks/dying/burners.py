"""Keeps cores busy: a process on each that computes and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from labs.benchmarks.serving.cores import pinned
from labs.harness.processes import Process

COMMAND = (sys.executable, "-c", "while True: pass")


@contextmanager
def busy(cores: frozenset[int], folder: Path) -> Iterator[list[Process]]:
    """Keep each of *cores* busy during the block. Gives the processes."""
    processes = []
    with ExitStack() as stack:
        for core in sorted(cores):
            with pinned(frozenset({core})):
                process = Process(f"burner {core}", COMMAND, log=folder / f"burner-{core}.log")
            stack.callback(process.kill)
            processes.append(process)
        yield processes
