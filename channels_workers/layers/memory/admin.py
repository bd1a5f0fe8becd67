"""The admin side of the memory layer: cleanup after dead processes, dead letters, status."""

from __future__ import annotations

import re
from itertools import islice

from channels_workers.conf import configuration
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.clock import OwnClock
from channels_workers.layers.kept import log_crowded
from channels_workers.layers.memory import delays, kept
from channels_workers.layers.memory.plan import dead_letter
from channels_workers.layers.memory.store import Store, Stream, process_of
from channels_workers.layers.status import (
    ChannelStatus,
    ServerStatus,
    Status,
    WorkerStatus,
    count_listeners,
)
from channels_workers.layers.types import (
    DUE_AT_ONCE,
    RUNS_ONCE,
    DeadLetter,
    DelayedMessage,
    Delivery,
    Due,
    NewDeadLetter,
    Refusals,
    ReplyKind,
    is_request,
    kind_of,
    runs_once,
)

#: Matches the form of a token, which a dead letter has as its id.
is_token = re.compile(r"[0-9]+(-[0-9]+)?").fullmatch


class MemoryAdmin(LayerAdmin):
    """The admin side of a layer in *store*; *refusals* refuse connections."""

    def __init__(self, store: Store, refusals: Refusals) -> None:
        self.store = store
        self._refusals = refusals

    # Cleaning up after dead processes

    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process."""
        with self.store.changed:
            return dict(self.store.counters)

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        with self.store.changed:
            counters = self.store.counters
            return {
                server: counters[server]
                for server in self.store.inboxes
                if server in counters and self._is_lagging(server)
            }

    def _is_lagging(self, server: str) -> bool:
        limits, entries = configuration(), len(self.store.inboxes[server])
        return entries > limits.INBOX_ENTRIES or self.store.inbox_size(server) > limits.INBOX_BYTES

    def orphans(self) -> set[str]:
        """Return unknown processes that hold messages."""
        with self.store.changed:
            holders = {process_of(held.consumer) for held in self.store.pending()} - {""}
            return set(filter(self.store.is_unknown, holders))

    def mark_dead(self, process: str, counter: int, *, is_cut_off: bool = False) -> bool:
        """Declare *process* dead, if its heartbeat counter still is *counter*; return whether."""
        store = self.store
        with store.changed:
            if counter == 0 and not store.is_unknown(process):
                return False
            if store.counters.get(process, 0) != counter:
                return False
            store.counters.pop(process, None)
            store.dead.add(process)
            store.awaiting_cleanup.add(process)
            return True

    def kind_of(self, process: str) -> str:
        """Return the kind of *process*."""
        with self.store.changed:
            found = self.store.process_info.get(process)
        return found.kind if found else ""

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead processes whose cleanup has not finished."""
        with self.store.changed:
            return set(self.store.awaiting_cleanup)

    def clean_up(self, process: str) -> list[NewDeadLetter]:
        """Clean up after a dead process; return new dead letters."""
        store = self.store
        with store.changed:
            if process not in store.awaiting_cleanup:
                return []
            held = [one for name in store.ids_of(process) for one in store.held_by(name)]
            dead = [NewDeadLetter(it.channel, it.id) for it in held if not self._hand_on(it)]
            for reply in self._connections_of(process):
                if kind_of(reply) is ReplyKind.KEPT:
                    kept.park(store, reply, 1006)
                else:
                    store.close(reply, 1006)
            log_crowded(kept.bound(store))
            store.forget_process(process)
            store.awaiting_cleanup.discard(process)
            return dead

    def _hand_on(self, held: Delivery) -> bool:
        """Put *held* back; return False if no other worker may get it."""
        deaths = self._count_deaths(held)
        if runs_once(held) or deaths >= configuration().DELIVERIES:
            reason = RUNS_ONCE if runs_once(held) else f"its worker died, {deaths} times"
            dead_letter(self.store, held, reason, self._refusals)
            return False
        self.store.put_back(held._replace(deaths=deaths))
        return True

    def _count_deaths(self, held: Delivery) -> int:
        """Count this death if it is the first, or if *held* was running; see ``clean_up.lua``."""
        running = self.store.quarantined.get(process_of(held.consumer))
        return held.deaths + (held.deaths == 0 or running == (held.channel, held.token))

    def _connections_of(self, server: str) -> list[str]:
        return [reply for reply in self.store.records if self.store.server_of(reply) == server]

    # Dead letters

    def dead_letters(
        self, newest: int | None = None, before: str | None = None
    ) -> list[DeadLetter]:
        """Return the dead letters, oldest first: all, or the *newest* of them."""
        if before is not None and not is_token(before):
            raise ValueError(f"{before!r} is no id of a dead letter, such as 0042-0007.")
        with self.store.changed:
            letters = self.store.dead_letters
            end = None if before is None else _place(before)
            found = [each for each in letters if end is None or _place(each.id) < end]
            return found if newest is None else found[max(0, len(found) - newest) :]

    def dead_letter(self, letter: str) -> DeadLetter | None:
        """Return the dead letter with the id *letter*, None if it does not exist."""
        with self.store.changed:
            return next((each for each in self.store.dead_letters if each.id == letter), None)

    def _send_again(self, letter: DeadLetter) -> bool:
        with self.store.changed:
            message = letter.message
            if not self.drop(letter.id):
                return False
            self.store.add_message(Delivery(message.channel, "", "", message.id, message.payload))
            return True

    def drop(self, letter: str) -> bool:
        """Delete a dead letter."""
        with self.store.changed:
            left = [found for found in self.store.dead_letters if found.id != letter]
            is_dropped = len(left) < len(self.store.dead_letters)
            self.store.dead_letters = left
            return is_dropped

    # Delayed messages

    def send_due(self, most: int = DUE_AT_ONCE) -> Due:
        """Send up to *most* due messages."""
        with self.store.changed:
            return delays.send_due(self.store, most)

    def delayed(self, limit: int = 1000) -> list[DelayedMessage]:
        """Return the next *limit* delayed messages."""
        with self.store.changed:
            return delays.delayed(self.store, limit)

    def cancel(self, message: str) -> bool:
        """Delete a delayed message."""
        with self.store.changed:
            return self.store.delayed.pop(message, None) is not None

    # The state of the layer

    def listened(self) -> set[str]:
        """Return the channels that live workers listen to."""
        with self.store.changed:
            return {name for _, info in self.store.of_kind("worker") for name in info.channels}

    def status(self) -> Status:
        """Return the processes, channels and counts of the layer."""
        store = self.store
        with store.changed:
            listeners = count_listeners(info for _, info in store.of_kind("worker"))
            return Status(
                servers=[
                    ServerStatus(
                        name,
                        info,
                        sum(not is_request(reply) for reply in self._connections_of(name)),
                        sum(name in members for members in store.groups.values()),
                        len(store.inboxes.get(name, ())),
                    )
                    for name, info in store.of_kind("server")
                ],
                workers=[
                    WorkerStatus(name, info, len({one.consumer for one in store.held_by(name)}))
                    for name, info in store.of_kind("worker")
                ],
                channels=[
                    ChannelStatus(
                        name,
                        len(stream.waiting),
                        len(stream.pending),
                        _oldest(stream),
                        listeners[name],
                    )
                    for name, stream in sorted(store.streams.items())
                ],
                dead_letters=len(store.dead_letters),
                format=FORMAT_VERSION,
                delayed=len(store.delayed),
                next_due=min((later.due for later in store.delayed.values()), default=None),
                histories=len(store.histories.by_group),
                history_bytes=store.histories.size,
                parked=len(kept.waiting(store)),
            )


def _oldest(stream: Stream) -> float | None:
    """Return the age of the oldest message of *stream* (s), None without one."""
    tokens = [*islice(stream.waiting, 1), *stream.pending]
    age = OwnClock().age(min(tokens)) if tokens else None
    return None if age is None else round(age, 3)


def _place(token: str) -> tuple[int, ...]:
    """Return what sorts tokens in the order in which they were made."""
    return tuple(map(int, token.split("-")))
