"""The combinations of versions to test.

Each version is tested once beside pinned ones. In addition, all minimum versions of pyproject.toml
are tested together, and all newest versions together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Combination:
    """A combination of versions to test.

    `packages` has those that differ from requirements.txt, `server` is a name of `servers.py`.
    """

    name: str
    python: str = "3.13"
    server: str = "redis-7.0"
    packages: Mapping[str, str] = field(default_factory=dict)


#: The lowest versions that the wheel's requirements allow.
LOWEST = {
    "django": "5.2",
    "channels": "4.3.0",
    "daphne": "4.2.2",
    "channels-redis": "4.3.0",
    "redis": "7.0.0",
    "hiredis": "3.2.0",
    "msgpack": "1.1.0",
    "asgiref": "3.9.1",
    "twisted": "24.11.0",
    "autobahn": "24.4.2",
}
NEWEST_DJANGO = "6.1.3"

COMBINATIONS = (
    Combination("as pinned"),
    Combination("Python 3.11", python="3.11"),
    Combination("Python 3.12", python="3.12"),
    Combination("Python 3.14", python="3.14"),
    Combination("Django 6.0", packages={"django": "6.0.10"}),
    Combination("Django 6.1", packages={"django": NEWEST_DJANGO}),
    Combination("redis-py 7", packages={"redis": "7.4.1"}),
    Combination("Redis 6.2", server="redis-6.2"),
    Combination("Redis 8.0", server="redis-8.0"),
    Combination("Redis 8.6", server="redis-8.6"),
    Combination("Valkey 8.0", server="valkey-8.0"),
    Combination("Valkey 9.1", server="valkey-9.1"),
    Combination("all lowest", python="3.11", server="redis-6.2", packages=LOWEST),
    Combination(
        "all highest", python="3.14", server="redis-8.6", packages={"django": NEWEST_DJANGO}
    ),
)
