"""Random interleavings keep the promises of several shards. `shard_machine` has the model."""

import logging
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from channels_workers.layers.memory.shards import MemoryShards
from tests.channels_workers.layers.broken_shards import (
    WithoutEpoch,
    WithoutLease,
    WithoutMark,
    WithoutPast,
)
from tests.channels_workers.layers.shard_faults import ShardMachine
from tests.channels_workers.layers.test_interleavings import SETTINGS, nothing_is_dead_lettered

__all__ = ["nothing_is_dead_lettered"]

#: How long sources keep what was applied (s): not at all, or longer than a test.
NEVER, ALWAYS = 0.0, 1000.0


@pytest.fixture(autouse=True)
def _no_log_lines() -> Iterator[None]:
    logging.disable(logging.WARNING)  # each gap has one
    yield
    logging.disable(logging.NOTSET)


def test_shards_keep_the_promises() -> None:
    limits = hypothesis.settings(SETTINGS, max_examples=150, stateful_step_count=50)
    run_state_machine_as_test(ShardMachine, settings=limits)


# By hand


def start(keeps: float = NEVER, kind: type[MemoryShards] = MemoryShards) -> ShardMachine:
    """Two shards, "0" and "1". Sockets 0 and 2 are on "0", 1 and 3 on "1", all in a group."""

    class ByHand(ShardMachine):
        make_shards = staticmethod(lambda stores: kind(stores, lambda channel: 1000))

    machine = ByHand()
    machine.start(2, keeps)
    return machine


def send(machine: ShardMachine, shard: str, target: str = "red") -> None:
    machine._apply(shard, [machine._send(target, shard)])


def end(machine: ShardMachine) -> None:
    machine.all_calm()
    machine.teardown()


def lose(machine: ShardMachine, shard: int) -> None:
    machine.lose(shard, is_old=False, registers="all")


def a_puller_dies_after_it_has_applied(machine: ShardMachine) -> None:
    """Servers skip what they have heard, but an ordinary channel would get a message twice."""
    assert machine.work_home == "0"
    send(machine, "1")
    machine._pull_log("0", "1", "dies after")
    end(machine)


def a_request_arrives_after_its_epoch(machine: ShardMachine) -> None:
    """The destination has no mark, so it cannot tell which of two epochs is the older one."""
    machine.lose(0, is_old=False, registers="none")
    machine._pull_log("0", "1", "is doubled")
    lose(machine, 1)
    machine.pull_all()
    end(machine)


def a_source_begins_anew(machine: ShardMachine) -> None:
    send(machine, "0")
    machine.pull_all()
    lose(machine, 0)
    send(machine, "0")
    end(machine)


def a_frozen_puller_wakes(machine: ShardMachine) -> None:
    send(machine, "0")
    machine._pull_log("1", "0", "freezes")
    machine.wake(0)
    end(machine)


def a_double_wakes_when_its_epoch_is_over(machine: ShardMachine) -> None:
    """As when the former master of a source still answers: the claim is that of now."""
    send(machine, "0")
    machine._pull_log("1", "0", "is doubled")
    machine.pullers["1"]._has_doubt = False
    machine.pull_all()
    machine.read_inbox(1)
    lose(machine, 0)
    machine.pull_all()
    machine.read_inbox(1)
    machine.wake(0)
    end(machine)


SEQUENCES = [
    (a_puller_dies_after_it_has_applied, WithoutMark),
    (a_source_begins_anew, WithoutEpoch),
    (a_frozen_puller_wakes, WithoutLease),
    (a_double_wakes_when_its_epoch_is_over, WithoutPast),
    (a_request_arrives_after_its_epoch, WithoutLease),
]


@pytest.mark.parametrize(("sequence", "broken"), SEQUENCES)
def test_the_machine_notices_what_is_missing(
    sequence: Callable[[ShardMachine], None], broken: type[MemoryShards]
) -> None:
    sequence(start())
    with pytest.raises(AssertionError):
        sequence(start(kind=broken))


def test_servers_skip_what_they_have_heard() -> None:
    machine = start(ALWAYS)
    send(machine, "0")
    machine.pull_all()
    machine.read_inbox(1)  # one of the two servers on "1"
    lose(machine, 1)
    assert machine.stores.data("1").marks["0"].seq == 0
    machine.all_calm()
    assert [socket.received for socket in machine.sockets.values()] == [[1]] * 4
    machine.teardown()


def test_what_a_lost_shard_had_not_read_is_a_gap_if_it_is_trimmed() -> None:
    machine = start(NEVER)
    send(machine, "0")
    machine.pull_all()
    machine.read_inbox(1)
    lose(machine, 1)
    machine.all_calm()
    assert [node.lost_from("1") for node in machine.nodes] == [1, 0, 1, 0]
    assert [len(node.gaps) for node in machine.nodes] == [1, 0, 1, 1]
    machine.teardown()


def test_a_source_that_was_lost_before_its_first_entry_was_pulled_is_a_gap() -> None:
    machine = start()
    send(machine, "0")
    lose(machine, 0)
    machine.all_calm()
    assert [len(node.gaps) for node in machine.nodes] == [0, 1, 0, 1]
    machine.teardown()


def test_servers_that_register_late_are_told_of_what_they_missed() -> None:
    machine = start()
    machine.lose(1, is_old=False, registers="none")
    send(machine, "0")
    machine.pull_all()
    machine.register_again(1)
    lose(machine, 0)
    machine.pull_all()
    end(machine)


def test_a_log_over_its_limit_makes_a_gap_for_a_shard_that_is_away() -> None:
    machine = start()
    machine.limit(0, 2)
    machine.freeze(1)
    for _ in range(5):
        send(machine, "0")
    machine.freeze(1)
    machine.all_calm()
    received = [socket.received for socket in machine.sockets.values()]
    assert received == [[1, 2, 3, 4, 5], [4, 5]] * 2
    assert {gap.value.partition(":")[2] for gap in machine.nodes[1].gaps} == {"1-3"}
    machine.teardown()


def test_a_server_that_knows_more_than_its_shard_hears_nothing_twice() -> None:
    """It registers late, after a server that knew only an older epoch."""
    machine = start(ALWAYS)
    lose(machine, 1)
    machine.send_to_all(1, reader=2)
    machine.lose(0, is_old=False, registers="one")
    machine.all_calm()
    assert [socket.received for socket in machine.sockets.values()] == [[1]] * 4
    machine.teardown()


def test_what_a_puller_has_read_before_a_loss_does_not_count() -> None:
    machine = start(ALWAYS)
    send(machine, "0")
    machine._pull_log("1", "0", "is doubled")
    lose(machine, 0)
    machine.pull_all()
    for number in (1, 3):
        machine.read_inbox(number)
    lose(machine, 1)  # nobody knows the former epoch any more
    machine.pull_all()
    machine.wake(0)
    end(machine)
