"""How much one address may do: counted in the database, for all servers together.

A guest is whoever a cookie says, and a program that keeps none is another one on each socket. So
there are limits for addresses too, wide enough for a school that shares one.

A rate of 300 in 60 s lets 300 through at once, and then five a second. One row for each address and
thing holds the moment at which all that was let through is paid off, at that pace (GCRA, as in
networks): one UPDATE asks and counts. Rows of moments that are past are deleted.
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

#: What is counted; each has a setting.
SAY, ARRIVE, MAKE_ROOM, LOG_IN = "say", "arrive", "room", "login"
SETTINGS = {
    SAY: "CHAT_ADDRESS_RATE_LIMIT",
    ARRIVE: "CHAT_ARRIVAL_RATE_LIMIT",
    MAKE_ROOM: "CHAT_ROOM_RATE_LIMIT",
    LOG_IN: "LOGIN_PACE",
}

#: How many refused addresses the log is silent about at once.
_KNOWN = 1000

# As SQL, for each message runs it: Django's own takes longer to write it than a database to do it.
_RAISE = (
    "UPDATE chat_pace SET until = CASE WHEN until > %%s THEN until ELSE %%s END + %%s "
    "WHERE %s = %%s AND until <= %%s"
)

# When each refused address was refused last: those of which the log knows.
_refused: dict[str, float] = {}


class TooFast(FrameError):
    """An address does too much; ``seconds`` is how long it has to wait."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__("too_fast", detail)
        self.seconds = seconds


class PaceManager(models.Manager["Pace"]):
    """Lets an address do something once more, or says how long it has to wait."""

    def admit(self, what: str, address: str) -> None:
        """Count one more, or raise ``TooFast``. An unknown address, "", may all.

        In a transaction that is rolled back it is not counted.
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
        """Count one more at ``now`` and return 0, or for how long (s) it has to wait."""
        if self._raise(key, rate, now):
            return 0.0
        known = self.filter(key=key).values_list("until", flat=True).first()
        if known is None:
            return self._begin(key, rate, now)
        if known > now + 2 * rate[1]:  # by a clock that was wrong, or a limit that was longer
            self.filter(key=key).update(until=now + rate[1] / rate[0])
            return 0.0
        return max(known + rate[1] / rate[0] - rate[1] - now, 0.001)

    def _raise(self, key: str, rate: Rate, now: float) -> bool:
        count, span = rate
        using = connections[router.db_for_write(self.model)]
        with using.cursor() as cursor:
            # A hair more, or the last of them would not fit for the rounding.
            latest = now + span - span / count + 1e-6
            cursor.execute(
                _RAISE % using.ops.quote_name("key"), [now, now, span / count, key, latest]
            )
            return bool(cursor.rowcount > 0)

    def _begin(self, key: str, rate: Rate, now: float) -> float:
        try:
            with transaction.atomic():
                self.create(key=key, until=now + rate[1] / rate[0])
        except IntegrityError:  # somebody else has just begun
            return 0.0 if self._raise(key, rate, now) else rate[1] / rate[0]
        return 0.0

    def forget(self) -> None:
        """Delete what says nothing any more."""
        self.filter(until__lt=time.time()).delete()


class Pace(models.Model):
    """Until when (s since 1970) what an address did is not paid off; ``key`` cannot be read."""

    key = models.CharField(max_length=40, unique=True)
    until = models.FloatField(db_index=True)

    objects = PaceManager()

    def __str__(self) -> str:
        return f"{self.key} until {self.until}"


def _key(what: str, address: str) -> str:
    # Addresses are nobody's business: they are kept as what cannot be turned back.
    return salted_hmac("chat.paces", f"{what} {address}", algorithm="sha256").hexdigest()[:40]


def _note(what: str, address: str, rate: Rate) -> None:
    """Say in the log that an address is refused, once until it has been quiet for a while."""
    now, subject = time.monotonic(), f"{what} {address}"
    last = _refused.pop(subject, None)
    while len(_refused) >= _KNOWN:
        _refused.pop(next(iter(_refused)), None)
    _refused[subject] = now
    if last is None or now - last > max(rate[1], 60.0):
        logger.warning(
            "The address %s does too much (%s): what is above %d in %g s is refused. Where many "
            "people share it, raise %s; where it is your proxy's, correct TRUSTED_PROXIES.",
            *(address, what, *rate, SETTINGS[what]),
            extra=fields("address_too_fast", client=address),
        )
