"""Reactions to new, changed and deleted users and to log-outs, from any code."""

import logging
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest

from channels_workers import Channel
from channels_workers.logs import fields
from chat import guests
from chat.accounts.models import Name

# The channel of the consumer that makes sockets anonymous: chat.accounts.consumers.
LOGGED_OUT = "chat.logged-out"
# Fields of a user that affect names and log-ins.
FIELDS = ("username", "password", "is_active")

logger = logging.getLogger(__name__)


def connect() -> None:
    """Connect the receivers."""
    user = settings.AUTH_USER_MODEL
    pre_save.connect(before_save, sender=user, dispatch_uid="chat.accounts")
    post_save.connect(after_save, sender=user, dispatch_uid="chat.accounts")
    post_delete.connect(after_delete, sender=user, dispatch_uid="chat.accounts")
    user_logged_out.connect(logged_out, dispatch_uid="chat.accounts")


def before_save(instance: Any, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Raise ``ValidationError`` for an invalid name. Determines whose log-ins end."""
    if not _concerns_us(update_fields):
        return
    stored = get_user_model().objects.filter(pk=instance.pk).values(*FIELDS).first()
    if stored is None or stored["username"] != instance.username:
        Name.objects.check_free(instance.username, instance.pk)
    if stored and _ends_log_ins(stored, instance):
        transaction.on_commit(partial(tell, person=guests.person_of_user(instance)), robust=True)


def after_save(
    instance: Any, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Reserve the name for its account."""
    if _concerns_us(update_fields):
        Name.objects.keep(instance, is_new=created)


def after_delete(instance: Any, **_: Any) -> None:
    """End the log-ins of a deleted user."""
    transaction.on_commit(partial(tell, person=guests.person_of_user(instance)), robust=True)


def logged_out(request: HttpRequest, **_: Any) -> None:
    """Make the sockets of this log-in anonymous at once."""
    if key := request.session.session_key:
        # End it before notifying the workers, which might still find it otherwise.
        request.session.flush()
        tell(login=guests.login_of(key))


def tell(**content: str) -> None:
    """Notify the workers. Failures do not stop a log-out: each message checks the log-in."""
    try:
        Channel(LOGGED_OUT).send(content)
    except Exception:
        text = "Could not tell the sockets of an ended log-in."
        logger.exception(text, extra=fields("log_out_not_told"))


def _ends_log_ins(stored: dict[str, Any], user: Any) -> bool:
    has_another_password = stored["password"] != user.password
    return has_another_password or (stored["is_active"] and not user.is_active)


def _concerns_us(update_fields: frozenset[str] | None) -> bool:
    return update_fields is None or not update_fields.isdisjoint(FIELDS)
