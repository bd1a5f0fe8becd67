"""The id of a handshake or request, under which a proxy has it in its log."""

from __future__ import annotations

import re
import secrets

from channels_workers.interface.types import Scope

#: What proxies send: 32 hexadecimal digits by nginx, up to 200 characters by Heroku. Other bytes
#: could forge lines of a log.
_is_id = re.compile(r"[A-Za-z0-9._:+/=@-]{1,200}").fullmatch


def request_id(scope: Scope, header: str) -> str:
    """Return the value of *header* of a client; "" if *header* is.

    It is a new id if there is no value, more than one, or one that is no id.
    """
    if not header:
        return ""
    name = header.lower().encode()
    values = [bytes(value) for key, value in scope.get("headers", ()) if bytes(key).lower() == name]
    text = values[0].decode("latin-1") if len(values) == 1 else ""
    return text if _is_id(text) else secrets.token_hex(16)
