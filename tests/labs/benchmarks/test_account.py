"""Counts, compared with a simple specification."""

from hypothesis import given
from hypothesis import strategies as st

from labs.benchmarks.load.account import Account, Ear


def account_of(sent: int, heard: list[int]) -> Account:
    """The counts when one socket receives these messages of one sender, who sent *count*."""
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


def test_a_late_message_is_out_of_order_but_not_lost() -> None:
    account = account_of(3, [2, 3, 1])
    assert (account.out_of_order, account.lost, account.duplicated) == (1, 0, 0)


def test_a_repeated_message_is_always_a_duplicate() -> None:
    account = account_of(3, [1, 1, 3, 2, 2, 3])
    assert (account.out_of_order, account.lost, account.duplicated) == (1, 0, 3)


def test_a_message_that_nobody_sent_is_foreign() -> None:
    account = account_of(1, [1, 2])
    assert (account.received, account.foreign, account.duplicated) == (1, 1, 0)


def test_each_sender_has_its_own_order() -> None:
    account, ear = Account(), Ear()
    keys = [account.send(sender, hearers=1) for sender in (1, 2, 1, 2)]
    for key in (keys[1], keys[3], keys[0], keys[2]):
        assert account.hear(ear, key)
    assert (account.out_of_order, account.lost) == (0, 0)


def test_each_socket_is_counted_separately() -> None:
    account, ears = Account(), (Ear(), Ear())
    key = account.send(0, hearers=2)
    assert [account.hear(ear, key) for ear in ears] == [True, True]
    assert (account.received, account.duplicated, account.lost) == (2, 0, 0)


@given(st.integers(0, 12), st.lists(st.integers(1, 12)))
def test_random_deliveries(sent: int, heard: list[int]) -> None:
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
