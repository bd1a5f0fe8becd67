"""What the values of the setting ``CHANNEL_WORKERS`` must be, and the errors if they are not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

Connect = Literal["explicit", "accept"]
Http = Literal["interface", "workers"]

LAST_PORT = 65_535

#: Numbers that may be 0.
MAY_BE_ZERO = (
    *("DRAIN_TIME", "RETURN_TIME", "TRUSTED_PROXIES", "CONNECTIONS_PER_ADDRESS"),
    "HANDSHAKES_AT_ONCE",
    *("REQUESTS_PER_ADDRESS", "REQUESTS_AT_ONCE", "LOG_LINES_PER_MINUTE", "FRAME_RATE"),
    *("RESUME_TIME", "RESPONSE_TIMEOUT", "SLOW_CONSUMER", "CONSUMER_TIMEOUT"),
)

#: An entry of each list of strings.
EXAMPLES = {
    "ALLOWED_ORIGINS": "https://chat.example.com",
    "MIDDLEWARE": "mysite.middleware.timing",
    "RELAY": "default",
    "TRACING_BAGGAGE": "tenant",
}

#: The longest time for which the layer keeps a connection (s).
LONGEST_RESUME = 24 * 3600

#: Shares: numbers up to 1.
SHARES = ("STREAM_THREADS",)


def check(name: str, given: Any, default: Any) -> None:
    """Raise :class:`~django.core.exceptions.ImproperlyConfigured` if *given* is no value of *name*.

    Its *default* says of which kind it must be.
    """
    if own_check := OWN_CHECKS.get(name):
        own_check(given)
    elif isinstance(default, bool):
        _check_bool(name, given)
    elif name == "REQUEST_ID_HEADER":
        _check_header(name, given)
    elif isinstance(default, str):
        _check_path(name, given)
    elif isinstance(default, tuple):
        _check_texts(name, given, EXAMPLES[name])
    else:
        _check_number(name, given, is_whole=isinstance(default, int))


def _check_choice(name: str, given: Any, choices: Sequence[str], more: str = "") -> None:
    if not isinstance(given, str) or given not in choices:
        allowed = " or ".join(map(repr, choices))
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be {allowed}{more}, not {given!r}."
        )


def _check_connect(given: Any) -> None:
    _check_choice("CONNECT", given, get_args(Connect))


def _check_http(given: Any) -> None:
    if not isinstance(given, dict):
        _check_choice("HTTP", given, get_args(Http), ", or a dict of path prefixes")
        return
    for prefix, choice in given.items():
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            raise ImproperlyConfigured(
                "CHANNEL_WORKERS['HTTP'] must have path prefixes that begin with a slash as keys, "
                f"such as '/poll/', not {prefix!r}."
            )
        if choice not in get_args(Http):
            raise ImproperlyConfigured(
                f"CHANNEL_WORKERS['HTTP'][{prefix!r}] must be 'interface' or 'workers', "
                f"not {choice!r}."
            )
    if "/" not in given:
        raise ImproperlyConfigured(
            "CHANNEL_WORKERS['HTTP'] must have the key '/', for the paths without a prefix of "
            f"their own: 'interface' or 'workers'. It has {given!r}."
        )


def _check_texts(name: str, given: Any, example: str) -> None:
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be a list of strings, such as "
            f'["{example}"], not {given!r}.'
        )


def _check_retry_on(given: Any) -> None:
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise ImproperlyConfigured(
            "CHANNEL_WORKERS['RETRY_ON'] must be a list of dotted names of exceptions, such as "
            f'["django.db.OperationalError"], not {given!r}.'
        )
    for item in given:
        exception_class(item)


def exception_class(path: str) -> type[Exception]:
    """Return the exception with the dotted name *path*, an entry of RETRY_ON.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if there is none.
    """
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS['RETRY_ON'] names {path!r}, which cannot be imported: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS['RETRY_ON'] must name subclasses of Exception; {path!r} is {found!r}."
        )
    return found


def _check_path(name: str, given: Any) -> None:
    if not isinstance(given, str) or not (given == "" or given.startswith("/")):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be a path that begins with a slash, such as "
            f"'/healthz', or '' for none, not {given!r}."
        )


def _check_ports(given: Any) -> None:
    try:
        metrics_ports(given)
    except ValueError as error:
        raise ImproperlyConfigured(f"CHANNEL_WORKERS['METRICS_PORT'] {error}") from None


def _check_host(given: Any) -> None:
    if not isinstance(given, str) or not given:
        raise ImproperlyConfigured(
            "CHANNEL_WORKERS['METRICS_HOST'] must be an address of this machine, such as "
            f"'127.0.0.1' or '0.0.0.0', not {given!r}."
        )


def metrics_ports(given: Any) -> range:
    """Return the ports of *given*, a value of METRICS_PORT; ValueError if it is none."""
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else "-"
    first, mark, last = text.partition("-")
    if text == "":
        return range(0)
    try:
        ports = range(int(first), int(last if mark else first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or not 1 <= ports[0] <= ports[-1] <= LAST_PORT:
        raise ValueError(
            f"must be a port, such as 9100, a range of them, such as '9100-9109', or '' for no "
            f"metrics, not {given!r}."
        )
    return ports


def _check_header(name: str, given: Any) -> None:
    if not isinstance(given, str) or not re.fullmatch(r"[A-Za-z0-9-]{0,100}", given):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be the name of a header, such as 'X-Request-ID', or "
            f"'' for none, not {given!r}."
        )


def _check_resume_time(given: Any) -> None:
    _check_number("RESUME_TIME", given, is_whole=True)
    if given > LONGEST_RESUME:
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS['RESUME_TIME'] must be at most {LONGEST_RESUME}, a day."
        )


def _check_bool(name: str, given: Any) -> None:
    if not isinstance(given, bool):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be True or False, not {given!r}."
        )


def _check_number(name: str, given: Any, *, is_whole: bool) -> None:
    fits = isinstance(given, int if is_whole else int | float) and not isinstance(given, bool)
    is_zero = fits and given == 0 and name in MAY_BE_ZERO
    if not fits or not (is_zero or 0 < given < math.inf):
        kind = "a whole number" if is_whole else "a number"
        least = "of at least 0" if name in MAY_BE_ZERO else "above 0"
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be {kind} {least}, not {given!r}."
        )
    if name in SHARES and given > 1:
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] is a share and must be at most 1, not {given!r}."
        )


#: Keys whose values have forms of their own.
OWN_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CONNECT": _check_connect,
    "HTTP": _check_http,
    "RETRY_ON": _check_retry_on,
    "METRICS_PORT": _check_ports,
    "METRICS_HOST": _check_host,
    "RESUME_TIME": _check_resume_time,
}
