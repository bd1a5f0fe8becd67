"""The frame for a room's members, shared so that all rooms do the same work.

The packages of 2017 import this too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime


def fields_of(text: str) -> dict[str, str]:
    """Return what a room sends to its members for the frame *text*."""
    return fields_from(json.loads(text))


def fields_from(said: Mapping[str, str]) -> dict[str, str]:
    """Return the same for what a client *said*."""
    return {
        "handle": said["handle"],
        "message": said["message"],
        "timestamp": datetime.now(tz=UTC).isoformat(),
    }


def frame_of(text: str) -> str:
    """Return the frame that a room sends to its members for the frame *text*."""
    return json.dumps(fields_of(text))
