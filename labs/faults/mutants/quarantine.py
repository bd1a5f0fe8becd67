"""Mutants of the quarantine: innocent messages are given up, and guilty ones are not."""

from __future__ import annotations

from labs.faults.mutants.mutant import Mutant
from labs.harness.patch import Patch

CLEAN_UP = "layers/redis/lua/clean_up.lua"
THREAD = "worker/thread.py"
OF_LAYER = "tests/channels_workers/layers/test_redis.py::TestRedisLayer"
OF_WORKER = "tests/channels_workers/worker/test_group.py"

QUARANTINE: tuple[Mutant, ...] = (
    Mutant(
        "all-guilty",
        "each death counts for all that the dead worker held",
        (Patch(CLEAN_UP, "(before == 0 or ran) and before + 1 or before", "before + 1"),),
        tests=(
            f"{OF_LAYER}::test_messages_that_dead_workers_have_not_begun_are_never_lost",
            f"{OF_LAYER}::test_a_death_counts_for_the_message_in_quarantine_alone",
        ),
    ),
    Mutant(
        "none-guilty",
        "only the first death of a message counts",
        (Patch(CLEAN_UP, "(before == 0 or ran) and before + 1 or before", "1"),),
        tests=(f"{OF_LAYER}::test_a_message_that_kills_its_workers_becomes_a_dead_letter",),
    ),
    Mutant(
        "no-note",
        "a worker does not note that it begins a suspect",
        (
            Patch(
                THREAD, "if quarantine(delivery, self.channel_layer, self._rest):", "if delivery:"
            ),
        ),
        tests=(f"{OF_WORKER}::test_a_death_counts_again_only_for_the_message_that_runs",),
    ),
    Mutant(
        "careless-pulls",
        "a worker pulls many messages after a suspect, and hands back all but one",
        (Patch(THREAD, " or self._is_careful else ", " else "),),
        tests=(f"{OF_WORKER}::test_a_process_holds_nothing_else_while_a_quarantined_message_runs",),
    ),
)
