"""The texts that ``manage.py asyncapi`` writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings

from channels_workers.asyncapi.document import Document
from channels_workers.asyncapi.sockets import Socket, sockets_of
from channels_workers.asyncapi.typescript import as_typescript
from channels_workers.checks.routing import load_router

Warn = Callable[[str], Any]


def text_of(is_typescript: bool, title: str, version: str, server: str, warn: Warn) -> str:
    """Return the AsyncAPI document of the routing as JSON, or its types of TypeScript.

    *title* is by default the name of the project. *server* is a URL, or "". *warn* gets a line for
    each socket that is left out. Raises ``ValueError`` for another *server*, and for two messages
    of one name, ``TypeError`` for types that cannot be told apart, and
    :class:`~django.core.exceptions.ImproperlyConfigured` for a routing that cannot be used.
    """
    info = {"title": title or settings.ROOT_URLCONF.partition(".")[0], "version": version}
    sockets = _declared(sockets_of(load_router().root.routing), warn)
    document = Document(sockets, info, servers_of(server))
    if is_typescript:
        return as_typescript(document)
    return json.dumps(document.as_json(), indent=2, ensure_ascii=False) + "\n"


def _declared(sockets: list[Socket], warn: Warn) -> list[Socket]:
    """Return the sockets whose consumers declare something."""
    declared = [each for each in sockets if each.declaration.exchanges]
    for each in sockets:
        if each not in declared and not each.is_own:
            warn(
                f"Left out {each.path or 'any other path'}, as {', '.join(each.consumers)} declare "
                "no messages: add @receives, @sends or @declares."
            )
    return declared


def servers_of(url: str) -> dict[str, Any]:
    """Return the servers of the document; ``ValueError`` for a *url* of another scheme."""
    if not url:
        return {}
    scheme, _, rest = url.partition("://")
    if scheme not in ("ws", "wss") or not rest:
        raise ValueError(f"--server takes a URL such as wss://chat.example.com, not {url!r}.")
    host, _, path = rest.partition("/")
    server = {"host": host, "protocol": scheme}
    return {"default": {**server, "pathname": f"/{path.strip('/')}"} if path else server}
