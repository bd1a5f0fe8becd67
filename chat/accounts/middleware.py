"""The page for too many attempts."""

import math

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from chat.accounts.attempts import TooManyAttempts


class AnswersTooManyAttempts(MiddlewareMixin):
    """Answers 429 when a view or the admin raises ``TooManyAttempts``."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page with the time to wait. None for other exceptions."""
        if not isinstance(exception, TooManyAttempts):
            return None
        context = {"minutes": math.ceil(exception.seconds / 60)}
        response = render(request, "registration/too_many.html", context, status=429)
        response["Retry-After"] = str(math.ceil(exception.seconds))
        response["Cache-Control"] = "no-store"
        # Already logged, with the address.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
