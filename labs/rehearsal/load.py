"""Load through the router while the app changes, and its results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labs.harness.crowd import chat_rows, hearing
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.traffic import Traffic
from labs.harness.crowd.transcript import Transcript
from labs.rehearsal.site import Site

#: How many people in how many rooms, and the interval of their messages (s).
ROOMS, EACH, INTERVAL = 8, 5, 0.8

#: Time-outs until everything is calm again, and until the last message is received (s).
CALM, LAST = 300.0, 300.0


@dataclass
class Counted:
    """The counts. *seconds* is the longest delay of a message to a person who was present.

    *fetched* counts messages that came from the history.
    """

    sockets: int = 0
    said: int = 0
    dropped: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    fetched: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """The text of its cell in the table."""
        return (
            f"{self.sockets} sockets, {self.said} messages: {self.dropped} dropped, "
            f"{self.lost} lost, {self.twice} twice, {self.disordered} out of order; "
            f"the slowest took {self.seconds:.1f} s"
        )

    def faults(self, *allowed: str) -> Iterator[str]:
        """Return the counts that should be 0, except the *allowed* ones."""
        for name in ("dropped", "lost", "twice", "disordered"):
            count = getattr(self, name)
            if count and name not in allowed:
                shown = "; ".join(each for each in self.examples if each.startswith(name))
                yield f"{name}: expected 0, came {count}. {shown}"


@contextmanager
def load(site: Site, label: str, *, by_rows: bool = False) -> Iterator[Counted]:
    """Let people talk in separate rooms. The yielded object is filled in when the block ends.

    *by_rows* is explained at :func:`count`.
    """
    folder = site.folder / f"load-{label}"
    folder.mkdir()
    plan = Plan(
        (site.router.socket_url,),
        ROOMS,
        EACH,
        INTERVAL,
        chat=True,
        label=label,
        authority=str(site.router.certificate.file),
    )
    counted = Counted(sockets=ROOMS * EACH)
    with Traffic(folder, site.processes, plan) as traffic:
        traffic.wait_until_calm(CALM)
        yield counted
        if not traffic.wait_until_calm(CALM):
            raise AssertionError(f"All must flow again, but after {CALM:g} s {traffic.status()}")
        if not traffic.fall_silent(LAST):
            raise AssertionError(f"All must come back, but there are {traffic.status()}")
        transcript = traffic.leave()
    count(counted, transcript, chat_rows.find(transcript, site.rows(label)), by_rows=by_rows)


def count(
    counted: Counted, transcript: Transcript, stored: chat_rows.Found, *, by_rows: bool = False
) -> None:
    """Count.

    *by_rows*: only messages that were not stored, or never shown to somebody, are lost. Messages
    that pages resend come late, after newer messages, and maybe to a person's next socket.
    """
    people = transcript.people
    back = {person.name for person in people if len(person.visits) > 1}
    heard = hearing.find(transcript, 0.0, loose=back)
    visits = [visit for person in people for visit in person.visits]
    counted.said = heard.said
    counted.dropped = sum(1 for visit in visits if visit.joined and visit.ended)
    counted.fetched = sum(len(visit.fetched) for visit in visits)
    counted.seconds = heard.seconds
    for name in ("lost", "twice", "disordered"):
        live = () if by_rows and name == "lost" else getattr(heard, name)
        facts = [*live, *getattr(stored, name)]
        setattr(counted, name, len(facts))
        counted.examples += [f"{name}: {fact}" for fact in facts[:3]]
