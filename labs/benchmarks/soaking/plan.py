"""How long a soak takes, and what it does."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """Talk of *sockets* in *rooms*, *rate* messages a second, and *visits* a second beside them.

    It takes *seconds*, and is looked at each *every* seconds. What a client has not received after
    *patience* (s) counts as lost.
    """

    seconds: float = 3600.0
    every: float = 10.0
    sockets: int = 200
    rooms: int = 20
    rate: float = 50.0
    visits: float = 5.0
    patience: float = 30.0

    def options(self) -> list[str]:
        """Return it as options of a command line."""
        return [f"--{name}={value}" for name, value in asdict(self).items()]
