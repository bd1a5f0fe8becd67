"""All faults, in the order in which they are tried."""

from __future__ import annotations

from faults.fault import Fault
from faults.harms.worker_killed import WorkerKilled

FAULTS: tuple[Fault, ...] = (WorkerKilled(),)
