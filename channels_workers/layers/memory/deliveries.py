"""What becomes of messages that were handed out; no lock of its own, as the store has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from channels_workers.conf import configuration
from channels_workers.layers.memory.connections import DISCONNECTING, Connections
from channels_workers.layers.memory.letters import Letters
from channels_workers.layers.memory.outbox import Outbox
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.types import Committed, Delivery, GivenUp, Operation, Session


class Deliveries:
    """Finishes what consumers of *streams* hold, hands it back, or gives it up to *letters*.

    *connections* that waited for it go on; *outbox* carries out what a consumer did.
    """

    def __init__(
        self, streams: Streams, connections: Connections, outbox: Outbox, letters: Letters
    ) -> None:
        self.streams = streams
        self.connections = connections
        self.outbox = outbox
        self.letters = letters

    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation],
        session: Session | None,
        capacity_of: Callable[[str], int],
    ) -> Committed:
        """Finish a delivery; see ``commit.lua``."""
        if not self.streams.is_owner(delivery):
            return Committed.STALE
        reply = delivery.reply_channel or ""
        record = self.connections.waiting_for(delivery)
        if reply and record is None:
            self.streams.acknowledge(delivery)
            return Committed.GONE
        plan = self.outbox.plan(operations, delivery.id, capacity_of)
        self.streams.acknowledge(delivery)
        if session is not None and not (record and record.state == DISCONNECTING):
            self.connections.keep_session(session)
        if record is not None:
            plan.release(reply, record)
        self.outbox.write(plan)
        if record is not None:
            self.connections.finish_order(reply, record)
        return Committed.DONE

    def requeue(self, delivery: Delivery, attempts: int, failures: int) -> Committed:
        """Hand a delivery back; see ``requeue.lua``."""
        if not self.streams.is_owner(delivery):
            return Committed.STALE
        held = self.streams[delivery.channel].pending[delivery.token]
        self._put_again(held._replace(attempts=attempts, failures=failures))
        return Committed.DONE

    def dead_letter(self, delivery: Delivery, reason: str, refusal: bytes) -> Committed:
        """Make a delivery a dead letter; see ``give_up.lua``."""
        if not self.streams.is_owner(delivery):
            return Committed.STALE
        self.letters.dead_letter(delivery, reason, refusal)
        return Committed.DONE

    def hand_on(self, names: Iterable[str], refusal: bytes) -> list[GivenUp]:
        """Let others have what a dead process held under its *names*; return what is given up."""
        held = [one for name in names for one in self.streams.held_by(name)]
        return [GivenUp(one.channel, one.id) for one in held if not self._try_again(one, refusal)]

    def _try_again(self, held: Delivery, refusal: bytes) -> bool:
        """Let others have the message; False if it was given up, as too many have died of it."""
        deaths = held.deaths + 1
        if deaths >= configuration().DELIVERIES:
            self.letters.dead_letter(held, f"its worker died, {deaths} times", refusal)
            return False
        self._put_again(held._replace(deaths=deaths))
        return True

    def _put_again(self, held: Delivery) -> None:
        """Hand back what is held, under the same id; see ``again.lua``."""
        token = self.streams.put_again(held)
        self.connections.note_token(held, token)
