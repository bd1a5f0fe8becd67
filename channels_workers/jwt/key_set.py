"""Public keys at an address (JWKS, RFC 7517), fetched rarely, and never on the word of a client."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jwt

from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How long the keys are used before they are fetched again, and how long if that fails (s).
FRESH, KEPT = 600.0, 86_400.0

#: The least time between two fetches, whatever keys the tokens name (s).
PAUSE = 30.0

#: How long a fetch may take (s), less than a handshake waits; its largest answer (bytes); and the
#: most keys of it.
TIMEOUT, LARGEST, MOST_KEYS = 2.0, 256 * 1024, 64

#: The algorithm of a key that does not name one, by its type and curve.
ALGORITHMS = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
}


class Key(NamedTuple):
    """A key, prepared for its one algorithm; *id* is the ``kid`` of its tokens, or ""."""

    algorithm: str
    id: str
    prepared: Any


class KeySet:
    """The keys at *url* that are for one of *algorithms*; thread-safe."""

    def __init__(self, url: str, algorithms: Sequence[str]) -> None:
        self._url = url
        self._algorithms = algorithms
        self._lock = threading.Lock()
        self._keys: list[Key] = []
        self._fetched = self._tried = -math.inf  # monotonic seconds

    def named(self, name: str | None) -> list[Key]:
        """Return the keys with that ``kid``, or all; fetch them if they are old or lack it.

        Only one thread fetches. Others use the keys of before, and wait if there are none.
        """
        found = self._known(name)
        is_fresh = time.monotonic() - self._fetched < FRESH
        if (found and is_fresh) or not self._lock.acquire(blocking=not self._keys):
            return found
        try:
            if time.monotonic() - self._tried >= PAUSE:
                self._fetch()
        finally:
            self._lock.release()
        return self._known(name)

    def _known(self, name: str | None) -> list[Key]:
        if time.monotonic() - self._fetched > KEPT:
            return []
        return [key for key in self._keys if name is None or key.id == name]

    def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            self._keys = list(_usable(_read(self._url), self._algorithms))
            self._fetched = time.monotonic()
        except (OSError, ValueError, RecursionError) as error:
            text = "The keys at JWKS_URL cannot be fetched: %s. Those of before are used."
            logger.warning(text, described(error), extra=fields("keys_not_fetched"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Raises HTTPError for a redirect, which may lead to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return None: do not follow."""


def _read(url: str) -> Any:
    """Return the JSON at *url*; OSError or ValueError."""
    deadline = time.monotonic() + TIMEOUT
    data = b""
    with urllib.request.build_opener(_NoRedirect).open(url, timeout=TIMEOUT) as response:
        while part := response.read1(LARGEST):
            data += part
            if len(data) > LARGEST:
                raise ValueError(f"the answer has more than {LARGEST:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the answer took more than {TIMEOUT:g} s")
    return json.loads(data)


def _usable(content: Any, algorithms: Sequence[str]) -> Iterator[Key]:
    """Yield the public keys of a JWKS; ValueError if it is none."""
    keys = content.get("keys") if isinstance(content, Mapping) else None
    if not isinstance(keys, list):
        raise ValueError("the answer has no list of keys")
    for each in keys[:MOST_KEYS]:
        if isinstance(each, Mapping) and (key := _key(each, algorithms)):
            yield key


def _key(content: Mapping[str, Any], algorithms: Sequence[str]) -> Key | None:
    kind, curve, name = content.get("kty"), content.get("crv"), content.get("kid")
    if not isinstance(kind, str) or not all(isinstance(each, str | None) for each in (curve, name)):
        return None
    algorithm = content.get("alg") or ALGORITHMS.get((kind, curve))
    if content.get("use", "sig") != "sig" or algorithm not in algorithms:
        return None
    try:
        prepared = jwt.PyJWK(dict(content), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return Key(str(algorithm), str(name or ""), prepared)
