"""docs/project/rehearsal.md lists the steps. docs/chat/heroku-plans.md uses its figures.

If a test fails after a new run, update the pages.
"""

import re

import pytest

from labs.rehearsal.registry import STEPS
from tests.docs.pages import code, page


def test_the_table_of_a_rehearsal() -> None:
    rows = page("project/rehearsal").table("rehearsal")
    written = [(code(row[0])[0], row[1]) for row in rows]
    assert written == [(step.name, step.description) for step in STEPS]
    assert {row[-1] for row in rows} == {"ok"}


def test_the_connection_budget() -> None:
    for formation, redis, restarting in page("chat/heroku-plans").table("connections"):
        web, workers, threads = map(int, re.findall(r"\d+", formation))
        assert redis == str(5 * web + (threads + 3) * workers)
        assert int(re.findall(r"\d+", restarting)[0]) == 2 * int(redis)


def test_the_memory_budget() -> None:
    """The number of sockets follows from the measurements of the rehearsal."""
    section = page("chat/heroku-plans").section("Memory")
    rows = page("chat/heroku-plans").table("memory")
    base, socket, room, message = (
        float(re.findall(r"[\d.,]+", row[1])[0].replace(",", "")) for row in rows[:4]
    )
    measured = next(
        row[2] for row in page("project/rehearsal").table("rehearsal") if "memory" in row[0]
    )
    assert f"{base:.2f} MiB without" in measured
    for figure in (socket, room, message):
        assert f"{figure:.0f} bytes" in measured
    free = (25 - base) * 2**20 / 2
    found = re.search(r"so (\d[\d,]*) sockets", section)
    assert found
    assert int(found[1].replace(",", "")) == pytest.approx(free / (room + message), rel=0.1)
