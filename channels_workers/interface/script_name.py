"""The prefix below which a site is mounted; Django calls it the script name.

Proxies forward paths with the prefix or without it. Servers differ too: Daphne passes on the path
of the request, uvicorn puts its ``--root-path`` in front, as the ASGI specification demands.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from channels_workers.interface.types import Application, Scope


def script_name(scope: Scope) -> str:
    """Return ``FORCE_SCRIPT_NAME`` or the scope's ``root_path``, with no slash at the end."""
    return str(settings.FORCE_SCRIPT_NAME or scope.get("root_path") or "").rstrip("/")


def path_info(path: str, prefix: str) -> str:
    """Return *path* without *prefix*; unchanged if a proxy has removed that already.

    Only whole segments count: ``/talkative/`` is not below ``/talk``.
    """
    if not prefix or not f"{path}/".startswith(f"{prefix}/"):
        return path
    return path[len(prefix) :] or "/"


def mounted(scope: Scope) -> Scope:
    """Return *scope* with the script name as ``root_path``, and a ``path`` that begins with it."""
    prefix = script_name(scope)
    if not prefix or "path" not in scope:
        return scope
    path = prefix + path_info(scope["path"], prefix)
    known = _is_mounted(scope, prefix, path)
    return scope if known else {**scope, "root_path": prefix, "path": path}


def at_script_name(application: Application) -> Application:
    """Return *application*, served with the prefix of the site in its scopes.

    Put it around the outermost router of Channels 4. A router ignores ``FORCE_SCRIPT_NAME``, and
    refuses a path from which a proxy took the prefix.
    """

    async def serve(scope: Scope, receive: Any, send: Any) -> None:
        await application(mounted(scope), receive, send)

    return serve


def _is_mounted(scope: Scope, prefix: str, path: str) -> bool:
    return bool(scope["path"] == path and scope.get("root_path") == prefix)
