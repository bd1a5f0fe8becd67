"""The processes that are known, and those that were called dead; the store locks them."""

from __future__ import annotations

from channels_workers.layers.types import Liveness, ProcessInfo


class Processes:
    """Heartbeat counters of the living, what is known of all, and who awaits cleanup."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.about: dict[str, ProcessInfo] = {}
        self.dead: set[str] = set()
        self.awaiting_cleanup: set[str] = set()

    def register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known."""
        self.counters[process] = 1
        self.about[process] = about

    def heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*."""
        if process not in self.counters:
            return Liveness.EVICTED if process in self.dead else Liveness.LOST
        self.counters[process] += 1
        return Liveness.ALIVE

    def forget(self, process: str) -> None:
        """Know *process* no more."""
        self.counters.pop(process, None)
        self.about.pop(process, None)

    def names_of(self, process: str) -> set[str]:
        """Return the name of *process* and those that it had before."""
        about = self.about.get(process)
        return {process, *about.previous_ids} if about else {process}

    def is_unknown(self, process: str) -> bool:
        """Say whether *process* is not registered, nor awaiting cleanup, nor a former name."""
        former = {name for about in self.about.values() for name in about.previous_ids}
        return process not in self.counters.keys() | self.awaiting_cleanup | former

    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead; False unless its counter is still *counter*, 0 if not known."""
        if counter == 0 and not self.is_unknown(process):
            return False
        if self.counters.get(process, 0) != counter:
            return False
        self.counters.pop(process, None)
        self.dead.add(process)
        self.awaiting_cleanup.add(process)
        return True

    def of_kind(self, kind: str) -> list[tuple[str, ProcessInfo]]:
        """Return the living processes of a kind, by name, and what is known of each."""
        known = sorted((name, self.about[name]) for name in self.counters)
        return [(name, about) for name, about in known if about.kind == kind]
