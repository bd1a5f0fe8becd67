"""What the comparison with the packages of 2017 concludes from two runs of a conversation."""

import pytest

from labs.genuine.comparison.finding import Played, judge
from labs.genuine.comparison.report import describe_result
from labs.genuine.comparison.result import Result
from labs.genuine.comparison.steps import Close
from labs.genuine.comparison.transcript import Moment, Transcript

THEIRS, OURS = "channels 1.1.8", "channels_workers"
STEP = Close("anna")


def played(genuine: str, ours: str) -> Played:
    """One step, after which each engine closed the socket with this code."""
    sides = (Transcript([Moment(STEP, {"anna": [f"close {code}"]})]) for code in (genuine, ours))
    return Played(*sides)


def test_equal_runs_are_no_finding() -> None:
    run = played("4003", "4003")
    assert judge("logging in", [STEP], run, run) is None


@pytest.mark.parametrize(
    ("second", "repeats", "unsteady", "is_theirs"),
    [
        (("4003", "4003"), False, (THEIRS,), True),
        (("1006", "4003"), True, (), False),
        (("1006", "1006"), False, (OURS,), False),
        (("1000", "4003"), True, (THEIRS,), False),
        (("1000", "1000"), False, (THEIRS, OURS), False),
    ],
)
def test_a_difference_counts_unless_only_the_old_packages_changed_their_mind(
    second: tuple[str, str], repeats: bool, unsteady: tuple[str, ...], is_theirs: bool
) -> None:
    finding = judge("logging in", [STEP], played("1006", "4003"), played(*second))
    assert finding is not None
    assert (finding.repeats, finding.unsteady) == (repeats, unsteady)
    assert finding.is_theirs is is_theirs
    assert "close 1006" in str(finding.difference)


def test_the_report_shows_what_does_not_count() -> None:
    finding = judge("logging in", [STEP], played("1006", "4003"), played("4003", "4003"))
    assert finding is not None
    text = describe_result(Result("login", theirs=[finding]))
    assert "equal" in text.splitlines()[0]
    assert f"not counted: played again, it was equal, and {THEIRS} alone" in text
