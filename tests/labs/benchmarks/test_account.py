"""Counting, against a plain description of what is to be counted."""

from hypothesis import given
from hypothesis import strategies as st

from labs.benchmarks.load.account import Account, Ear


def account_of(sent: int, heard: list[int]) -> Account:
    """What is counted when one socket hears these messages of one sender who sent so many."""
    account, ear = Account(), Ear()
    for _ in range(sent):
        account.send(0, hearers=1)
    for number in heard:
        account.hear(ear, (0, number))
    return account


def test_all_in_order() -> None:
    counts = account_of(3, [1, 2, 3]).counts()
    right = {"lost": 0, "duplicated": 0, "out_of_order": 0, "foreign": 0}
    assert counts == {"sent": 3, "expected": 3, "received": 3, **right}


def test_what_comes_late_is_out_of_order_and_not_lost() -> None:
    account = account_of(3, [2, 3, 1])
    assert (account.out_of_order, account.lost, account.duplicated) == (1, 0, 0)


def test_what_comes_again_is_duplicated_whenever_it_comes() -> None:
    account = account_of(3, [1, 1, 3, 2, 2, 3])
    assert (account.out_of_order, account.lost, account.duplicated) == (1, 0, 3)


def test_what_nobody_sent_is_foreign() -> None:
    account = account_of(1, [1, 2])
    assert (account.received, account.foreign, account.duplicated) == (1, 1, 0)


def test_each_sender_has_an_order_of_its_own() -> None:
    account, ear = Account(), Ear()
    keys = [account.send(sender, hearers=1) for sender in (1, 2, 1, 2)]
    for key in (keys[1], keys[3], keys[0], keys[2]):
        assert account.hear(ear, key)
    assert (account.out_of_order, account.lost) == (0, 0)


def test_each_socket_hears_on_its_own() -> None:
    account, ears = Account(), (Ear(), Ear())
    key = account.send(0, hearers=2)
    assert [account.hear(ear, key) for ear in ears] == [True, True]
    assert (account.received, account.duplicated, account.lost) == (2, 0, 0)


@given(st.integers(0, 12), st.lists(st.integers(1, 12)))
def test_any_hearing(sent: int, heard: list[int]) -> None:
    account = account_of(sent, heard)
    known = [number for number in heard if number <= sent]
    late = [
        number
        for place, number in enumerate(known)
        if number not in known[:place] and any(other > number for other in known[:place])
    ]
    assert account.foreign == len(heard) - len(known)
    assert account.received == len(set(known))
    assert account.lost == sent - len(set(known))
    assert account.duplicated == len(known) - len(set(known))
    assert account.out_of_order == len(late)
