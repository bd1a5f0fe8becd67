"""Keeps tokens out of logs: those in query strings, in headers and in frames."""

from __future__ import annotations

import logging
import re
from functools import cache

from django.core.signals import setting_changed

from channels_workers.bearer.configuration import token_settings

#: What stands in place of a secret.
HIDDEN = "***"

#: Loggers whose lines have addresses of clients or, at the level DEBUG, headers and frames.
LOGGERS = (
    *("uvicorn.access", "uvicorn.error", "uvicorn.asgi"),
    *("websockets.server", "websockets.protocol"),
    *("daphne.server", "daphne.http_protocol", "daphne.ws_protocol", "django.channels.server"),
    *("django.server", "django.request", "gunicorn.access", "asyncio"),
)

#: The logger whose formatter needs the arguments of each line, one by one.
ACCESS = "uvicorn.access"

#: Each begins with a group that stays.
_FORMS = (
    r"(\btoken\.)[A-Za-z0-9_-]{8,}",  # a subprotocol
    # Another one, which resumes a connection.
    r"(\bresume\.)(?:[a-z0-9]{1,8}-)?[0-9a-f]{16}(?:!|%21)[\w.!-]+",
    r"(\bbearer\s+)[^\s\"',]{16,}",
    r"(\"token\\*\"\s*:\s*\\*\")[^\"\\]*",  # a frame, perhaps quoted
    r"((?<![\w-])eyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*",  # a JWT, wherever it is
)


@cache
def _secret() -> re.Pattern[str]:
    names = "|".join(map(re.escape, token_settings().SECRET_PARAMETERS))
    before = r"(?:(?<=%3f)|(?<=%26)|(?<![\w-]))"
    of_query = rf"({before}(?:{names})(?:=|%3d))[^&;\s\"'#]*"
    return re.compile("|".join([*([of_query] if names else []), *_FORMS]), re.IGNORECASE)


def redacted(text: str) -> str:
    """Return *text* with ``***`` in place of tokens; see :class:`NoSecrets`."""
    return _secret().sub(lambda found: f"{next(filter(None, found.groups()))}{HIDDEN}", text)


class NoSecrets(logging.Filter):
    """Puts ``***`` in place of tokens in log lines.

    These are the values of ``SECRET_PARAMETERS`` in ``CHANNEL_TOKENS``, tokens in subprotocols, in
    ``Authorization: Bearer`` and in frames, and all JWTs. The engine puts it on the loggers of the
    server programs. Put it on your handlers too, which then hide them in the lines of all loggers.
    It does not look into the texts of exceptions.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide tokens in *record*, and keep it."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                redacted(each) if isinstance(each, str) else each for each in record.args
            )
        if record.name == ACCESS:
            return True
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # logging itself reports that
            return True
        if (hidden := redacted(text)) != text:
            record.msg, record.args = hidden, ()
        return True


_filter = NoSecrets()


def redact_lines() -> None:
    """Hide tokens in the lines of :data:`LOGGERS`; a second call does nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)


def _reset(*, setting: str, **kwargs: object) -> None:
    if setting == "CHANNEL_TOKENS":
        _secret.cache_clear()


setting_changed.connect(_reset)
