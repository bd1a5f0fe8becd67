"""Random interleavings of what servers, workers and pullers do on several shards.

Shards are frozen, emptied, and set back to older copies; pullers die between any two calls, freeze
and wake, and there are two of them. The model states the promises:

1. effects count once: a message reaches a socket at most once, whatever is applied again;
2. order per connection: what comes from one shard comes in the order of its steps, and messages of
   a connection finish in their order;
3. one disconnect for each connection whose connect a worker took;
4. groups tell the truth: a send after a join reaches the member, one after a leave does not;
5. nothing is lost unseen: what does not arrive is part of a gap that the server was told of, and a
   server is told of each gap that there is, and of no other.

A shard that loses its data also loses what its own servers have not read, as one Redis does.
"""

import math
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.types import (
    Committed,
    Delivery,
    Finished,
    Operation,
)
from tests.channels_workers.layers.shard_peers import Entry, Sent, Socket
from tests.channels_workers.layers.shard_sites import CHANNELS, GROUPS, WORK, WORKERS, Sites, picks

#: What a step does: sends to a group or a socket, joins, leaves.
kinds = st.lists(st.sampled_from("gggssjl"), min_size=1, max_size=3)

#: An operation, and what the model does once its step has succeeded.
Step = tuple[Operation, Callable[[], None]]


