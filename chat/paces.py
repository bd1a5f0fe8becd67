"""Rate limits per client address, counted in the database for all servers together.

A cookie identifies a guest, and a client without cookies is a new guest on each socket. So
addresses have limits too, wide enough for a school that shares one.

A rate of 300 in 60 s allows a burst of 300, then five a second. This is GCRA, the generic cell rate
algorithm. One row per address and kind of action has the time at which the full burst is available
again. One UPDATE checks and counts. Rows with a time in the past are deleted.
"""

import logging
import time

from django.conf import settings
from django.db import IntegrityError, connections, models, router, transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from channels_workers.logs import fields
from chat.frames import FrameError
from chat.limits import Rate, tenths

logger = logging.getLogger(__name__)

#: The kinds of actions that are counted. Each has a setting.
SAY, ARRIVE, MAKE_ROOM, LOG_IN = "say", "arrive", "room", "login"
SETTINGS = {
    SAY: "CHAT_ADDRESS_RATE_LIMIT",
    ARRIVE: "CHAT_ARRIVAL_RATE_LIMIT",
    MAKE_ROOM: "CHAT_ROOM_RATE_LIMIT",
    LOG_IN: "LOGIN_PACE",
}

#: Limit of remembered refusals. Each address is logged once.
_KNOWN = 1000

# Raw SQL, because each message runs it: the ORM takes longer to write it than a database to run it.
_RAISE = (
    "UPDATE chat_pace SET until = CASE WHEN until > %%s THEN until ELSE %%s END + %%s "
    "WHERE %s = %%s AND until <= %%s"
)

# The last refusal of each address that has been logged.
_refused: dict[str, float] = {}


class TooFast(FrameError):
    """An address exceeds its rate. ``seconds`` is how long it has to wait."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__("too_fast", detail)
        self.seconds = seconds


class PaceManager(models.Manager["Pace"]):
    """Counts the actions of addresses."""

    def admit(self, what: str, address: str) -> None:
        """Count one action, or raise ``TooFast``. The unknown address, "", has no limit.

        A transaction that is rolled back does not count it.
        """
        rate: Rate | None = getattr(settings, SETTINGS[what])
        if rate is None or not address:
            return
        wait = self.take(_key(what, address), rate, time.time())
        if wait > 0:
            _note(what, address, rate)
            detail = gettext(
                "Too much from your network: up to %(count)d in %(span)g s; "
                "try again in %(wait)s s."
            )
            values = {"count": rate[0], "span": rate[1], "wait": tenths(wait)}
            raise TooFast(detail % values, wait)

    def take(self, key: str, rate: Rate, now: float) -> float:
        """Count one action at ``now`` and return 0, or return the seconds to wait."""
        if self._raise(key, rate, now):
            return 0.0
        known = self.filter(key=key).values_list("until", flat=True).first()
        if known is None:
            return self._begin(key, rate, now)
        if known > now + 2 * rate[1]:  # a wrong clock, or a longer limit before
            self.filter(key=key).update(until=now + rate[1] / rate[0])
            return 0.0
        return max(known + rate[1] / rate[0] - rate[1] - now, 0.001)

    def _raise(self, key: str, rate: Rate, now: float) -> bool:
        count, span = rate
        using = connections[router.db_for_write(self.model)]
        with using.cursor() as cursor:
            # A small tolerance: rounding would refuse the last one.
            latest = now + span - span / count + 1e-6
            cursor.execute(
                _RAISE % using.ops.quote_name("key"), [now, now, span / count, key, latest]
            )
            return bool(cursor.rowcount > 0)

    def _begin(self, key: str, rate: Rate, now: float) -> float:
        try:
            with transaction.atomic():
                self.create(key=key, until=now + rate[1] / rate[0])
        except IntegrityError:  # another process has just created it
            return 0.0 if self._raise(key, rate, now) else rate[1] / rate[0]
        return 0.0

    def forget(self) -> None:
        """Delete the rows whose time has passed."""
        self.filter(until__lt=time.time()).delete()


class Pace(models.Model):
    """The time (s since 1970) until which an address uses its rate. ``key`` is a hash."""

    key = models.CharField(max_length=40, unique=True)
    until = models.FloatField(db_index=True)

    objects = PaceManager()

    def __str__(self) -> str:
        return f"{self.key} until {self.until}"


def _key(what: str, address: str) -> str:
    # A one-way hash, so that the database holds no addresses.
    return salted_hmac("chat.paces", f"{what} {address}", algorithm="sha256").hexdigest()[:40]


def _note(what: str, address: str, rate: Rate) -> None:
    """Log that an address is refused, once until it has been quiet for a while."""
    now, subject = time.monotonic(), f"{what} {address}"
    last = _refused.pop(subject, None)
    while len(_refused) >= _KNOWN:
        _refused.pop(next(iter(_refused)), None)
    _refused[subject] = now
    if last is None or now - last > max(rate[1], 60.0):
        logger.warning(
            "The address %s exceeds its rate (%s): more than %d in %g s is refused. If many people "
            "share it, raise %s. If it is your proxy's, correct TRUSTED_PROXIES.",
            *(address, what, *rate, SETTINGS[what]),
            extra=fields("address_too_fast", client=address),
        )
