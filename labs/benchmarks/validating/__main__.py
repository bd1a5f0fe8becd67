"""Measures what tokens cost a worker: checks, handshakes and renewals per second of its core.

Consumers run as in a worker, on the layer in memory. The users are in SQLite, in memory. Time is
that of the processor, so other programs on the machine do no harm.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import django
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import override_settings

from labs.benchmarks.measuring.conditions import as_markdown, conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.harness.command import GOOD, run_command
from labs.harness.report import number, table

COMMAND = "python -m labs.benchmarks.validating"
MEMORY = "channels_workers.layers.memory.InMemoryChannelLayer"
SIGNED, JWT = "channels_workers.tokens.signed.validate", "channels_workers.jwt.validate"
SECRET = "a secret of the benchmark, of 32 bytes and more"

#: Seconds of each measurement, and repeats, of a full run and of a quick one.
FULL, QUICK = (1.0, 5), (0.1, 1)

Make = Callable[[Any], str]


def kinds() -> Iterator[tuple[str, dict[str, Any], Make]]:
    """Yield each kind of token: its name, ``CHANNEL_TOKENS``, and what makes one for a user."""
    from channels_workers.tokens import issue  # noqa: PLC0415  (Django must be set up)

    yield "signed", {"VALIDATORS": [SIGNED]}, partial(issue, lifetime=3600)
    keys = {
        "HS256": (SECRET, SECRET),
        "RS256": _key_pair(rsa.generate_private_key(65537, 2048)),
        "ES256": _key_pair(ec.generate_private_key(ec.SECP256R1())),
    }
    for algorithm, (private, public) in keys.items():
        settings = {"KEYS": [{"ALGORITHM": algorithm, "KEY": public}]}
        make = partial(_make_jwt, private, algorithm)
        yield f"JWT, {algorithm}", {"VALIDATORS": [JWT], "JWT": settings}, make


def _key_pair(private: Any) -> tuple[Any, str]:
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public.decode()


def _make_jwt(key: Any, algorithm: str, user: Any) -> str:
    return jwt.encode({"sub": str(user.pk), "exp": time.time() + 3600}, key, algorithm)


def per_second(action: Callable[[], object], seconds: float) -> float:
    """Return how often *action* runs in a second of the processor."""
    action()
    count, began = 0, time.process_time()
    while (passed := time.process_time() - began) < seconds:
        action()
        count += 1
    return count / passed


def actions(make: Make, user: Any) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    from channels_workers.bearer.wire import to_frame  # noqa: PLC0415
    from channels_workers.test import WSClient, apply_routes  # noqa: PLC0415
    from channels_workers.tokens import verify  # noqa: PLC0415

    token = make(user)
    connected = _socket(WSClient, token)
    in_routes = apply_routes(routes())

    def handshake() -> None:
        with in_routes:
            _socket(WSClient, token).send_and_consume("websocket.connect", check_accept=False)

    def frame(text: str) -> None:
        with in_routes:
            connected.send_and_consume("websocket.receive", {"text": text}, check_accept=False)

    handshake()
    with in_routes:
        connected.send_and_consume("websocket.connect", check_accept=False)
    return {
        "checks": lambda: verify(token),
        "handshakes": handshake,
        "renewals": partial(frame, to_frame(token)),
        "other frames": partial(frame, "hello"),
    }


def _socket(make: Callable[[], Any], token: str) -> Any:
    client = make()
    client.set_header("authorization", f"Bearer {token}")
    return client


def routes() -> list[Any]:
    """Return consumers that know their user, and do nothing."""
    from channels_workers import route  # noqa: PLC0415
    from channels_workers.tokens import token_user  # noqa: PLC0415

    @token_user
    def accept(message: Any) -> None:
        message.reply_channel.send({"accept": bool(message.user.pk)})

    @token_user
    def receive(message: Any) -> None:
        pass

    return [route("websocket.connect", accept), route("websocket.receive", receive)]


def measure(seconds: float, repeats: int) -> dict[str, dict[str, float]]:
    """Return the medians of each kind of token. Django is set up, and its tables exist."""
    user = get_user_model().objects.create_user("ann")
    found = {}
    for name, settings, make in kinds():
        with override_settings(
            CHANNEL_TOKENS=settings, CHANNEL_LAYERS={"default": {"BACKEND": MEMORY}}
        ):
            found[name] = {
                what: statistics.median(per_second(action, seconds) for _ in range(repeats))
                for what, action in actions(make, user).items()
            }
    return found


def as_text(found: dict[str, dict[str, float]], given: dict[str, Any]) -> str:
    """Return the report."""
    columns = list(next(iter(found.values())))
    rows = [[name, *(number(rates[each]) for each in columns)] for name, rates in found.items()]
    figures = table(["token", *(f"{each}/s" for each in columns)], rows, numbers=True)
    parts = [["# The cost of tokens"], as_markdown(given), figures]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def run(options: argparse.Namespace, logs: Path) -> int:
    """Measure, and write the results."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": "chat_project.settings", "DEBUG": "0"}
    os.environ |= {"DATABASE_URL": "sqlite://:memory:", "ALLOWED_HOSTS": "localhost"}
    os.environ |= {"REDIS_URL": "redis://localhost", "SECRET_KEY": secrets.token_urlsafe(64)}
    django.setup()
    call_command("migrate", verbosity=0)
    seconds, repeats = QUICK if options.quick else FULL
    found = measure(seconds, repeats)
    given = conditions(COMMAND, sys.argv[1:])
    text = as_text(found, given)
    folder = QUICK_RESULTS if options.quick else RESULTS
    publish(folder, "tokens", text, {"conditions": given, "per second": found})
    return GOOD


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure once and briefly")
    return run_command("benchmarks", partial(run, parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
