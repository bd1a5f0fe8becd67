"""Checks JWTs with the keys in ``CHANNEL_TOKENS["JWT"]``, and with those at ``JWKS_URL``.

Each key has one algorithm, and the token has no say in it. So a token without a signature is
refused, and so is one that is signed with a public key as if it were a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.signals import setting_changed

from channels_workers.bearer.configuration import JwtSettings, jwt_settings, token_settings
from channels_workers.jwt.key_set import Key, KeySet
from channels_workers.tokens.validation import TokenRefused, TokenUser

#: What the log says of a token; other errors are "it is malformed". Their texts may quote tokens.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidIssuedAtError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "it is for another audience"),
    (jwt.InvalidIssuerError, "it is of another issuer"),
    (jwt.MissingRequiredClaimError, "it lacks a claim that is required"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidAlgorithmError, "its algorithm is not the one of the key"),
)

#: After these errors another key may fit.
WRONG_KEY = (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)

#: What PyJWT raises beside its own errors for hostile tokens: JSON that is too deep, numbers that
#: are too large, and values of another type.
MALFORMED = (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError)

#: The longest value of the claim that names the user.
LONGEST_NAME = 255


def validate(token: str) -> TokenUser | None:
    """Return the user of a JWT; None for a token of another kind.

    Raises :class:`~channels_workers.tokens.TokenRefused`, and
    :class:`~django.core.exceptions.ImproperlyConfigured` for an unusable key.
    """
    if token.count(".") != 2 or ":" in token:
        return None
    options = jwt_settings()
    claims = _claims(token, options)
    expires = claims.get("exp")
    leeway = token_settings().LEEWAY
    user = _user(claims.get(options.USER_CLAIM), options.USER_FIELD)
    return TokenUser(user, None if expires is None else float(expires) + leeway, claims)


def _claims(token: str, options: JwtSettings) -> Mapping[str, Any]:
    refused = TokenRefused("its key is unknown")
    for key in _candidates(token):
        try:
            return _decoded(token, key, options)
        except WRONG_KEY as error:
            refused = TokenRefused(_reason(error))
        except MALFORMED as error:
            raise TokenRefused(_reason(error)) from None
    raise refused from None


def _candidates(token: str) -> list[Key]:
    """Return the keys that the token may be signed with: the named one, or all."""
    try:
        name = jwt.get_unverified_header(token).get("kid")
    except MALFORMED:
        raise TokenRefused("it is malformed") from None
    own = [key for key in prepared_keys() if name is None or key.id == name]
    fetched = key_set()
    return own if fetched is None or (own and name is not None) else own + fetched.named(name)


def _decoded(token: str, key: Key, options: JwtSettings) -> Mapping[str, Any]:
    limits = token_settings()
    required = [options.USER_CLAIM, *(["exp"] if limits.REQUIRE_EXPIRY else [])]
    found: Mapping[str, Any] = jwt.decode(
        token,
        key.prepared,
        algorithms=[key.algorithm],
        audience=options.AUDIENCE,
        issuer=options.ISSUER,
        leeway=limits.LEEWAY,
        options={"require": required},
    )
    return found


def _reason(error: Exception) -> str:
    found = (text for kind, text in REASONS if isinstance(error, kind))
    return next(found, "it is malformed")


def _user(name: Any, field: str) -> Any:
    is_name = isinstance(name, str | int) and not isinstance(name, bool)
    if not is_name or not 0 < len(str(name)) <= LONGEST_NAME or not str(name).isprintable():
        raise TokenRefused("its user does not exist")
    model = get_user_model()
    try:
        return model._default_manager.get(**{field: name})
    except (model.DoesNotExist, ValueError, OverflowError, ValidationError):
        raise TokenRefused("its user does not exist") from None


@cache
def prepared_keys() -> tuple[Key, ...]:
    """Return the keys of the settings; ImproperlyConfigured if there is none, or a bad one."""
    options = jwt_settings()
    if not (options.KEYS or options.JWKS_URL):
        raise ImproperlyConfigured(
            "channels_workers.jwt.validate has no keys. Set KEYS or JWKS_URL in "
            "CHANNEL_TOKENS['JWT']."
        )
    return tuple(_prepared(key) for key in options.KEYS)


@cache
def key_set() -> KeySet | None:
    """Return the keys at ``JWKS_URL``, which are fetched when a token needs them; None without."""
    options = jwt_settings()
    return KeySet(options.JWKS_URL, options.JWKS_ALGORITHMS) if options.JWKS_URL else None


def _prepared(key: Mapping[str, str]) -> Key:
    algorithm = key["ALGORITHM"]
    try:
        prepared = jwt.get_algorithm_by_name(algorithm).prepare_key(key["KEY"])
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
        raise ImproperlyConfigured(
            f"A key in CHANNEL_TOKENS['JWT']['KEYS'] is no key for {algorithm} "
            f"({type(error).__name__})."
        ) from error
    return Key(algorithm, key.get("ID", ""), prepared)


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_TOKENS":
        prepared_keys.cache_clear()
        key_set.cache_clear()


setting_changed.connect(_reset)
