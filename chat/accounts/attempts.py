"""Rate limits for log-ins and sign-ups, counted in the database for all servers together.

An attempt is counted before it is made, so concurrent attempts are limited like sequential ones. A
successful log-in does not count. Too many failures block only that client address, so nobody can
lock somebody else out of an account.
"""

import datetime as dt
import logging
import math
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from channels_workers.conf import configuration
from channels_workers.interface.client_address import client_address, network_of
from channels_workers.logs import fields
from chat.accounts.lookalikes import key_of
from chat.accounts.models import Attempt
from chat.limits import Rate
from chat.paces import LOG_IN, Pace, TooFast

logger = logging.getLogger(__name__)


class TooManyAttempts(Exception):
    """Too many attempts. The next one is allowed after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Too many attempts; the next one is allowed in {seconds:.0f} s.")
        self.seconds = seconds


class Count(NamedTuple):
    """A key to count attempts under, and its limit."""

    key: str
    rate: Rate


class AttemptLimit:
    """Counts a visitor's attempts by address and, in ``own``, by name, and limits them."""

    def __init__(
        self, what: str, address: str, counts: list[Count], own: list[Count] | None = None
    ) -> None:
        self.what = what
        self.address = address
        self.own = own or []
        self.counts = [*counts, *self.own]
        self._made: list[Attempt] = []

    def begin(self) -> None:
        """Count one attempt, or raise ``TooManyAttempts`` and count none."""
        now = timezone.now()
        Attempt.objects.filter(time__lt=now - longest_span()).delete()
        rows = [Attempt(key=count.key, time=now) for count in self.counts]
        self._made = Attempt.objects.bulk_create(rows)
        wait = max((_wait(count, now) for count in self.counts), default=0.0)
        if wait > 0:
            self._take_back()
            extra = fields("too_many_attempts", client=self.address)
            logger.warning("Too many attempts to %s from %s", self.what, self.address, extra=extra)
            raise TooManyAttempts(wait)

    def succeed(self) -> None:
        """Remove this attempt, and all others with the name."""
        self._take_back()
        Attempt.objects.filter(key__in=[count.key for count in self.own]).delete()

    def _take_back(self) -> None:
        Attempt.objects.filter(pk__in=[row.pk for row in self._made]).delete()


def log_in_limit(request: HttpRequest, name: str) -> AttemptLimit:
    """The limit of failed log-ins with this name, or a lookalike, from this address."""
    address = address_of(request)
    own = _count("name", f"{address} {key_of(name)}", settings.LOGIN_RATE_LIMIT)
    counts = _count("log in", address, settings.LOGIN_ADDRESS_RATE_LIMIT)
    return AttemptLimit("log in", address, counts, own)


def check_log_in_rate(request: HttpRequest) -> None:
    """Count a log-in from this address, good or bad, or raise ``TooManyAttempts``."""
    try:
        Pace.objects.admit(LOG_IN, address_of(request))
    except TooFast as error:
        raise TooManyAttempts(error.seconds) from None


def sign_up_limit(request: HttpRequest) -> AttemptLimit:
    """The limit of sign-ups from this address."""
    address = address_of(request)
    return AttemptLimit("sign up", address, _count("sign up", address, settings.SIGNUP_RATE_LIMIT))


def address_of(request: HttpRequest) -> str:
    """The client's address of a request, or its IPv6 network. Works with ASGI and WSGI."""
    peer, forwarded = request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR")
    return network_of(client_address(peer or "", forwarded or "", configuration().TRUSTED_PROXIES))


def longest_span() -> dt.timedelta:
    """The longest time for which an attempt counts."""
    rates = (
        settings.LOGIN_RATE_LIMIT,
        settings.LOGIN_ADDRESS_RATE_LIMIT,
        settings.SIGNUP_RATE_LIMIT,
    )
    return dt.timedelta(seconds=max((rate[1] for rate in rates if rate), default=0.0))


def _count(kind: str, subject: str, rate: Rate | None) -> list[Count]:
    # A one-way hash, so that the database holds no addresses.
    key = salted_hmac("chat.attempts", f"{kind} {subject}", algorithm="sha256").hexdigest()[:40]
    return [] if rate is None else [Count(key, rate)]


def _wait(count: Count, now: dt.datetime) -> float:
    """Seconds until the attempt just counted is allowed. 0 or less if it is."""
    most, span = count.rate
    since = now - dt.timedelta(seconds=span)
    found = Attempt.objects.filter(key=count.key, time__gt=since).order_by("-time")
    times = list(found.values_list("time", flat=True)[: most + 1])
    return math.ceil((times[most] - since).total_seconds()) if len(times) > most else 0.0
