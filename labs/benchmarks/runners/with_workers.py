"""The tasks on this package."""

from __future__ import annotations

import django

django.setup()

from labs.benchmarks.runners.workers import tasks  # noqa: E402  (models are loaded now)

SENDERS = {"nothing": tasks.nothing.enqueue, "hold": tasks.hold.enqueue}
