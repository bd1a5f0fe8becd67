"""Whether consumers and tasks have trouble now, and how long they take."""

from __future__ import annotations

import random
import time

from labs.monitoring.application.settings import given
from labs.monitoring.trouble import Trouble, file_of


def has(trouble: Trouble, share: float = 1.0) -> bool:
    """Whether the site is in this trouble now, and this call is in the *share* that has it."""
    return file_of(given["folder"], trouble).exists() and random.random() < share


def take_some_time(mean: float) -> None:
    """Wait, for *mean* s on average."""
    time.sleep(min(random.expovariate(1 / mean), 10 * mean))
