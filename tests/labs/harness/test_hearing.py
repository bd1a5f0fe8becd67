"""Counting the messages of a crowd."""

from labs.harness.crowd.hearing import find, percentile
from labs.harness.crowd.transcript import Heard, Person, Said, Transcript, Visit


def person(name: str, *numbers: int, retries: bool = False) -> Person:
    """Somebody present from the start, who heard these messages of Ann, each after 0.5 s."""
    visit = Visit(f"{name}.0", 0, 0.0, joined=0.5)
    visit.heard = [Heard("ann", number, number + 1.5) for number in numbers]
    return Person(name, "room", retries, visits=[visit])


def talk(*heard: int, retries: bool = False) -> Transcript:
    """Ann says three messages and hears them all. Bob hears some."""
    ann = person("ann", 0, 1, 2, retries=retries)
    ann.said = [Said(number, number + 1.0, number + 1.5) for number in range(3)]
    return Transcript([ann, person("bob", *heard)])


def test_a_faultless_talk() -> None:
    found = find(talk(0, 1, 2), 0.0)
    assert (found.said, found.unsent, found.seconds) == (3, 0, 0.5)
    assert not [*found.lost, *found.twice, *found.disordered, *found.wrong_sessions]


def test_a_message_that_somebody_missed_is_lost() -> None:
    assert find(talk(0, 2), 0.0).lost == ["ann 1 was not heard by bob.0"]


def test_a_loose_message_may_come_to_a_later_visit() -> None:
    """Ann's second message comes after her third, when Bob has connected again."""
    transcript = talk(0, 2)
    bob = transcript.people[1]
    bob.visits[0].ended = 4.0
    again = Visit("bob.1", 1, 4.0, joined=4.5)
    bob.visits.append(again)
    assert find(transcript, 0.0, loose={"ann"}).lost != []
    again.fetched = [Heard("ann", 1, 5.0)]
    assert find(transcript, 0.0, loose={"ann"}).lost == []
    assert find(transcript, 0.0).lost == ["ann 1 was not heard by bob.0"]


def test_a_late_arrival_missed_nothing() -> None:
    transcript = talk(2)
    transcript.people[1].visits[0].joined = 2.5
    assert find(transcript, 0.0).lost == []


def test_a_message_heard_twice_is_a_duplicate() -> None:
    assert find(talk(0, 1, 1, 2), 0.0).twice == ["ann 1 was heard again by bob.0"]


def test_the_order_of_each_sender_counts_unless_it_is_loose() -> None:
    assert find(talk(1, 0, 2), 0.0).disordered == ["ann 0 was heard after 1 by bob.0"]
    assert find(talk(1, 0, 2), 0.0, loose={"ann"}).disordered == []


def dropped(*, retries: bool) -> Transcript:
    """Ann's socket is dropped, and nobody has heard her last message."""
    transcript = talk(0, 1, retries=retries)
    visit = transcript.people[0].visits[0]
    visit.heard.pop()
    visit.ended = 3.2
    transcript.people[0].said[-1].back = None
    return transcript


def test_a_message_of_a_dropped_socket_counts_if_it_ran_or_is_retried() -> None:
    assert find(dropped(retries=False), 0.0).unsent == 1
    assert find(dropped(retries=False), 0.0).lost == []
    finished = {("ann.0", 2)}
    assert find(dropped(retries=False), 0.0, finished=finished).lost != []
    assert find(dropped(retries=True), 0.0).lost != []


def test_delays_of_messages() -> None:
    transcript = talk(0, 1, 2)
    transcript.people[1].visits[0].heard[2].at = 9.0
    assert find(transcript, 0.0).seconds == 6.0
    assert find(transcript, 8.0).seconds == 1.0
    assert percentile(transcript, 0.0, 2.5) == 0.5
    assert percentile(transcript, 5.0, 6.0) == 0.0
