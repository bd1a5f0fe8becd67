"""Faults of the real chat on SQLite. The clients behave like its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labs.faults.chat_site import ChatSite
from labs.faults.fault import Fault
from labs.faults.presence import check_rest
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd import chat_rows, hearing
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript


class ChatFault(Fault):
    """Each message is stored once, and each stored message is shown to everybody in its room."""

    def site(self, folder: Path, engine: Path) -> ChatSite:
        """Run the chat."""
        return ChatSite(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """100 messages a second (quick: 40)."""
        return Plan(servers, int(size.choose(8, 4)), size.each, size.choose(0.4, 0.5), chat=True)

    def check(self, stage: Stage) -> None:
        """Check what is left in Redis."""
        check_rest(stage)

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Compare the sent, stored and displayed messages.

        Messages of one connection arrive in order. Messages that a reconnected person had sent on a
        previous connection may arrive after newer ones, and the page sorts them.
        """
        assert isinstance(stage.site, ChatSite)
        back = {person.name for person in transcript.people if len(person.visits) > 1}
        yield hearing.find(transcript, stage.since, loose=back)
        yield chat_rows.find(transcript, stage.site.rows())

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Report the delays of messages."""
        people = transcript.people
        fetched = sum(len(visit.fetched) for person in people for visit in person.visits)
        again = sum(person.again for person in people)
        stage.note(f"{fetched} came by the history, {again} again and were dropped")
