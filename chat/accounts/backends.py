"""Django's password backend with rate limits."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from chat.accounts import attempts


class LimitedBackend(ModelBackend):
    """Django's own backend, unless there were too many attempts. The admin uses it too.

    Raises ``TooManyAttempts``, and ``PermissionDenied`` for a wrong password, which keeps Django
    from trying other backends. Calls without a request are not counted.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user with this name and password."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        attempts.check_log_in_rate(request)
        made = attempts.log_in_limit(request, username)
        made.begin()
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            raise PermissionDenied
        made.succeed()
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Do the same as :meth:`authenticate`."""
        authenticate = sync_to_async(self.authenticate)
        return await authenticate(request, username, password, **kwargs)
