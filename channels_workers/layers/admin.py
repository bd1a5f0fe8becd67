"""What any worker does for all: it cleans up after the dead, and looks after dead letters."""

from __future__ import annotations

from abc import abstractmethod

from channels_workers.layers.status import Status
from channels_workers.layers.types import DeadLetter, GivenUp, Unreadable


class Upkeep:
    """The face of a layer for cleaning up, and for those who look at it; callable from threads."""

    # Cleaning up after others

    @abstractmethod
    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each process that is known."""

    @abstractmethod
    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""

    @abstractmethod
    def orphans(self) -> set[str]:
        """Return the processes that hold messages and are not known.

        That is: they are not registered, nor dead and not cleaned up after yet, and no process has
        told that this was its name. A process may be so for a moment: it pulled before it
        registered, or it was called dead and pulled once more before it learned of that.
        """

    @abstractmethod
    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead; False if its heartbeat rose beyond *counter*, or is not known.

        *counter* is 0 for one of the :meth:`orphans`; False if it is none any more.
        """

    @abstractmethod
    def awaiting_cleanup(self) -> set[str]:
        """Return the processes that were declared dead, and not cleaned up after yet."""

    @abstractmethod
    def clean_up(self, process: str) -> list[GivenUp]:
        """Undo what a dead process left behind, under its former names, too.

        What it held goes back to the others, or becomes a dead letter once it was handed out
        ``CHANNEL_WORKERS["DELIVERIES"]`` times; its connections end with 1006, it leaves its
        groups, its inbox goes. Return the new dead letters, as far as it is known.
        """

    # Dead letters

    @abstractmethod
    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up, the oldest first."""

    def retry_dead_letter(self, letter: str) -> bool:
        """Send a dead letter again; False if there is no such one.

        ValueError for a message of a connection, which has gone on without it.
        """
        for found in self.dead_letters():
            if found.id == letter:
                if found.is_unreadable:
                    raise ValueError(
                        f"Dead letter {letter} cannot be read, so it cannot be sent again. It can "
                        "be dropped."
                    )
                if found.message.reply_channel is not None:
                    raise ValueError(
                        f"Dead letter {letter} is a message of a connection, which has gone on "
                        "without it. It can be dropped."
                    )
                return self._send_dead_letter(found)
        return False

    @abstractmethod
    def _send_dead_letter(self, letter: DeadLetter) -> bool:
        """Send *letter* to the channel that it came from; False if it is not there any more."""

    @abstractmethod
    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter; False if there is no such one."""

    def set_aside(self) -> list[Unreadable]:
        """Return the newest of what the layer held and nobody could read, as far as it is kept."""
        return []

    # What goes on

    @abstractmethod
    def status(self) -> Status:
        """Return what goes on."""
