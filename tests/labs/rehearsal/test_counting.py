"""Counts of a load, and their report."""

import json

from labs.harness.crowd import chat_rows
from labs.harness.crowd.chat_rows import Stored
from labs.harness.crowd.transcript import Heard, Person, Said, Transcript, Visit
from labs.harness.project import ROOT
from labs.rehearsal.gauge import Peaks
from labs.rehearsal.load import Counted, count
from labs.rehearsal.registry import STEPS
from labs.rehearsal.row import Row
from labs.rehearsal.site import config_vars
from labs.rehearsal.table import as_json, describe, markdown


def talk() -> Transcript:
    """Ann says two messages, and she and Bob hear both."""
    people = []
    for name in ("ann", "bob"):
        visit = Visit(f"{name}.0", 0, 0.0, joined=0.5)
        visit.heard = [Heard("ann", 0, 1.1), Heard("ann", 1, 2.25)]
        people.append(Person(name, "room", True, visits=[visit], rows=[1, 2]))
    people[0].said = [Said(0, 1.0, 1.1), Said(1, 2.0, 2.25)]
    return Transcript(people)


ROWS = [Stored(1, "room", "ann-0"), Stored(2, "room", "ann-1")]


def counted(transcript: Transcript, rows: list[Stored]) -> Counted:
    found = Counted(sockets=2)
    count(found, transcript, chat_rows.find(transcript, rows))
    return found


def test_a_faultless_talk_has_no_errors() -> None:
    found = counted(talk(), ROWS)
    assert list(found.faults()) == []
    assert (found.said, found.seconds) == (2, 0.25)


def test_a_message_neither_stored_nor_shown_is_lost() -> None:
    transcript = talk()
    transcript.people[1].visits[0].heard.pop()
    transcript.people[1].rows.pop()
    assert [fault.split(".")[0] for fault in counted(transcript, ROWS).faults()] == [
        "lost: expected 0, came 2"
    ]
    assert counted(talk(), ROWS[:1]).lost == 3  # not stored, and shown to only two


def test_a_retried_message_counts_by_what_is_stored_and_shown() -> None:
    transcript = talk()
    transcript.people[1].visits[0].heard.pop(0)
    found = Counted(sockets=2)
    count(found, transcript, chat_rows.find(transcript, ROWS), by_rows=True)
    assert found.lost == 0
    assert counted(transcript, ROWS).lost == 1
    count(found, transcript, chat_rows.find(transcript, ROWS[:1]), by_rows=True)
    assert found.lost == 3


def test_a_message_stored_again_is_a_duplicate() -> None:
    transcript = talk()
    for person in transcript.people:
        person.rows.append(3)
    found = counted(transcript, [*ROWS, Stored(3, "room", "ann-1")])
    assert (found.twice, found.lost) == (1, 0)


def test_reordered_messages_are_out_of_order() -> None:
    transcript = talk()
    transcript.people[1].visits[0].heard.reverse()
    assert counted(transcript, ROWS).disordered == 1


def test_a_closed_socket_is_dropped_unless_the_step_allows_it() -> None:
    transcript = talk()
    transcript.people[1].visits[0].ended = 9.0
    found = counted(transcript, ROWS)
    assert found.dropped == 1
    assert any("dropped: expected 0, came 1" in fault for fault in found.faults())
    assert list(found.faults("dropped")) == []


def test_peaks_are_kept() -> None:
    peaks = Peaks(redis=5, memory=10)
    peaks.see(Peaks(redis=3, database=2, memory=20))
    assert peaks == Peaks(redis=5, database=2, memory=20)


def test_config_vars_come_from_app_json_with_a_new_secret() -> None:
    definition = json.loads((ROOT / "app.json").read_text())
    one, other = config_vars(definition), config_vars(definition)
    assert set(one) == set(definition["env"])
    assert one["SECRET_KEY"] != other["SECRET_KEY"]
    assert one["REDIS_TLS_VERIFY"] == "0"


def test_step_names_are_unique() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_a_failed_row_is_marked_in_each_format() -> None:
    rows = [Row("one", "does", ["a | b"]), Row("two", "fails", failures=["lost: 3"])]
    assert "one          ok" in describe(rows[0])
    assert "FAILED: lost: 3" in describe(rows[1])
    lines = list(markdown(rows))
    assert lines[2] == r"| `one` | does | a \| b | 0 | 0 | 0 | ok |"
    assert lines[3].endswith("| FAILED |")
    assert [row["met"] for row in as_json(rows, ["today"])["rows"]] == [True, False]
