"""The admin side of a layer: cleanup after dead processes, dead letters, status."""

from __future__ import annotations

from abc import ABC, abstractmethod

from channels_workers.layers.status import Status
from channels_workers.layers.types import (
    DUE_AT_ONCE,
    DeadLetter,
    DelayedMessage,
    Due,
    NewDeadLetter,
    Unreadable,
)


class LayerAdmin(ABC):
    """What any process may do for all processes of a layer; callable from any thread.

    Methods that reach a server raise :class:`~channels_workers.exceptions.LayerUnavailable` if it
    does not answer.
    """

    # Cleaning up after dead processes

    @abstractmethod
    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process."""

    @abstractmethod
    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox.

        ``CHANNEL_WORKERS["INBOX_ENTRIES"]`` and ``["INBOX_BYTES"]`` are the limits.
        """

    @abstractmethod
    def orphans(self) -> set[str]:
        """Return unknown processes that hold messages.

        Such a process is not registered, does not await cleanup, and is no previous id of another
        process. This can last a moment: a process pulled before it registered, or it was declared
        dead and pulled once more before it learned that.
        """

    def cut_off(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process whose lifeline is cut.

        That is a connection which its operating system closes when it dies. A process that lives
        opens another one at once, or says that it has none.
        """
        return {}

    @abstractmethod
    def mark_dead(self, process: str, counter: int, *, is_cut_off: bool = False) -> bool:
        """Declare *process* dead, if its heartbeat counter still is *counter*; return whether.

        *counter* is 0 for one of the :meth:`orphans`, which must still be one. If it *is_cut_off*,
        it must still be so.
        """

    @abstractmethod
    def kind_of(self, process: str) -> str:
        """Return the kind of *process*, ``server`` or ``worker``; "" if it is not known."""

    @abstractmethod
    def awaiting_cleanup(self) -> set[str]:
        """Return the dead processes whose cleanup has not finished."""

    @abstractmethod
    def clean_up(self, process: str) -> list[NewDeadLetter]:
        """Clean up after a dead process, also under its previous ids; return new dead letters.

        Its deliveries go back to the other workers. The first death counts for all of them, later
        ones only for the message that it has begun in quarantine (``WorkerLayer.quarantine``).
        After ``CHANNEL_WORKERS["DELIVERIES"]`` deaths a message becomes a dead letter instead. The
        connections of the process end with code 1006, it leaves its groups, and its inbox is
        deleted. The list is incomplete if another process cleans up at the same time.
        """

    # Dead letters

    @abstractmethod
    def dead_letters(
        self, newest: int | None = None, before: str | None = None
    ) -> list[DeadLetter]:
        """Return the dead letters, oldest first: all, or the *newest* of them.

        With *before*, the id of a dead letter that need not exist any more, only those older than
        it. An id that none can have raises ValueError.
        """

    @abstractmethod
    def dead_letter(self, letter: str) -> DeadLetter | None:
        """Return the dead letter with the id *letter*, None if it does not exist."""

    def retry(self, letter: str) -> bool:
        """Send the dead letter with the id *letter* again; return False if it does not exist.

        Raises ValueError for a message of a connection, which has gone on without it, and for an
        unreadable one.
        """
        found = self.dead_letter(letter)
        if found is None:
            return False
        check_retry(found)
        return self._send_again(found)

    @abstractmethod
    def _send_again(self, letter: DeadLetter) -> bool:
        """Send *letter* to its channel; return False if it does not exist any more."""

    @abstractmethod
    def drop(self, letter: str) -> bool:
        """Delete the dead letter with the id *letter*; return False if it does not exist."""

    # Delayed messages

    @abstractmethod
    def send_due(self, most: int = DUE_AT_ONCE) -> Due:
        """Send up to *most* messages whose delay is over, in the order of their due times.

        Each is sent once, whoever calls this. A message to a full channel stays, and is due again
        a second later.
        """

    @abstractmethod
    def delayed(self, limit: int = 1000) -> list[DelayedMessage]:
        """Return the next *limit* delayed messages, in the order of their due times."""

    @abstractmethod
    def cancel(self, message: str) -> bool:
        """Delete the delayed message with the id *message*; return False if none waits."""

    # The state of the layer

    @abstractmethod
    def listened(self) -> set[str]:
        """Return the channels that live workers listen to."""

    def set_aside(self) -> list[Unreadable]:
        """Return the newest notes of unreadable data, oldest first."""
        return []

    @abstractmethod
    def status(self) -> Status:
        """Return the processes, channels and counts of the layer."""


def check_retry(letter: DeadLetter) -> None:
    """Raise ValueError, which says why, if *letter* cannot be sent again."""
    if letter.is_unreadable:
        raise ValueError(f"Dead letter {letter.id} is unreadable. You can only drop it.")
    if letter.message.reply_channel is not None:
        raise ValueError(
            f"Dead letter {letter.id} is a message of a connection, which has gone on without it. "
            "You can only drop it."
        )
