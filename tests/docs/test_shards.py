"""The tables of docs/explanation/shards.md agree with the model. Its fastest search is repeated."""

from pathlib import Path

from labs.model.configuration import CONFIGURATIONS
from labs.model.mutants import MUTANTS
from labs.model.promises import PROMISES
from labs.model.spin import search
from tests.docs.pages import page

FASTEST = "two-sources-empty"


def table(name: str) -> list[list[str]]:
    return page("explanation/shards").table(name)


def test_the_promises_are_those_of_the_model() -> None:
    assert table("promises") == [[f"`{name}`", text] for name, text in PROMISES.items()]


def test_the_configurations_are_those_of_the_model() -> None:
    described = [row[:2] for row in table("configurations")]
    assert described == [[f"`{one.name}`", one.description] for one in CONFIGURATIONS]


def test_the_mutants_are_those_of_the_model() -> None:
    known = [[f"`{one.name}`", one.description, f"`{one.violates}`"] for one in MUTANTS]
    assert table("mutants") == known


def test_the_states_are_those_of_the_model(tmp_path: Path) -> None:
    """If this fails after a change of the model, run it and write all numbers anew."""
    [one] = [one for one in CONFIGURATIONS if one.name == FASTEST]
    found = search(one.scope, one.switches, one.order, tmp_path / "search")
    rows = {row[0]: row[2:] for row in table("configurations")}
    assert rows[f"`{FASTEST}`"] == [f"{found.states:,}", f"{found.depth:,}"]
