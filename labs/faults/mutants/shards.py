"""Mutants of shards: what one has for others comes twice, or never."""

from __future__ import annotations

from labs.faults.mutants.mutant import Mutant
from labs.harness.patch import Patch

APPLY = "layers/redis/lua/apply.lua"
TESTS = "tests/channels_workers/layers"

SHARDS: tuple[Mutant, ...] = (
    Mutant(
        "shard-no-mark",
        "a shard applies entries of a log without a look at its mark",
        (
            Patch(
                APPLY,
                "new_plan(), {}, {}, known == of and mark or 0",
                "new_plan(), {}, {}, seq - 1",
            ),
        ),
        tests=(f"{TESTS}/test_shard_apply.py::test_a_repeated_apply_does_nothing",),
    ),
    Mutant(
        "shard-mark-apart",
        "the mark is raised in another step, which a dead puller does not take",
        (Patch(APPLY, "raise_mark(shard, of, newest, known, once, past)\n", ""),),
        tests=(f"{TESTS}/test_shard_apply.py::test_random_batches_with_lost_replies",),
    ),
    Mutant(
        "shard-no-epoch",
        "a mark counts for every epoch of a log",
        (
            Patch(
                APPLY,
                "local known, mark, once, _, past = mark_of(shard)\n",
                "local known, mark, once, _, past = mark_of(shard)\nknown = known and of\n",
            ),
        ),
        tests=(f"{TESTS}/test_shard_marks.py::test_a_new_epoch_begins_anew_and_tells_of_the_gap",),
    ),
    Mutant(
        "shard-no-claim",
        "a shard takes entries from a puller whose claim is over",
        (Patch(APPLY, 'if claim_of_puller() ~= token then return {"lost"} end\n', ""),),
        tests=(f"{TESTS}/test_shard_marks.py::test_a_puller_that_lost_its_claim_does_nothing",),
    ),
    Mutant(
        "shard-no-log",
        "sends to groups reach the servers of their own shard alone",
        (
            Patch(
                "layers/redis/lua/lib/outbox.lua",
                '    plan_log(plan, "g", "*", group, id .. " " .. capacity, payload)  -- shards\n',
                "",
            ),
        ),
        ("puller-killed",),
    ),
    Mutant(
        "shard-old-request",
        "a puller goes on with its token though a request with it may still arrive",
        (
            Patch(
                "layers/shards/puller.py", "self._has_claim, self._has_doubt = False, True", "pass"
            ),
        ),
        tests=(f"{TESTS}/test_shard_interleavings.py::test_the_machine_notices_what_is_missing",),
    ),
)
