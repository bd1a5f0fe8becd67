"""System checks of ``CHANNEL_TOKENS``, and of routes that would take tokens from addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channels_workers.bearer.configuration import SYMMETRIC, jwt_settings, token_settings
from channels_workers.checks.routes import all_routes
from channels_workers.checks.routing import load_router
from channels_workers.tokens.validation import validators

#: The validator of JWTs, and the function that prepares its keys; they need the extra `jwt`.
JWT, JWT_KEYS = "channels_workers.jwt.validate", "channels_workers.jwt.validator.prepared_keys"

#: The shortest shared secret (bytes), as RFC 7518, 3.2 demands for HS256.
SHORTEST_SECRET = 32


@register("channels_workers")
def check_tokens(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check CHANNEL_TOKENS."""
    try:
        token_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Correct CHANNEL_TOKENS.", id="channels_workers.E028")]
    try:
        validators()
        if JWT in token_settings().VALIDATORS:
            import_string(JWT_KEYS)()
    except ImproperlyConfigured as error:
        hint = "Correct VALIDATORS or JWT in CHANNEL_TOKENS, or install what is missing."
        return [Error(str(error), hint=hint, id="channels_workers.E029")]
    return [*_short_secrets(), *_endless()]


def _short_secrets() -> Iterator[CheckMessage]:
    for number, key in enumerate(jwt_settings().KEYS, 1):
        size = len(key["KEY"].encode())
        if key["ALGORITHM"] in SYMMETRIC and size < SHORTEST_SECRET:
            yield checks.Warning(
                f"The key {number} of CHANNEL_TOKENS['JWT']['KEYS'] has {size} bytes. Anybody with "
                "one token can guess a short secret, and then issue tokens.",
                hint=f"Use at least {SHORTEST_SECRET} random bytes: "
                '`python -c "import secrets; print(secrets.token_urlsafe(48))"`.',
                id="channels_workers.W020",
            )


def _endless() -> Iterator[CheckMessage]:
    limits = token_settings()
    if limits.VALIDATORS and not limits.REQUIRE_EXPIRY and not limits.LONGEST:
        yield checks.Warning(
            "CHANNEL_TOKENS accepts tokens without an expiry (REQUIRE_EXPIRY), and has no LONGEST. "
            "A stolen token then opens sockets, and keeps them open, for ever.",
            hint="Set LONGEST to the seconds after which a client must renew its token.",
            id="channels_workers.W021",
        )


@register("channels_workers")
def check_token_routes(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Look for routes that match a token in the query string."""
    try:
        routes, names = all_routes(load_router().root.routing), token_settings().SECRET_PARAMETERS
    except (ImproperlyConfigured, ValueError):  # which other checks report
        return []
    found = [
        (each, name)
        for each in routes
        for pattern in each.filters.get("query_string", ())
        for name in names
        if f"{name}=" in pattern.pattern
    ]
    return [
        checks.Warning(
            f"The route {each} matches the parameter {name!r} in addresses. Proxies and browsers "
            "keep addresses in logs and histories, with the token.",
            hint="Let the client send the token in a subprotocol, a header or its first frame, and "
            "use @token_user.",
            id="channels_workers.W022",
        )
        for each, name in found
    ]
