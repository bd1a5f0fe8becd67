"""Finds WebSocketBridge, the JavaScript library of Channels 1.x, in templates and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels_workers_upgrade.findings import Finding

_BRIDGE = re.compile(r"WebSocketBridge\b|channels/js/websocketbridge\.js")
_PACKAGE = re.compile(r"""(from|require\()\s*["']django-channels["']""")
_LOAD = re.compile(r"\{%-?\s*load\s[^%]*\bstaticfiles\b")

_SERVED = "works as before: channels-workers serves `channels/js/websocketbridge.js`"
_BUNDLED = "the package of npm is no longer maintained: it speaks the same protocol, so keep it, "
_OR_OURS = "or load `channels/js/websocketbridge.js` of channels-workers"


def find_bridges(text: str) -> Iterator[Finding]:
    """Yield findings for a template or script that uses WebSocketBridge; notes, if it works."""
    uses = [number for number, line in _numbered(text) if _BRIDGE.search(line)]
    if uses:
        yield Finding(uses[0], "`WebSocketBridge`", _SERVED, is_note=True)
    for number, line in _numbered(text):
        if uses and _LOAD.search(line):
            yield Finding(number, "`{% load staticfiles %}`", "write `{% load static %}`")
        if _PACKAGE.search(line):
            yield Finding(number, "`django-channels`", _BUNDLED + _OR_OURS, is_note=True)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.splitlines(), start=1)
