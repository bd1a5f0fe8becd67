"""Registers the pages with a site of Django's admin."""

from __future__ import annotations

from django.contrib.admin import AdminSite, site

from channels_workers.admin.dead_letters import DeadLetterAdmin
from channels_workers.admin.status import StatusAdmin
from channels_workers.models import DeadLetter, Status

__all__ = ["register"]


def register(to: AdminSite = site) -> None:
    """Register the pages with the site *to*, by default Django's own, unless they are there."""
    for model, page in ((Status, StatusAdmin), (DeadLetter, DeadLetterAdmin)):
        if not to.is_registered(model):
            to.register(model, page)
