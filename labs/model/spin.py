"""Runs spin: makes a checker of a model, searches all states, reads what it found."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labs.harness.commands import run
from labs.model.promises import ASSERTIONS, COMES_TO_REST, ENDS
from labs.model.scope import PROMELA, Scope

#: Longest path, memory for states (MB), and the size of the table of states as a power of two.
DEPTH, MEMORY, TABLE = 1_000_000, 3000, 22

_STEP = re.compile(r"^ +(?!\d+:)(\S.*?)\s*$", re.MULTILINE)


class MissingProgram(RuntimeError):
    """Spin or a C compiler is not installed."""


class Unreadable(RuntimeError):
    """The search did not end as it should."""


@dataclass(frozen=True)
class Search:
    """What a search has found. *violated* names a promise, or is empty."""

    states: int
    transitions: int
    depth: int
    seconds: float
    violated: str = ""
    story: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    """In which order states are searched: flags for the compiler and for the checker."""

    compiler: tuple[str, ...]
    checker: tuple[str, ...] = (f"-m{DEPTH}",)
    scratch: str = "hidden"


#: Everything that can be violated in a state.
STATES = Order(("-O1", "-DSAFETY"))
#: The same, along shortest paths. It finds errors in a moment, so the compiler need not optimise.
SHORTEST = Order(("-O0", "-DSAFETY", "-DBFS"), (), scratch="")
#: Endless loops too. Each state counts twice.
LOOPS = Order(("-O1", "-DNP"), (f"-m{DEPTH}", "-l"))


def require_programs() -> None:
    """Raise MissingProgram if spin or gcc is not on the PATH."""
    for program in ("spin", "gcc"):
        if not shutil.which(program):
            raise MissingProgram(
                f"Expected {program} on the PATH, got none. Install it:"
                f" apt-get install {program} (Debian), brew install {program} (macOS)."
            )


def search(scope: Scope, switches: Sequence[str], order: Order, folder: Path) -> Search:
    """Search all states of the model in the new *folder*, until one violates a promise."""
    require_programs()
    shutil.copytree(PROMELA, folder)
    lines = scope.lines(switches, scratch=order.scratch)
    (folder / "model.pml").write_text("\n".join(lines) + "\n")
    since = time.monotonic()
    made = run("spin", "-a", "model.pml", cwd=folder).decode()
    if "rror" in made or not (folder / "pan.c").exists():
        raise Unreadable(f"spin does not read the model in {folder}:\n{made}")
    flags = (*order.compiler, f"-DMEMLIM={MEMORY}", "-w")  # spin's own code has warnings
    run("gcc", *flags, "-o", "pan", "pan.c", cwd=folder)
    output = run("./pan", f"-w{TABLE}", *order.checker, cwd=folder).decode()
    (folder / "pan.out").write_text(output)
    found = read(output, time.monotonic() - since)
    if not found.violated:
        return found
    return replace(found, story=_replay(folder))


def _replay(folder: Path) -> tuple[str, ...]:
    """The steps to the violation: what the model prints on the way."""
    told = run("sh", "-c", "spin -t model.pml || true", cwd=folder).decode()
    (folder / "story.txt").write_text(told)
    return tuple(_STEP.findall(told.partition("spin: trail ends")[0]))


def read(output: str, seconds: float = 0.0) -> Search:
    """Read the output of a checker. Unreadable if it did not look at all states."""
    violated = _violated(output)
    if not violated:
        _require_complete(output)
    return Search(
        states=_number(r"^ *(\d+) states, stored", output),
        transitions=_number(r"^ *(\d+) transitions", output),
        depth=_number(r"depth reached (\d+)", output),
        seconds=seconds,
        violated=violated,
    )


def _number(pattern: str, output: str) -> int:
    found = re.search(pattern, output, re.MULTILINE)
    if not found:
        raise Unreadable(
            f"Expected {pattern!r} in the output of the checker, got:\n{output[-2000:]}"
        )
    return int(found[1])


def _violated(output: str) -> str:
    found = re.search(r"^pan:\d+: (.*)", output, re.MULTILINE)
    if not found:
        return ""
    number = re.search(r"\((\d+)==0\)", found[1])
    if number and int(number[1]) in ASSERTIONS:
        return ASSERTIONS[int(number[1])]
    if "invalid end state" in found[1]:
        return COMES_TO_REST
    if "non-progress cycle" in found[1]:
        return ENDS
    raise Unreadable(f"The checker has found an error of the model itself: {found[1]}")


def _require_complete(output: str) -> None:
    """Raise Unreadable unless all states were searched, and a state of rest was among them."""
    if "Full statespace search for" not in output or not re.search(r"errors: 0$", output, re.M):
        raise Unreadable(f"Expected a full search without errors, got:\n{output[-2000:]}")
    for problem in ("max search depth too small", "Search not completed", "reached -DMEMLIM"):
        if problem in output:
            raise Unreadable(f"Not all states were searched: {problem}")
    unreached = re.search(r"^unreached in init\n(.*?)^\t\(\d+ of", output, re.M | re.S)
    if not unreached or unreached[1].count("\n") != 1 or '"-end-"' not in unreached[1]:
        raise Unreadable("The model never came to rest, so nothing was examined.")
