"""The admin side of a layer with shards: each does its part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain, takewhile
from typing import TypeVar

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.shards.asking import ask_all_at_once
from channels_workers.layers.status import ChannelStatus, Status, WorkerStatus
from channels_workers.layers.types import (
    DUE_AT_ONCE,
    DeadLetter,
    DelayedMessage,
    Due,
    NewDeadLetter,
    Unreadable,
)

Answer = TypeVar("Answer")


class ShardedAdmin(LayerAdmin):
    """Asks the admin sides of all shards, *by_name*. One that does not answer is left out.

    The heartbeat counter of a process is the highest of those on the shards: a process that lives
    raises it on all that it reaches.
    """

    def __init__(self, by_name: Mapping[str, LayerAdmin]) -> None:
        self._by_name = by_name

    def _ask(self, ask: Callable[[LayerAdmin], Answer]) -> dict[str, Answer]:
        """Return what the shards answer that do, one by one; raise the error if none does."""
        answers, failure = {}, None
        for name, admin in self._by_name.items():
            try:
                answers[name] = ask(admin)
            except LayerUnavailable as error:
                failure = error
        if failure is not None and not answers:
            raise failure
        return answers

    def _read(self, read: Callable[[str, LayerAdmin], Answer]) -> dict[str, Answer]:
        """Do that at once, where it changes nothing: one that is frozen holds nobody up."""
        found, failed = ask_all_at_once(
            tuple(self._by_name), lambda name: read(name, self._by_name[name])
        )
        if failed and not found:
            raise next(iter(failed.values()))
        return found

    # Cleaning up after dead processes

    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process."""
        counters: dict[str, int] = {}
        for found in self._read(lambda _, admin: admin.processes()).values():
            for process, counter in found.items():
                counters[process] = max(counter, counters.get(process, 0))
        return counters

    def _whole(self, processes: Iterable[str]) -> dict[str, int]:
        """Return the counters of *processes* on all shards."""
        known = self.processes()
        return {process: known[process] for process in processes if process in known}

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        found = self._read(lambda _, admin: admin.lagging()).values()
        return self._whole(set(chain.from_iterable(found)))

    def orphans(self) -> set[str]:
        """Return unknown processes that hold messages."""
        return set().union(*self._read(lambda _, admin: admin.orphans()).values())

    def cut_off(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process whose lifeline is cut."""
        found = self._read(lambda _, admin: admin.cut_off()).values()
        return self._whole(set(chain.from_iterable(found)))

    def mark_dead(self, process: str, counter: int, *, is_cut_off: bool = False) -> bool:
        """Declare *process* dead on each shard where its counter still is what it was."""
        on = self._ask(lambda admin: admin.processes().get(process, 0))
        if max(on.values()) != counter:
            return False
        marked = [
            self._by_name[shard].mark_dead(process, known, is_cut_off=is_cut_off)
            for shard, known in on.items()
            if known or not counter
        ]
        return any(marked)

    def kind_of(self, process: str) -> str:
        """Return the kind of *process*."""
        return next(filter(None, self._ask(lambda it: it.kind_of(process)).values()), "")

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead processes whose cleanup has not finished on some shard."""
        return set().union(*self._ask(lambda admin: admin.awaiting_cleanup()).values())

    def clean_up(self, process: str) -> list[NewDeadLetter]:
        """Clean up after a dead process; return new dead letters."""
        return _all(self._ask(lambda admin: admin.clean_up(process)))

    # Dead letters, whose ids begin with their shard: two Redis may give the same ones

    def dead_letters(
        self, newest: int | None = None, before: str | None = None
    ) -> list[DeadLetter]:
        """Return the dead letters, oldest first: all, or the *newest* of them."""
        if before is None:
            found = self._read(lambda _, admin: admin.dead_letters(newest))
        else:
            shard, bare = self._place(before)
            if shard not in self._by_name:
                raise ValueError(f"{before!r} is no id of a dead letter: no shard is {shard!r}.")
            earlier = set(takewhile(lambda name: name != shard, self._by_name))

            def older(name: str, admin: LayerAdmin) -> list[DeadLetter]:
                same = admin.dead_letter(bare) if name in earlier else None
                return admin.dead_letters(newest, bare) + ([] if same is None else [same])

            found = self._read(older)
        letters = [_named(name, each) for name, some in found.items() for each in some]
        letters.sort(key=lambda letter: _age(_bare(letter.id)))  # stable: shards in their order
        return letters if newest is None else letters[max(0, len(letters) - newest) :]

    def dead_letter(self, letter: str) -> DeadLetter | None:
        """Return the dead letter with the id *letter*, None if it does not exist."""
        shard, bare = self._place(letter)
        admin = self._by_name.get(shard)
        found = None if admin is None else admin.dead_letter(bare)
        return None if found is None else _named(shard, found)

    def _send_again(self, letter: DeadLetter) -> bool:
        shard, bare = self._place(letter.id)
        return self._by_name[shard]._send_again(letter._replace(id=bare))

    def drop(self, letter: str) -> bool:
        """Delete a dead letter."""
        shard, bare = self._place(letter)
        admin = self._by_name.get(shard)
        return admin is not None and admin.drop(bare)

    def _place(self, letter: str) -> tuple[str, str]:
        """Return the shard of the dead letter with this id, and its id there.

        One without a shard is of the time when the site had one Redis, which is the first one now.
        """
        shard, found, bare = letter.partition(":")
        return (shard, bare) if found else (next(iter(self._by_name)), letter)

    # Delayed messages

    def send_due(self, most: int = DUE_AT_ONCE) -> Due:
        """Send up to *most* due messages, shard after shard."""
        left = most

        def send(admin: LayerAdmin) -> Due:
            nonlocal left
            due = admin.send_due(left)
            left -= due.sent
            return due

        found = self._ask(send).values()
        waits = [due.wait for due in found if due.wait is not None]
        full = dict.fromkeys(chain.from_iterable(due.full for due in found))
        sent, ended = sum(due.sent for due in found), sum(due.ended for due in found)
        return Due(sent, min(waits, default=None), tuple(full), ended)

    def delayed(self, limit: int = 1000) -> list[DelayedMessage]:
        """Return the next *limit* delayed messages."""
        found = _all(self._read(lambda _, admin: admin.delayed(limit)))
        return sorted(found, key=lambda message: message.due)[:limit]

    def cancel(self, message: str) -> bool:
        """Delete a delayed message; raise if it may wait on a shard that does not answer."""
        answers = self._ask(lambda admin: admin.cancel(message))
        if not any(answers.values()) and (away := self._by_name.keys() - answers.keys()):
            names = ", ".join(sorted(away))
            raise LayerUnavailable(f"No other shard has it, and these do not answer: {names}.")
        return any(answers.values())

    # The state of the layer

    def listened(self) -> set[str]:
        """Return the channels that live workers listen to."""
        return set().union(*self._read(lambda _, admin: admin.listened()).values())

    def set_aside(self) -> list[Unreadable]:
        """Return the newest notes of unreadable data."""
        return _all(self._read(lambda _, admin: admin.set_aside()))

    def status(self) -> Status:
        """Return the processes, channels and counts of all shards that answer, together."""
        parts = list(self._read(lambda _, admin: admin.status()).values())
        counts = {
            name: sum(getattr(part, name) for part in parts)
            for name in ("dead_letters", "delayed", "set_aside", "unreadable", "parked")
        }
        dues = [part.next_due for part in parts if part.next_due is not None]
        return Status(
            servers=sorted(chain(*(part.servers for part in parts)), key=lambda each: each.id),
            workers=_workers(parts),
            channels=_channels(parts),
            next_due=min(dues, default=None),
            recovering=any(part.recovering for part in parts),
            format=max(part.format for part in parts),
            histories=max(part.histories for part in parts),  # each has a copy of all
            history_bytes=max(part.history_bytes for part in parts),
            **counts,
        )


def _named(shard: str, letter: DeadLetter) -> DeadLetter:
    return letter._replace(id=f"{shard}:{letter.id}")


def _bare(letter: str) -> str:
    return letter.partition(":")[2]


def _age(bare: str) -> tuple[int, ...]:
    return tuple(map(int, bare.split("-")))


def _all(found: Mapping[str, Iterable[Answer]]) -> list[Answer]:
    return list(chain.from_iterable(found.values()))


def _workers(parts: Iterable[Status]) -> list[WorkerStatus]:
    """Return the worker processes, each once, although it is registered on every shard.

    After a loss of data it has another name on one of them. One that has another start is another
    process, even with the same host and pid, as in a container that was restarted.
    """
    found: dict[tuple[str, int, float], list[WorkerStatus]] = {}
    for worker in chain.from_iterable(part.workers for part in parts):
        about = worker.about
        found.setdefault((about.host, about.pid, about.since), []).append(worker)
    return sorted(map(_worker, found.values()), key=lambda each: each.id)


def _worker(lanes: list[WorkerStatus]) -> WorkerStatus:
    about = lanes[0].about
    running = dict.fromkeys(chain.from_iterable(lane.about.running for lane in lanes))
    # A thread may hold messages of several shards that wait for their run or their commit.
    busy = min(about.threads, sum(lane.busy for lane in lanes))
    return replace(lanes[0], about=about._replace(running=tuple(running)), busy=busy)


def _channels(parts: Iterable[Status]) -> list[ChannelStatus]:
    found: dict[str, list[ChannelStatus]] = {}
    for channel in chain.from_iterable(part.channels for part in parts):
        found.setdefault(channel.name, []).append(channel)
    return [_channel(found[name]) for name in sorted(found)]


def _channel(parts: list[ChannelStatus]) -> ChannelStatus:
    ages = [part.oldest for part in parts if part.oldest is not None]
    counts = Counter[str]()
    for part in parts:
        counts += Counter(waiting=part.waiting, in_flight=part.in_flight)
    workers = max(part.workers for part in parts)
    oldest = max(ages, default=None)
    return ChannelStatus(parts[0].name, counts["waiting"], counts["in_flight"], oldest, workers)
