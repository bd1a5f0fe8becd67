"""Mutants of lifelines: deaths that nobody notices at once, and processes that only seem dead."""

from __future__ import annotations

from labs.faults.mutants.mutant import Mutant
from labs.harness.patch import Patch

LUA = "layers/redis/lua"
LIFELINE = "layers/redis/lifeline.py"
TESTS = "tests/channels_workers/layers/test_lifeline.py"

LIFELINES: tuple[Mutant, ...] = (
    Mutant(
        "no-lifeline",
        "processes hold no lifelines",
        (Patch(LIFELINE, "if self._thread is None and self.is_possible:", "if False:"),),
        ("worker-killed",),
    ),
    Mutant(
        "no-grace",
        "a process whose lifeline is cut counts as dead at once",
        (Patch("layers/liveness.py", "CUT_OFF_FOR = 0.5", "CUT_OFF_FOR = 0.0"),),
        tests=(f"{TESTS}::test_a_process_that_is_cut_off_is_dead_after_a_while",),
    ),
    Mutant(
        "no-doubt",
        "a process believes others dead though its own lifeline was cut, too",
        (Patch(LIFELINE, "SUSPECT_FOR = 5.0", "SUSPECT_FOR = 0.0"),),
        ("stalled-and-cut",),
    ),
    Mutant(
        "anybodys-lifeline",
        "all look for the subscribers of one and the same name",
        (Patch(f"{LUA}/lib/lifelines.lua", '"lifeline:" .. process)', '"lifeline:" .. "any")'),),
        ("worker-killed",),
    ),
    Mutant(
        "any-run-of-redis",
        "lifelines to a Redis that has died since count",
        (Patch(f"{LUA}/lib/lifelines.lua", 'run_id and run_id == on_key("GET", run)', "run_id"),),
        tests=(f"{TESTS}::test_a_restarted_redis_finds_nobody_cut_off",),
    ),
    Mutant(
        "any-counter",
        "a process counts as dead though it has raised its heartbeat since its lifeline was cut",
        (
            Patch(
                "layers/liveness.py",
                "if process in known and known[process].counter == counter",
                "if process in known",
            ),
        ),
        tests=(f"{TESTS}::test_a_process_that_lives_is_not_dead",),
    ),
    Mutant(
        "other-counter",
        "a process is marked dead whatever its heartbeat is now",
        (Patch(f"{LUA}/mark_dead.lua", "if stored ~= counter then return 0 end", ""),),
        tests=(f"{TESTS}::test_a_process_that_dies_is_cut_off_at_once",),
    ),
    Mutant(
        "old-lifeline",
        "a process goes on with the lifeline of its former name",
        (
            Patch(
                LIFELINE,
                """            self._names |= {process}
            self._begin_anew()
""",
                """            self._names |= {process}
""",
            ),
        ),
        tests=(f"{TESTS}::test_other_names_are_held_at_once",),
    ),
    Mutant(
        "late-subscription",
        "a lifeline is noted before it is held",
        (
            Patch(
                LIFELINE,
                """        commands = [*notes, ("SUBSCRIBE", *channels)]
""",
                """        for note in notes:
            _ask(connection, *note)
        notes, commands = [], [("SUBSCRIBE", *channels)]
""",
            ),
        ),
        tests=(f"{TESTS}::test_redis_is_never_told_of_a_lifeline_that_is_not_held",),
    ),
    Mutant(
        "silent-end",
        "a process that may hold no lifeline any more does not say so",
        (
            Patch(
                LIFELINE,
                "while not (self.is_possible or self._give_up(self._names)):",
                "while False:",
            ),
        ),
        tests=(f"{TESTS}::test_a_process_that_may_not_come_back_says_that_it_lives",),
    ),
)