class Shards(Sites):
    """Workers, and what their steps do."""

    def populate(self) -> None:
        """Let each server have a socket that is open, in a group."""
        self.layer.by_name[self.work_home].apply([self.layer.make_join(GROUPS[0], WORK)])
        for number, node in enumerate(self.nodes):
            self.connect(number)
            join = self._change("j", self._socket(number), GROUPS[0], node.shard)
            self._talk(self._socket(number), [join])
            self._read(node)

    # Workers

    @rule(pick=picks, number=st.integers(0, WORKERS - 1))
    def pull(self, pick: int, number: int) -> None:
        self._pull(self._shard(pick), number)

    def _pull(self, shard: str, number: int) -> list[Delivery]:
        consumer = f"{self.workers[shard][number]}.0"
        layer = self.layer.by_name[shard]
        found = self.layer.pull_from(layer, CHANNELS, consumer, 1)
        for delivery in found:
            self.sockets[str(delivery.reply_channel)].taken = True
        self.held += found
        return found

    @rule(pick=picks, kinds=kinds, data=st.data())
    def commit(self, pick: int, kinds: list[str], data: st.DataObject) -> None:
        if self.held:
            delivery = self.held[pick % len(self.held)]
            self._commit(delivery, self._steps(kinds, delivery.shard, data))

    @rule(pick=picks, kinds=kinds, data=st.data())
    def talk(self, pick: int, kinds: list[str], data: st.DataObject) -> None:
        """A socket sends a frame, and a worker runs it."""
        socket = self._socket(pick)
        if socket.shard in self.up and not self.is_lost(socket.node):
            self._talk(socket, self._steps(kinds, socket.shard, data))

    @rule()
    def work_on(self) -> None:
        self._work_on()

    def _work_on(self) -> int:
        """A worker runs what came to the ordinary channel."""
        home = self.layer.by_name[self.work_home]
        found = self.layer.pull_from(home, [WORK], f"{self.workers[self.work_home][0]}.0", 9)
        for delivery in found:
            number = self.layer.content(delivery)["n"]
            assert self.lost[self.work_home] or number not in self.work
            assert self.layer.commit(Finished(delivery)) is Committed.DONE
            self.work.append(number)
        return len(found)

    def _talk(self, socket: Socket, steps: list[Step]) -> None:
        socket.waiting += 1
        self._go_on(socket)
        for delivery in self._pull(socket.shard, 0):
            self._commit(delivery, steps)
            steps = []

    def _commit(self, delivery: Delivery, steps: list[Step]) -> None:
        operations = [operation for operation, _ in steps]
        log = self.stores.data(delivery.shard).log
        before = log.last
        try:
            committed = self.layer.commit(Finished(delivery, operations))
        except LayerUnavailable:
            return
        self.held.remove(delivery)
        if committed is Committed.DONE:
            self.sockets[str(delivery.reply_channel)].finish(delivery.channel, delivery.order)
            self._note_effects(delivery.shard, before, steps)

    @rule(pick=picks, kinds=kinds, data=st.data())
    def send_outside(self, pick: int, kinds: list[str], data: st.DataObject) -> None:
        if (shard := self._shard(pick)) in self.up:
            self._apply(shard, self._steps(kinds, shard, data))

    def _apply(self, shard: str, steps: list[Step]) -> None:
        before = self.stores.data(shard).log.last
        self.layer.by_name[shard].apply([operation for operation, _ in steps])
        self._note_effects(shard, before, steps)

    def _note_effects(self, shard: str, before: int, steps: list[Step]) -> None:
        """A step has succeeded: its effects here count now, others when it is applied."""
        log = self.stores.data(shard).log
        self.entry = Entry(shard, log.epoch, log.last) if log.last > before else None
        for _, effect in steps:
            self._next_tick()
            effect()

    @rule(pick=picks, number=st.integers(0, WORKERS - 1))
    def kill_worker(self, pick: int, number: int) -> None:
        if (shard := self._shard(pick)) in self.up:
            self._end_worker(shard, self.workers[shard][number])
            self.workers[shard][number] = self._new_worker(shard)

    def _end_worker(self, shard: str, worker: str) -> None:
        admin = self.layer.by_name[shard].admin
        if worker in (known := admin.processes()):
            assert admin.mark_dead(worker, known[worker])
        elif worker in admin.orphans():
            assert admin.mark_dead(worker, 0)
        admin.clean_up(worker)

    # Operations

    def _steps(self, kinds: list[str], shard: str, data: st.DataObject) -> list[Step]:
        found = []
        for kind in kinds:
            socket, group = self._socket(data.draw(picks)), data.draw(st.sampled_from(GROUPS))
            if kind in "gs":
                found.append(self._send(group if kind == "g" else socket.channel, shard))
            else:
                found.append(self._change(kind, socket, group, shard))
        return found

    def _send(self, target: str, shard: str) -> Step:
        number = next(self.numbers)
        content = {"n": number}
        make = self.layer.make_send if "!" in target else self.layer.make_group_send

        def effect() -> None:
            self.sent[number] = Sent(number, shard, target, self.tick, self.entry)

        return make(target, content), effect

    def _change(self, kind: str, socket: Socket, group: str, shard: str) -> Step:
        make = self.layer.make_join if kind == "j" else self.layer.make_leave

        def change() -> None:
            if self.is_lost(socket.node):  # its server has not registered again, and hears nothing
                socket.member(group).since = math.inf
                return
            (socket.join if kind == "j" else socket.leave)(group, self._next_tick())

        def effect() -> None:
            if socket.shard == shard:
                change()
            elif (entry := self.entry) is not None:
                if kind == "l":  # it may take effect at any moment from now on
                    socket.member(group).since = math.inf
                known = self.effects.setdefault((entry, socket.shard), [])
                known.append(lambda: None if self._is_known(socket, entry) else change())

        return make(group, socket.channel), effect

    def _heard(self, socket: Socket, number: int) -> None:
        """A socket hears a message. Its server must not stop at an error, so they are kept."""
        try:
            self._check_heard(socket, number)
        except (AssertionError, KeyError) as error:
            self.errors.append(error)
        socket.received.append(number)

    def _check_heard(self, socket: Socket, number: int) -> None:
        sent = self.sent[number]  # else its step has failed
        assert number not in socket.received
        former = [each for each in socket.received if self.sent[each].source == sent.source]
        assert all(each < number for each in former)
        if "!" in sent.target:
            assert sent.target == socket.channel
        else:
            assert socket.member(sent.target).until >= sent.at

    @staticmethod
    def _is_known(socket: Socket, entry: Entry) -> bool:
        """Say whether the server of a socket has heard an entry, which is applied again."""
        mark = socket.node.server.heard.marks.get(entry.source)
        return mark is not None and mark.epoch == entry.epoch and mark.seq >= entry.seq
