"""Errors that no consumer is to blame for, after which its message runs again.

Those are the exceptions of ``CHANNEL_WORKERS["RETRY_ON"]``: a database that is away, mostly.
"""

from __future__ import annotations

from functools import cache
from typing import TypeGuard

from django.core.signals import setting_changed
from django.dispatch import receiver

from channels_workers.conf import configuration, exception_class
from channels_workers.exceptions import ConsumeLater


@cache
def retried_errors() -> tuple[type[BaseException], ...]:
    """Return the exceptions of ``CHANNEL_WORKERS["RETRY_ON"]``."""
    return tuple(map(exception_class, configuration().RETRY_ON))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "CHANNEL_WORKERS":
        retried_errors.cache_clear()


def is_retried(error: BaseException | None) -> TypeGuard[BaseException]:
    """Say whether no consumer is to blame for *error*; for a group, for any part of it."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_retried, error.exceptions))
    return isinstance(error, retried_errors())


def is_put_off(error: BaseException | None) -> bool:
    """Say whether a consumer that raised *error* is to run again, as if it had not run."""
    return isinstance(error, ConsumeLater) or (error is not None and is_retried(error))
