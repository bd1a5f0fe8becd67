"""The comparison of messages with lines in a database finds each kind of damage."""

from labs.faults.once_lines import Found, find
from labs.faults.once_site import Line
from labs.harness.crowd.transcript import Person, Said, Transcript, Visit

KEY = "r0s0.0"


def compare(lines: list[tuple[int, int]], answers: list[tuple[int, int]], said: int = 2) -> Found:
    """Compare. *lines* have an id and a number, *answers* a number and the id of a line."""
    visit = Visit(KEY, 0, 0.0, joined=0.0, answers=answers)
    person = Person("r0s0", "room0", False, [Said(n, float(n)) for n in range(said)], [visit])
    return find(Transcript([person]), [Line(row, KEY, number) for row, number in lines])


def test_all_is_well() -> None:
    assert compare([(4, 0), (7, 1)], [(0, 4), (1, 7)]) == Found([], [], [])


def test_a_message_without_a_line() -> None:
    assert compare([(4, 0)], [(0, 4)]).lost == ["r0s0 1 is not stored"]


def test_a_line_without_an_answer() -> None:
    assert compare([(4, 0), (7, 1)], [(0, 4)]).lost == ["r0s0.0 1 was not told its row 7"]


def test_an_answer_of_a_run_that_was_undone() -> None:
    assert compare([(4, 0), (7, 1)], [(0, 4), (1, 6)]).lost == [
        "r0s0.0 1 was not told its row 7",
        "r0s0.0 1 was told the row 6, which is not stored",
    ]


def test_two_lines_and_two_answers_for_a_message() -> None:
    found = compare([(4, 0), (7, 1), (8, 1)], [(0, 4), (0, 4), (1, 7), (1, 8)])
    assert found.twice == [
        "r0s0 1 is stored 2 times",
        "r0s0.0 0 was answered 2 times",
        "r0s0.0 1 was answered 2 times",
    ]
    assert (found.lost, found.disordered) == ([], [])


def test_lines_and_answers_in_another_order() -> None:
    assert compare([(4, 1), (7, 0)], [(1, 4), (0, 7)]).disordered == [
        "r0s0.0 0 was stored after 1",
        "r0s0.0 0 was answered after 1",
    ]
