"""The model: the smallest configurations hold, each mutant is caught, and spin's output is read."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.model.configuration import CONFIGURATIONS
from labs.model.mutants import MUTANTS, Mutant
from labs.model.promises import ASSERTIONS, COMES_TO_REST, ENDS, PROMISES
from labs.model.scope import PROMELA, Scope
from labs.model.spin import LOOPS, STATES, MissingProgram, Unreadable, read, search
from labs.model.table import Row, describe, markdown

#: The output of a search without errors.
OUTPUT = """
(Spin Version 6.5.2 -- 6 December 2019)
\t+ Partial Order Reduction

Full statespace search for:
\tnever claim         \t- (none specified)
\tassertion violations\t+

State-vector 156 byte, depth reached 48, errors: 0
       51 states, stored
       23 states, matched
       74 transitions (= stored+matched)

unreached in init
\tshards.pml:9, state 96, "-end-"
\t(1 of 96 states)
"""


def model(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labs.model", *arguments],
        cwd=ROOT,
        env=clean_environment() | env,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )


def searched(scope: Scope, folder: Path, switches: Sequence[str] = ()) -> str:
    return search(scope, switches, STATES, folder / "search").violated


def test_the_smallest_scope_holds(tmp_path: Path) -> None:
    found = search(Scope(messages=1), (), LOOPS, tmp_path / "search")
    assert not found.violated
    assert found.states > 20
    assert found.story == ()


def test_three_shards_hold(tmp_path: Path) -> None:
    scope = Scope(messages=1, faults=1, servers="BC", relays="BC", lost="A")
    assert not searched(scope, tmp_path)


#: One for each order of search. `.ci/run` tries all.
TRIED = [one for one in MUTANTS if one.name in {"gap-at-next-entry", "bad-entry-stops"}]


@pytest.mark.parametrize("mutant", TRIED, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    found = search(mutant.scope, mutant.switches, mutant.order, tmp_path / "search")
    assert found.violated == mutant.violates
    assert any(re.match(r"[ABC] (commits|loses)", step) for step in found.story)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_breaks_what_there_is(mutant: Mutant) -> None:
    switches = (PROMELA / "switches.pml").read_text()
    text = "".join(path.read_text() for path in PROMELA.glob("*.pml"))
    assert mutant.violates in PROMISES
    for switch in mutant.switches:
        assert f"#define {switch} 0" in switches
        assert len(re.findall(rf"\b{switch}\b", text)) > 2


def test_each_switch_is_used() -> None:
    known = set(re.findall(r"#define (\w+) 0", (PROMELA / "switches.pml").read_text()))
    assert known == {switch for entry in (*MUTANTS, *CONFIGURATIONS) for switch in entry.switches}


def test_each_promise_is_violated_by_a_mutant() -> None:
    assert {mutant.violates for mutant in MUTANTS} == set(PROMISES)


def test_the_names_are_unique() -> None:
    names = [entry.name for entry in (*CONFIGURATIONS, *MUTANTS)]
    assert len(names) == len(set(names))


def test_the_numbers_of_the_promises_are_those_of_the_model() -> None:
    text = (PROMELA / "promises.pml").read_text()
    assert {int(number) for number in re.findall(r"#define [A-Z_]+ (1\d\d)\b", text)} == set(
        ASSERTIONS
    )
    assert {*ASSERTIONS.values(), COMES_TO_REST, ENDS} == set(PROMISES)


def test_the_order_of_search_finds_no_other_states(tmp_path: Path) -> None:
    """Variables of one step are no part of the state, whichever way they are declared."""
    scope = replace(CONFIGURATIONS[0].scope, messages=2, faults=0)
    assert not searched(scope, tmp_path)


def test_an_unknown_failure_is_refused() -> None:
    with pytest.raises(ValueError, match="got relays_fly"):
        Scope(may=frozenset({"relays_fly"}))


def test_the_output_of_a_search_is_read() -> None:
    found = read(OUTPUT, 1.5)
    assert (found.states, found.transitions, found.depth) == (51, 74, 48)
    assert (found.seconds, found.violated) == (1.5, "")


@pytest.mark.parametrize(
    ("line", "violated"),
    [
        ("pan:1: assertion violated ((x<=1)||(101==0)) (at depth 47)", "once"),
        ("pan:1: invalid end state (at depth 38)", COMES_TO_REST),
        ("pan:1: non-progress cycle (at depth 72)", ENDS),
    ],
)
def test_a_violation_is_named(line: str, violated: str) -> None:
    assert read(f"{line}\n{OUTPUT}").violated == violated


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Full statespace search", "Bit statespace search"),
        ("errors: 0", "errors: 1"),
        ("(Spin Version", "error: max search depth too small\n(Spin Version"),
        ("(Spin Version", "Warning: Search not completed\n(Spin Version"),
        ("unreached in init\n", 'unreached in init\n\tshards.pml:7, state 90, "D_STEP7"\n'),
    ],
)
def test_an_incomplete_search_is_an_error(old: str, new: str) -> None:
    assert old in OUTPUT
    with pytest.raises(Unreadable):
        read(OUTPUT.replace(old, new))


def test_an_error_of_the_model_itself_is_no_violation() -> None:
    with pytest.raises(Unreadable, match="block in d_step"):
        read(f"pan:1: block in d_step seq (at depth 60)\n{OUTPUT}")


def test_without_spin_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgram, match="apt-get install spin"):
        search(Scope(), (), STATES, tmp_path / "search")


def test_a_row_tells_what_was_caught() -> None:
    found = read(f"pan:1: invalid end state (at depth 3)\n{OUTPUT}")
    assert Row("some", "", found, COMES_TO_REST).result == "caught: comes-to-rest"
    assert Row("some", "", found).result == "VIOLATED: comes-to-rest"
    assert Row("some", "", found, "once").result == "NOT CAUGHT: comes-to-rest"
    assert Row("some", "", read(OUTPUT), "once").result == "NOT CAUGHT: no violation"
    assert describe(Row("some", "", read(OUTPUT))).split()[-1] == "ok"
    assert markdown([Row("some", "text", read(OUTPUT))])[-1] == "| `some` | text | 51 | 48 |"


def test_the_command_checks_one_configuration(tmp_path: Path) -> None:
    result = model("--only", "two-sources-empty", "--json", str(tmp_path / "rows.json"))
    assert result.returncode == 0, result.stdout
    assert "1 searches" in result.stdout
    assert "failed: none" in result.stdout
    assert '"met": true' in (tmp_path / "rows.json").read_text()


def test_the_command_tells_the_story_of_a_mutant() -> None:
    result = model("--mutants", "--story", "--only", "gap-at-next-entry")
    assert result.returncode == 0
    assert (
        "    A commits message 1 as entry 1 of life 1\n    A loses its data: life 2\n"
        in result.stdout
    )


def test_the_command_lists_and_refuses_names() -> None:
    assert "both-empty" in model("--list").stdout
    assert "no-token-check" in model("--list", "--mutants").stdout
    refused = model("--only", "nothing")
    assert refused.returncode == 2
    assert "Expected a configuration, got 'nothing'" in refused.stdout
