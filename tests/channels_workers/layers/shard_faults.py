"""The machine of shards: what pullers and shards do, and what must be true in the end."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from channels_workers.layers.memory.recovery import restore
from channels_workers.layers.memory.shards import MemoryShards
from channels_workers.layers.shards.puller import CLAIMED, Puller
from channels_workers.layers.shards.types import Applied, Log, Mark, Result
from tests.channels_workers.layers.shard_machine import Shards, kinds
from tests.channels_workers.layers.shard_peers import Entry, Node, Sent, Socket
from tests.channels_workers.layers.shard_sites import GROUPS, WORK, WORKERS, about, picks

#: Which servers of a shard register before its recovery has ended.
LATE = ["one", "none", "later"]

FATES = ["lives", "lives", "dies before", "dies after", "freezes", "is doubled"]


class ShardMachine(Shards):
    """The interleavings."""

    @initialize(number=st.sampled_from([2, 2, 3]), keeps=st.sampled_from([0.0, 1000.0]))
    def start(self, number: int, keeps: float) -> None:
        super().start(number, keeps)
        self.results: list[Result] = []
        self.limited: set[str] = set()
        self._watch(self.shards)
        for puller in self.pullers.values():  # from now on each shard knows the epochs of all
            assert puller.step()
        for node in self.nodes:
            node.unpulled.clear()
        self.populate()

    def _watch(self, shards: MemoryShards) -> None:
        """Let the model know what is applied."""
        apply, note_gap = shards.apply, shards.note_gap

        def watched(destination: str, token: str, source: str, epoch: str, entries: Any) -> Applied:
            mark = shards.marks(destination).get(source)
            after = mark.seq if mark is not None and mark.epoch == epoch else 0
            done = apply(destination, token, source, epoch, entries)
            self.results.append(done.result)
            for entry in entries if done.result is Result.APPLIED else ():
                for effect in self.effects.get((Entry(source, epoch, entry.seq), destination), ()):
                    if entry.seq > after:
                        effect()
            return done

        def watched_gap(destination: str, token: str, source: str, mark: Mark) -> Applied:
            done = note_gap(destination, token, source, mark)
            self.results.append(done.result)
            return done

        shards.apply = watched  # type: ignore[method-assign]
        shards.note_gap = watched_gap  # type: ignore[method-assign]

    # Pullers

    @rule(pick=picks, fate=st.sampled_from(FATES))
    def pull_log(self, pick: int, fate: str) -> None:
        destination = self._shard(pick)
        others = self.stores.data(destination).others
        if destination in self.up:
            self._pull_log(destination, others[pick // 3 % len(others)], fate)

    @rule()
    def pull_all(self) -> None:
        for destination in self.up:
            assert self.pullers[destination].step()

    @rule(pick=picks, reader=picks)
    def send_to_all(self, pick: int, reader: int) -> None:
        """A message to a group is applied everywhere; one server reads it."""
        if (shard := self._shard(pick)) in self.up:
            self._apply(shard, [self._send(GROUPS[0], shard)])
            self.pull_all()
            self._read(self._node(reader))

    @rule(pick=picks, kinds=kinds, data=st.data(), is_one=st.booleans())
    def pull_twice(self, pick: int, kinds: list[str], data: st.DataObject, is_one: bool) -> None:
        """Two pullers apply the same entries; the second one perhaps much later."""
        self.send_outside(pick, kinds, data)
        source = self._shard(pick)
        for destination in self.stores.data(source).others:
            if destination in self.up:
                self._pull_log(destination, source, "is doubled" if is_one else "freezes")
                self._pull_log(destination, source, "lives")

    def _pull_log(self, destination: str, source: str, fate: str) -> None:
        puller = self.pullers[destination]
        assert puller.claim()
        mark = self.shards.marks(destination).get(source)
        if (log := puller.read(source, mark)) is None:
            return
        if fate == "lives":
            puller.carry_out(puller.token, source, mark, log)
        elif fate == "dies after" and log.entries:
            self.shards.apply(destination, puller.token, source, log.epoch, log.entries)
        elif fate in ("freezes", "is doubled"):
            self.stale.append((puller, puller.token, source, mark, log))
            puller.doubt()  # a request whose reply is lost
        if fate not in ("lives", "is doubled"):
            self._replace_puller(destination)

    def _replace_puller(self, destination: str) -> None:
        self.now += CLAIMED
        self.pullers[destination] = self._new_puller(destination)
        assert self.shards.claim(destination, self.pullers[destination].token, CLAIMED)

    @rule(pick=picks)
    def wake(self, pick: int) -> None:
        """A puller that was frozen, or the double of one, goes on."""
        if self.stale:
            self._wake(*self.stale.pop(pick % len(self.stale)))

    def _wake(self, puller: Puller, token: str, source: str, mark: Mark | None, log: Log) -> None:
        if puller.destination not in self.up:
            return
        holder = self.stores.data(puller.destination).claim[0]
        del self.results[:]
        puller.carry_out(token, source, mark, log)
        if holder != token:
            assert set(self.results) <= {Result.LOST}

    # Shards

    @rule(pick=picks)
    def freeze(self, pick: int) -> None:
        """A shard does not answer, or does so again."""
        if self.stores.gates[shard := self._shard(pick)].is_away:
            self._thaw(shard)
        else:
            self.stores.freeze(shard)

    def _thaw(self, shard: str) -> None:
        self.stores.thaw(shard)
        self._depart()

    @rule(pick=picks, most=st.sampled_from([1, 2, 100_000]))
    def limit(self, pick: int, most: int) -> None:
        shard = self._shard(pick)
        self.stores.data(shard).log.most_entries = most
        self.limited.add(shard)

    @rule(pick=picks)
    def copy(self, pick: int) -> None:
        if (shard := self._shard(pick)) in self.up:
            self.copies[shard] = self.stores.copy(shard)

    @rule(pick=picks, is_old=st.booleans(), registers=st.sampled_from(["all", "all", *LATE]))
    def lose(self, pick: int, is_old: bool, registers: str) -> None:
        """A shard loses its data, or comes back with older ones; its servers register again.

        Some or all of them may do so after the recovery, or it has not ended yet.
        """
        shard = self._shard(pick)
        if not is_old or shard in self.copies:
            self._lose(shard, self.copies[shard] if is_old else None)
        if registers == "one":
            self._register_again(next(node for node in self.nodes if node.shard == shard))
        elif registers == "all":
            self._register_all(shard)
        if registers != "later":
            self._end_recovery(shard)

    def _lose(self, shard: str, copy: Any) -> None:
        for node in self.nodes:
            if node.shard != shard and self.stores.data(node.shard).marks.get(shard) is not None:
                node.owed[shard] = self.tick
        self.stores.lose(shard, copy)
        self.lost[shard].append(self._next_tick())
        self.pullers[shard] = self._new_puller(shard)
        for socket in self.sockets.values():
            if socket.shard == shard:
                self._lose_unread(socket)

    def _lose_unread(self, socket: Socket) -> None:
        """What its server has not read is gone, also joins and leaves."""
        socket.may_repeat = True
        groups = socket.node.server.groups
        for group, member in socket.members.items():
            if socket.is_open and socket.channel in groups.get(group, ()):
                member.until = float("inf")
            else:
                socket.leave(group, self.tick)

    @rule(pick=picks)
    def register_again(self, pick: int) -> None:
        self._register_again(self._node(pick))

    def _register_all(self, shard: str) -> None:
        for node in list(self.nodes):
            if node.shard == shard:
                self._register_again(node)

    def _register_again(self, node: Node) -> None:
        gate, data = self.stores.gates[node.shard], self.stores.data(node.shard)
        if gate.is_away or not self.is_lost(node):
            return
        store, is_late = self.store(node.shard), not gate.is_recovering
        with gate.recovery():
            is_alive = restore(store, data, node.server, about("server"), is_late=is_late)
        node.epoch, node.registered_again = data.log.epoch, self._next_tick()
        if not is_alive:
            for socket in self._sockets_of(node):
                socket.is_evicted = True
                socket.leave_all(self._next_tick())
            self._replace_node(node)

    @rule(pick=picks)
    def end_recovery(self, pick: int) -> None:
        self._end_recovery(self._shard(pick))

    def _end_recovery(self, shard: str) -> None:
        gate = self.stores.gates[shard]
        if gate.is_away or not gate.is_recovering:
            return
        self.stores.recovered(shard)
        known = {node.server.id for node in self.nodes}
        for process in self.layer.by_name[shard].admin.processes().keys() - known:
            self._end_worker(shard, process)
        self.workers[shard] = [self._new_worker(shard) for _ in range(WORKERS)]
        self._depart()

    # What must be true in the end

    @rule()
    def all_calm(self) -> None:
        self._become_calm()
        for socket in self.sockets.values():
            if socket.is_open:
                self._check_complete(socket)
        for node in self.nodes:
            self._check_gaps(node)
        self._check_work()
        self._check_logs()

    def _check_work(self) -> None:
        """The ordinary channel has what was sent to its group, unless its shard lost data."""
        home = self.work_home
        missing = [
            sent
            for sent in self.sent.values()
            if sent.target == GROUPS[0] and sent.number not in self.work
        ]
        gaps = [] if self.lost[home] else self.gaps[home]
        for sent in missing:
            assert self.lost[home] or any(
                gap.source == sent.source and gap.covers(sent) for gap in gaps
            )

    def _become_calm(self) -> None:
        for shard in self.stores.names:
            self._thaw(shard)
            self._register_all(shard)
            self._end_recovery(shard)
            for number in range(WORKERS):
                self.kill_worker(int(shard), number)
        while self.stale:
            self._wake(*self.stale.pop())
        self.held.clear()
        for _ in range(1000):
            if not self._work():
                return
        raise AssertionError("it never becomes calm")

    def _work(self) -> int:
        busy = 0
        for puller in self.pullers.values():
            before = puller.pulled
            self.now += CLAIMED
            assert puller.step()
            busy += puller.pulled - before
        busy += sum(self._read(node) for node in self.nodes) + self._work_on()
        for shard in self.stores.names:
            for delivery in self._pull(shard, 0):
                busy += 1
                self._commit(delivery, [])
        return busy

    def _check_complete(self, socket: Socket) -> None:
        for number, sent in self.sent.items():
            if number not in socket.received and self._must_reach(sent, socket):
                assert self._is_loss_seen(sent, socket), (sent, socket)

    @staticmethod
    def _must_reach(sent: Sent, socket: Socket) -> bool:
        if "!" in sent.target:
            return sent.target == socket.channel
        return socket.member(sent.target).since < sent.at

    def _is_loss_seen(self, sent: Sent, socket: Socket) -> bool:
        if sent.source == socket.shard:
            return sent.at < socket.node.registered_again
        return any(gap.source == sent.source and gap.covers(sent) for gap in socket.node.gaps)

    def _check_gaps(self, node: Node) -> None:
        own = [tick for tick in self.lost[node.shard] if tick > node.began]
        for source, ticks in self.lost.items():
            lost = [tick for tick in ticks if tick > node.began]
            late = source in node.unpulled
            assert node.lost_from(source) <= len(lost) + len(own) + late
            if not (own or lost or late or source in self.limited):
                assert not any(gap.source == source for gap in node.gaps)
        for source, tick in node.owed.items():
            if not any(at > tick for at in own):
                assert any(gap.source == source and gap.at > tick for gap in node.gaps)

    def _check_logs(self) -> None:
        for source in self.stores.names:
            log = self.stores.data(source).log
            for destination in self.stores.data(source).others:
                mark = self.stores.data(destination).marks.get(source)
                assert mark == Mark(log.epoch, log.last)
            assert self.keeps or not log.entries

    def teardown(self) -> None:
        if not hasattr(self, "results"):
            return
        self.all_calm()
        for socket in self.sockets.values():
            if socket.is_open:
                self._leave_page(socket)
        self._become_calm()
        for socket in self.sockets.values():
            socket.check_end()
        for store in self.stores.by_name.values():
            members = {name for known in store.groups.values() for name in known}
            left = (store.records, store.sessions, members - {f"*{WORK}"}, store.stream(WORK))
            assert not any(left), left
            assert store.inboxes.keys() <= store.counters.keys()
