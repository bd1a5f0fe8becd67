"""Reads settings from environment variables.

Each function takes the name of a variable and a default. It raises ``ImproperlyConfigured`` with
what was expected, what came, and what to do. An empty variable counts as unset, because hosting
panels and ``.env`` files do not tell the two apart.
"""

import math
import os
import re
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")

#: A comma before a URL of Redis; one in a password is none.
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=(?:[a-z0-9]{1,8}=)?(?:rediss?|unix)://)")
_NAMED_URL = re.compile(r"(?P<name>[a-z0-9]{1,8})=(?P<url>.*)", re.DOTALL)


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    """``1/true/yes/on`` or ``0/false/no/off``, in any case."""
    value = text(name).lower()
    if not value:
        return default
    if value not in TRUE + FALSE:
        raise refusal(name, f"one of {', '.join(TRUE)} or {', '.join(FALSE)}", f"{name}=0")
    return value in TRUE


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list: ``chat.example.org,www.example.org``."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def integer(name: str, default: int, least: int = 0, most: int | None = None) -> int:
    value = text(name)
    if not value:
        return default
    expected = f"a whole number of at least {least}" + (f" and at most {most}" if most else "")
    if not value.isdecimal() or int(value) < least or (most and int(value) > most):
        raise refusal(name, expected, f"{name}={default}")
    return int(value)


def seconds(name: str, default: float, *, may_be_zero: bool = False) -> float:
    """A positive number of seconds, or 0 with ``may_be_zero``."""
    value = text(name)
    if not value:
        return default
    number = _number(value)
    if not (number > 0 or (may_be_zero and number == 0)):
        expected = "0 or a positive" if may_be_zero else "a positive"
        raise refusal(name, f"{expected} number of seconds", f"{name}={default}")
    return number


def rate(name: str, default: str) -> tuple[int, float] | None:
    """``10/5`` is ten in any five seconds: ``(10, 5.0)``. ``0`` is no limit: ``None``."""
    value = text(name, default)
    if value == "0":
        return None
    count, _, span = value.partition("/")
    if not (count.isdecimal() and int(count) > 0 and _number(span) > 0):
        raise refusal(name, "<number>/<seconds>, or 0 for no limit", f"{name}={default}")
    return int(count), _number(span)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise refusal(name, f"one of {', '.join(allowed)}", f"{name}={default}")
    return value


def database(name: str, default: str) -> dict[str, Any]:
    """A database URL as an entry of ``DATABASES``."""
    try:
        return dict(dj_database_url.parse(text(name, default)))
    except (ValueError, KeyError):
        example = f"{name}=postgres://user:password@host:5432/name"
        raise refusal(name, "the URL of a database", example, secret=True) from None


def prefix(name: str) -> str:
    """The path prefix of the site, such as ``/talk``. A slash at the end is ignored."""
    value = text(name).rstrip("/")
    if value and not re.fullmatch(r"(/[\w.~-]+)+", value, re.ASCII):
        raise refusal(
            name, "a path of letters, digits and . _ ~ -, with / before each", f"{name}=/talk"
        )
    return value


def redis_url(name: str) -> str:
    """A ``redis://``, ``rediss://`` or ``unix://`` URL, or several as for `redis_urls`."""
    found = text(name)
    urls = redis_urls(found)
    if not all(url.startswith(("redis://", "rediss://", "unix://")) for url in urls.values()):
        example = f"{name}=redis://localhost:6379/0"
        raise refusal(name, "a redis://, rediss:// or unix:// URL", example, secret=True)
    if any(map(str.isdigit, urls)) and list(urls) != [str(number) for number in range(len(urls))]:
        example = f"{name}=a=redis://one:6379/0,b=redis://two:6379/0"
        raise refusal(name, "URLs that all have a name, or none", example, secret=True)
    return found


def redis_urls(found: str) -> dict[str, str]:
    """The URLs in ``a=redis://...,b=redis://...`` by name. Without names they are "0", "1", ..."""
    parts = _BETWEEN_URLS.split(found) if found else []
    named = [_NAMED_URL.fullmatch(part) for part in parts]
    return {
        match["name"] if match else str(number): match["url"] if match else part
        for number, (part, match) in enumerate(zip(parts, named, strict=True))
    }


def refusal(name: str, expected: str, cure: str, secret: bool = False) -> ImproperlyConfigured:
    """The error to raise. It leaves ``secret`` values out: a URL may have a password."""
    got = "something else" if secret else repr(text(name))
    return ImproperlyConfigured(
        f"The environment variable {name} must be {expected}, but it is {got}. "
        f"Set for example {cure}, or unset it for the default."
    )


def _number(value: str) -> float:
    """The finite number in ``value``, or NaN, which fails every comparison."""
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
