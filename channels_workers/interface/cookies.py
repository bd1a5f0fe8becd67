"""Drops cookies that take too long to parse.

A quoted value may have escapes. Python before 3.11.10 and 3.12.6 needs quadratic time to decode
them: 64 KB block a process for 8 seconds.
"""

from __future__ import annotations

from channels_workers.interface.types import Scope

#: Longest cookie with escapes, its name included (bytes). Django's own cookies have no escapes.
LONGEST_ESCAPED = 1024


def with_readable_cookies(scope: Scope) -> Scope:
    """Return *scope* without the cookies that have escapes and are too long."""
    headers = scope.get("headers", ())
    if not any(name == b"cookie" and _may_be_costly(value) for name, value in headers):
        return scope
    return {**scope, "headers": [(name, _cleaned(name, value)) for name, value in headers]}


def _may_be_costly(cookies: bytes) -> bool:
    return len(cookies) > LONGEST_ESCAPED and b"\\" in cookies


def _cleaned(name: bytes, value: bytes) -> bytes:
    if name != b"cookie":
        return value
    return b";".join(pair for pair in value.split(b";") if not _may_be_costly(pair))
