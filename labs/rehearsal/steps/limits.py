"""Compares the peaks of the whole rehearsal with the smallest plans."""

from __future__ import annotations

from labs.harness import postgres
from labs.rehearsal import key_value
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.steps.crowding import Crowded


class Limits(Step):
    """The maximum of connections and memory since the beginning."""

    name = "limits"
    description = "peaks against limits of 20 and 20 connections and 25 MB, all steps together"

    def play(self, stage: Stage) -> None:
        """Compare with the plans."""
        found = stage.site.gauge.whole
        memory = found.memory / 2**20
        stage.note(f"Redis: {found.redis} connections of {key_value.CONNECTIONS}")
        stage.note(f"{found.refused} refused, all in `{Crowded.name}`")
        stage.note(f"{memory:.1f} MiB of {key_value.MEGABYTES}")
        stage.note(
            f"PostgreSQL: {found.database} connections of {postgres.CONNECTIONS}, "
            f"{found.plain} without TLS"
        )
        stage.expect(found.redis <= key_value.CONNECTIONS, f"{found.redis} connections to Redis")
        stage.expect(memory < key_value.MEGABYTES, f"Redis held {memory:.1f} MiB")
        stage.expect(found.database <= postgres.CONNECTIONS, f"{found.database} to PostgreSQL")
        stage.expect(found.plain == 0, f"{found.plain} connections to PostgreSQL without TLS")
