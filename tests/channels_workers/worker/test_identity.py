from channels_workers.worker import identity
from channels_workers.worker.identity import Identity


def test_each_thread_holds_its_deliveries_under_a_name_of_its_own() -> None:
    mine = Identity(2)
    assert mine.consumers == [f"{mine.process}.0", f"{mine.process}.1"]
    assert not mine.known.is_set()


def test_a_new_name_is_another_one() -> None:
    mine = Identity(1)
    before = mine.process
    assert mine.renew() == before != mine.process
    assert mine.consumers == [f"{mine.process}.0"]
    assert mine.all_consumers() == [f"{before}.0", f"{mine.process}.0"]


def test_only_so_many_previous_names_are_kept() -> None:
    mine = Identity(1)
    for _ in range(2 * identity.NAMES):
        mine.renew()
    assert len(mine.all_consumers()) == identity.NAMES
    assert mine.all_consumers()[-1] == mine.consumers[0]
