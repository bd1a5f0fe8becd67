"""The reserved names of accounts, and the attempts to log in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext

from chat import names
from chat.accounts.lookalikes import KEY_LENGTH, key_of
from chat.characters import problem_in


class NameManager(models.Manager["Name"]):
    """Reserves names for accounts."""

    def is_taken(self, name: str, but_by: int | None = None) -> bool:
        """Whether another account than that of user ``but_by`` has a name like this."""
        found = self.filter(key=key_of(name))
        return (found if but_by is None else found.exclude(user_id=but_by)).exists()

    def as_known(self, name: str) -> str:
        """The name of the account with a name like this, or the given name if there is none."""
        users = get_user_model()._default_manager
        if users.filter(username=name).exists():  # an older account may have the same key
            return name
        found = users.filter(pk__in=self.filter(key=key_of(name)).values("user")).first()
        return found.get_username() if found else name

    def check_free(self, name: str, user_id: int | None = None) -> None:
        """Raise ``ValidationError`` if user ``user_id``, or a new one, cannot have the name."""
        if problem := problem_with(name):
            raise ValidationError(problem, code="invalid")
        if self.is_taken(name, but_by=user_id):
            raise taken()

    def keep(self, user: Any, *, is_new: bool) -> None:
        """Reserve the user's name. ``IntegrityError`` if somebody else has just taken it.

        Users from before names were reserved may share one. They keep it without a reservation
        until they change it.
        """
        key = key_of(user.get_username())
        has_one = self.filter(user_id=user.pk).exists()
        if is_new or has_one or not self.filter(key=key).exists():
            self.update_or_create(user_id=user.pk, defaults={"key": key})


class Name(models.Model):
    """A reserved name: the key of ``user``'s name and of all that look like it. Keys are unique."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    key = models.CharField(max_length=KEY_LENGTH, unique=True)

    objects = NameManager()

    def __str__(self) -> str:
        return self.key


class Attempt(models.Model):
    """An attempt to log in or to sign up. ``key`` is a hash of its address and name."""

    key = models.CharField(max_length=40)
    time = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["key", "time"], name="accounts_attempt_key")]

    def __str__(self) -> str:
        return f"{self.key} at {self.time}"


def problem_with(name: str) -> str | None:
    """Why this name is invalid, also as a handle. None if it is valid."""
    limit = settings.CHAT_HANDLE_LENGTH
    if len(name) > limit or len(key_of(name)) > KEY_LENGTH:
        return gettext("A name has up to %(limit)d characters.") % {"limit": limit}
    if names.has_controls(name):
        return gettext("A name has no control characters.")
    if not key_of(name):
        return gettext("Choose a name that can be seen.")
    return problem_in(name)


def taken() -> ValidationError:
    """The error for a name that another account has."""
    return ValidationError(
        gettext("This name, or one that looks like it, is taken. Choose another."), code="taken"
    )
