"""The setting ``CHANNEL_TOKENS``: every key with its default and its meaning.

It is read at first use, and again whenever a test changes the setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

#: The algorithms of JWTs that a key may have: with a shared secret, and with a public key.
SYMMETRIC = ("HS256", "HS384", "HS512")
ASYMMETRIC = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)

#: The most keys: a token that names none is tried with each.
MOST_KEYS = 16


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """The values of ``CHANNEL_TOKENS``; times in seconds."""

    #: Functions, as dotted names, that check a token; the first that knows it decides. Empty: no
    #: tokens.
    VALIDATORS: Sequence[str] = ()

    #: Path prefixes of sockets whose first frame is the token, unless the handshake has one.
    FIRST_FRAME: Sequence[str] = ()

    #: How long such a socket may take to send its token. Then it is closed with 4021.
    FIRST_FRAME_TIMEOUT: float = 10.0

    #: The longest token (characters). A longer one is refused unread.
    TOKEN_SIZE: int = 8192

    #: How much the clocks of the issuer and of this machine may differ.
    LEEWAY: float = 0.0

    #: How long a socket may live on one token, also if the token is valid for longer; 0 for no
    #: limit.
    LONGEST: float = 86_400.0

    #: Whether a token without an expiry is refused.
    REQUIRE_EXPIRY: bool = True

    #: For how long tokens of `issue()` are valid.
    SIGNED_LIFETIME: float = 300.0

    #: How many invalid tokens an address may send within a minute to one process. Then its tokens
    #: are refused unread until the minute is over. 0 for no limit.
    REFUSED_PER_ADDRESS: int = 0

    #: The names of parameters in query strings whose values no log line may contain.
    SECRET_PARAMETERS: Sequence[str] = (
        *("token", "access_token", "id_token", "refresh_token"),
        *("jwt", "api_key", "session_key", "session_token", "ticket"),
    )

    #: Keys and claims of JWTs, for `channels_workers.jwt.validate`; see :class:`JwtSettings`.
    JWT: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """The values of ``CHANNEL_TOKENS["JWT"]``."""

    #: Each key is a dict with ``ALGORITHM``, ``KEY`` (a secret or a public key in PEM) and, for
    #: tokens that name it in ``kid``, ``ID``. To rotate, list the new key beside the old one.
    KEYS: Sequence[Mapping[str, str]] = ()

    #: The address of public keys (JWKS), https, or "": they are fetched when a token needs them.
    JWKS_URL: str = ""

    #: The algorithms that keys at this address may have.
    JWKS_ALGORITHMS: Sequence[str] = ("RS256", "ES256", "EdDSA")

    #: The audience that tokens must be for (``aud``), or a list. None: tokens without one.
    AUDIENCE: str | Sequence[str] | None = None

    #: The issuer that tokens must be of (``iss``). None: any.
    ISSUER: str | None = None

    #: The claim that names the user.
    USER_CLAIM: str = "sub"

    #: The field of the user model that the claim is compared with.
    USER_FIELD: str = "pk"


MAY_BE_ZERO = ("LEEWAY", "LONGEST", "REFUSED_PER_ADDRESS")

Values = TypeVar("Values", TokenSettings, JwtSettings)


@cache
def token_settings() -> TokenSettings:
    """Return ``CHANNEL_TOKENS`` with its defaults.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for an unknown key or an invalid
    value.
    """
    given = getattr(settings, "CHANNEL_TOKENS", {})
    read = _read(TokenSettings, given, "CHANNEL_TOKENS")
    if read.JWT is not None:
        jwt_settings(read)
    if read.FIRST_FRAME and not read.VALIDATORS:
        raise ImproperlyConfigured(
            'CHANNEL_TOKENS["FIRST_FRAME"] needs VALIDATORS, which is empty: every token would be '
            "refused."
        )
    return read


def jwt_settings(of: TokenSettings | None = None) -> JwtSettings:
    """Return ``CHANNEL_TOKENS["JWT"]`` with its defaults; ImproperlyConfigured if it is invalid."""
    given = (of or token_settings()).JWT
    read = _read(JwtSettings, {} if given is None else given, 'CHANNEL_TOKENS["JWT"]')
    if len(read.KEYS) > MOST_KEYS:
        raise ImproperlyConfigured(
            f'CHANNEL_TOKENS["JWT"]["KEYS"] must have at most {MOST_KEYS} keys, '
            f"not {len(read.KEYS)}. Remove keys whose tokens have expired."
        )
    for key in read.KEYS:
        _check_key(key)
    if wrong := sorted(set(read.JWKS_ALGORITHMS).difference(ASYMMETRIC)):
        raise ImproperlyConfigured(
            'CHANNEL_TOKENS["JWT"]["JWKS_ALGORITHMS"] may have '
            f"{', '.join(ASYMMETRIC)}, not {wrong[0]!r}."
        )
    if read.JWKS_URL and not _is_address(read.JWKS_URL):
        raise ImproperlyConfigured(
            'CHANNEL_TOKENS["JWT"]["JWKS_URL"] must begin with https://. Only an address of this '
            "machine may begin with http://."
        )
    return read


def _is_address(url: str) -> bool:
    found = urlsplit(url)
    is_local = found.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(found.hostname) and (
        found.scheme == "https" or (found.scheme == "http" and is_local)
    )


def _read(kind: type[Values], given: Any, name: str) -> Values:
    known = {field.name: field.default for field in fields(kind)}
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{name} must be a dict, not {type(given).__name__}.")
    for key, value in given.items():
        if key not in known:
            raise ImproperlyConfigured(
                f"{name} has the unknown key {key!r}. Known keys: {', '.join(sorted(known))}."
            )
        if expected := _expected(key, value, known[key]):
            raise ImproperlyConfigured(f"{name}[{key!r}] must be {expected}.")
    return kind(**given)


def _expected(key: str, value: Any, default: Any) -> str:
    """Return what the value of *key* should be; "" if it is that. It may be secret."""
    shape = _SHAPES.get(key) or _SHAPES_BY_TYPE.get(type(default))
    if shape is None:
        return _expected_number(key, value, default)
    is_right, expected = shape
    return "" if is_right(value) else expected


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, kind) for each in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


Shape = tuple[Callable[[Any], bool], str]

#: The shapes of single values, and those of all others by the type of their defaults.
_SHAPES: Mapping[str, Shape] = {
    "KEYS": (lambda value: _is_list(value, Mapping), "a list of dicts"),
    "JWT": (lambda value: isinstance(value, Mapping), "a dict"),
    "AUDIENCE": (
        lambda value: value is None or _is_text(value) or _is_list(value, str),
        "a string, a list of strings or None",
    ),
    "JWKS_URL": (lambda value: isinstance(value, str), "a string"),
    "ISSUER": (lambda value: value is None or _is_text(value), "a string or None"),
}
_SHAPES_BY_TYPE: Mapping[type, Shape] = {
    bool: (lambda value: isinstance(value, bool), "True or False"),
    str: (_is_text, "a string"),
    tuple: (lambda value: _is_list(value, str), "a list of strings"),
}


def _expected_number(key: str, value: Any, default: float) -> str:
    kinds = int if isinstance(default, int) else int | float
    is_number = isinstance(value, kinds) and not isinstance(value, bool) and value < math.inf
    if is_number and (value > 0 or (value == 0 and key in MAY_BE_ZERO)):
        return ""
    return f"a number {'of at least' if key in MAY_BE_ZERO else 'above'} 0"


def _check_key(key: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured unless *key* is complete; its text does not quote the key."""
    unknown = set(key) - {"ALGORITHM", "KEY", "ID"}
    if unknown or not all(isinstance(value, str) and value for value in key.values()):
        raise ImproperlyConfigured(
            'A key in CHANNEL_TOKENS["JWT"]["KEYS"] must be a dict of the strings ALGORITHM, KEY '
            f"and perhaps ID. This one has {', '.join(sorted(map(str, key)))}."
        )
    if "KEY" not in key or key.get("ALGORITHM") not in SYMMETRIC + ASYMMETRIC:
        raise ImproperlyConfigured(
            'A key in CHANNEL_TOKENS["JWT"]["KEYS"] must have a KEY, and as its ALGORITHM one of '
            f"{', '.join(SYMMETRIC + ASYMMETRIC)}, not {key.get('ALGORITHM')!r}."
        )
    if key["ALGORITHM"] in ASYMMETRIC and "-----BEGIN " not in key["KEY"]:
        raise ImproperlyConfigured(
            f"A key for {key['ALGORITHM']} must be a public key in PEM, which begins with "
            "-----BEGIN. Check that it is not the name of a file."
        )
    if key["ALGORITHM"] in SYMMETRIC and "-----BEGIN " in key["KEY"]:
        raise ImproperlyConfigured(
            f"A key for {key['ALGORITHM']} must be a secret, and this one is a key in PEM. "
            "Everybody who has the public key could issue tokens."
        )


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_TOKENS":
        token_settings.cache_clear()


setting_changed.connect(_reset)
