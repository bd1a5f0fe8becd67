"""Trouble that the harness makes: a file for each kind says that the site is in it."""

from enum import Enum
from pathlib import Path


class Trouble(Enum):
    """What the site may be in."""

    #: A release with a consumer and a task that fail now and then.
    BAD_RELEASE = "bad-release"
    #: A service that the consumers of orders ask answers slowly.
    SLOW_SERVICE = "slow-service"


def file_of(folder: str | Path, trouble: Trouble) -> Path:
    """Return the file that says so."""
    return Path(folder) / trouble.value
