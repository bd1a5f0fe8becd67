"""Transient errors, after which a message runs again.

They are the exceptions of ``CHANNEL_WORKERS["RETRY_ON"]``, such as a lost database.
"""

from __future__ import annotations

from functools import cache
from typing import TypeGuard

from django.core.signals import setting_changed
from django.dispatch import receiver

from channels_workers.conf import configuration
from channels_workers.conf_values import exception_class
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
    """Return whether *error* is transient; a group is if all its parts are."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_retried, error.exceptions))
    return isinstance(error, retried_errors())


def is_put_off(error: BaseException | None) -> bool:
    """Return whether a consumer that raised *error* runs again, as if it had not run."""
    return isinstance(error, ConsumeLater) or (error is not None and is_retried(error))
