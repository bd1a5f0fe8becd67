from channels_workers.worker import identity
from channels_workers.worker.identity import Identity


def test_each_thread_has_its_own_consumer_name() -> None:
    mine = Identity(2)
    assert mine.consumers == [f"{mine.process}.0", f"{mine.process}.1"]
    assert not mine.known.is_set()


def test_renewed_names_differ() -> None:
    mine = Identity(1)
    before = mine.process
    assert mine.renew() == before != mine.process
    assert mine.consumers == [f"{mine.process}.0"]
    assert mine.all_consumers() == [f"{before}.0", f"{mine.process}.0"]


def test_the_number_of_previous_names_is_bounded() -> None:
    mine = Identity(1)
    for _ in range(2 * identity.NAMES):
        mine.renew()
    assert len(mine.all_consumers()) == identity.NAMES
    assert mine.all_consumers()[-1] == mine.consumers[0]
