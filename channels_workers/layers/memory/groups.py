"""The members of groups; the store locks them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container

from channels_workers.layers.server import Departure


class Groups:
    """The ``members`` of each group, as in ``join.lua``.

    A server has the id of the inbox entry of its last join; an ordinary channel, which has ``*``
    before its name, an empty string.
    """

    def __init__(self) -> None:
        self.members: dict[str, dict[str, str]] = defaultdict(dict)

    def keep(self, servers: Container[str]) -> None:
        """Remove the members that are not among *servers*."""
        for group, members in list(self.members.items()):
            for member in [each for each in members if each not in servers]:
                self.leave(group, member)

    def join(self, group: str, member: str, entry: str) -> None:
        """Add a member, or note its last join."""
        self.members[group][member] = entry

    def leave(self, group: str, member: str) -> None:
        """Remove a member; a group without members is forgotten."""
        if group in self.members:
            self.members[group].pop(member, None)
            if not self.members[group]:
                del self.members[group]

    def depart(self, server: str, departure: Departure) -> None:
        """Remove *server* from a group, unless it joined again."""
        if self.members.get(departure.group, {}).get(server) == departure.entry:
            self.leave(departure.group, server)

    def leave_all(self, server: str) -> None:
        """Remove *server* from all groups."""
        for group in list(self.members):
            self.leave(group, server)

    def channels(self, group: str) -> set[str]:
        """Return the members of a group: servers, and ordinary channels by their own names."""
        return {member.lstrip("*") for member in self.members.get(group, {})}

    def count(self, server: str) -> int:
        """Return how many groups *server* is in."""
        return sum(server in members for members in self.members.values())
