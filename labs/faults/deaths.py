"""Which processes the workers have declared dead, by their logs."""

from __future__ import annotations

import re

from labs.faults.site import Site
from labs.faults.stage import Stage

_declared = re.compile(r"Process (\S+) ((?:is|counts as) dead.*)").search


def declared_dead(site: Site) -> dict[str, str]:
    """Return the reason for each."""
    lines = (line for process in site.processes for line in process.lines)
    return {found[1]: found[2] for line in lines if (found := _declared(line))}


def expect_deaths(stage: Stage, count: int | None) -> None:
    """Compare how many were declared dead with *count*, unless that is None."""
    found = declared_dead(stage.site)
    reasons = "; ".join(f"{name} {why}" for name, why in found.items()) or "none"
    stage.expect(count in {None, len(found)}, f"{count} processes must be called dead: {reasons}")
