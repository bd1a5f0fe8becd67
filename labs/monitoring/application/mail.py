"""A task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.monitoring.application.trouble import has, take_some_time
from labs.monitoring.trouble import Trouble

if TYPE_CHECKING:
    from django.tasks import task
else:
    try:
        from django.tasks import task
    except ImportError:  # before Django 6
        from django_tasks import task


@task
def send_mail(to: str) -> None:
    """Take the time of a mail, or fail as the bad release does."""
    take_some_time(0.02)
    if has(Trouble.BAD_RELEASE, share=0.3):
        raise ConnectionRefusedError("The server of mail does not answer.")
