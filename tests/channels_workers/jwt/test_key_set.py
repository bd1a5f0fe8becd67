"""Public keys at an address."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import User
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pytest_django import Settings

from channels_workers.jwt import key_set
from channels_workers.jwt.key_set import KeySet
from channels_workers.tokens import TokenRefused, verify
from tests.channels_workers.jwt.test_validator import EC, EC_PUBLIC, ED, ED_PUBLIC, RSA, RSA_PUBLIC

pytestmark = pytest.mark.django_db

ALL = ("RS256", "ES256", "EdDSA")
Answer = Callable[[BaseHTTPRequestHandler], None]


class Issuer:
    """A real HTTP server with keys. `count` is how often they were fetched."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: list[Any] = []
        self.answer: Answer = self.answer_with_keys
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.count += 1
                issuer.answer(self)

            def log_message(self, *args: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def answer_with_keys(self, handler: BaseHTTPRequestHandler) -> None:
        answer(handler, json.dumps({"keys": self.keys}).encode())


def answer(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.keys = [jwk(RSAAlgorithm, RSA_PUBLIC, "first")]
    thread = threading.Thread(target=issuer.server.serve_forever, daemon=True)
    thread.start()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()
    thread.join()


def jwk(kind: Any, pem: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """The public key as an issuer publishes it."""
    found = kind() if kind is OKPAlgorithm else kind(kind.SHA256)
    content: dict[str, Any] = json.loads(kind.to_jwk(found.prepare_key(pem)))
    content = {key: value for key, value in content.items() if key not in ("key_ops", "alg")}
    return {**content, **({"kid": name} if name else {}), **more}


def names(keys: KeySet, name: str | None = None) -> list[tuple[str, str]]:
    return [(key.algorithm, key.id) for key in keys.named(name)]


def test_keys_are_fetched_once(issuer: Issuer) -> None:
    keys = KeySet(issuer.url, ALL)
    assert issuer.count == 0
    for _ in range(5):
        assert names(keys, "first") == [("RS256", "first")]
        assert names(keys) == [("RS256", "first")]
    assert issuer.count == 1


def test_unknown_names_do_not_cause_fetches(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeySet(issuer.url, ALL)
    for number in range(100):
        assert names(keys, f"made up {number}") == []
    assert issuer.count == 1
    issuer.keys.append(jwk(RSAAlgorithm, RSA_PUBLIC, "second"))
    assert names(keys, "second") == []
    monkeypatch.setattr(key_set, "PAUSE", 0.0)  # as if it were over
    assert names(keys, "second") == [("RS256", "second")]
    assert issuer.count == 2


def test_old_keys_are_used_while_new_ones_cannot_be_fetched(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = KeySet(issuer.url, ALL)
    assert names(keys, "first")
    monkeypatch.setattr(key_set, "PAUSE", 0.0)
    monkeypatch.setattr(key_set, "FRESH", 0.0)
    issuer.answer = lambda handler: answer(handler, b"", 500)
    assert names(keys, "first") == [("RS256", "first")]
    assert issuer.count == 2
    [record] = caplog.records
    assert record.__dict__["event"] == "keys_not_fetched"
    monkeypatch.setattr(key_set, "KEPT", 0.0)
    assert names(keys, "first") == []


WRONG = {
    "no JSON": b"<html>",
    "deep": b"[" * 100_000,
    "too large": b" " * 300_000 + b"{}",
    "no keys": b"{}",
    "a list": b"[]",
    "keys of another type": b'{"keys": 5}',
    "not UTF-8": b"\xff\xfe\xfd",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers(name: str, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.answer = lambda handler: answer(handler, WRONG[name])
    keys = KeySet(issuer.url, ALL)
    assert names(keys) == names(keys) == []
    assert issuer.count == 1
    assert len(caplog.records) == 1


def test_a_redirect_is_not_followed(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.answer = lambda handler: answer(handler, b"", 302, Location="/elsewhere")
    assert names(KeySet(issuer.url, ALL)) == []
    assert issuer.count == 1
    assert "302" in caplog.text


def test_a_server_that_drips_is_given_up(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(key_set, "TIMEOUT", 0.2)
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not over.wait(0.01):
                handler.wfile.write(b" ")
        except OSError:
            """The client has left."""

    issuer.answer = drip
    began = time.monotonic()
    assert names(KeySet(issuer.url, ALL)) == []
    over.set()
    assert time.monotonic() - began < 10
    assert "took more than 0.2 s" in caplog.text


def test_only_public_keys_for_signatures_count(issuer: Issuer) -> None:
    issuer.keys = [
        jwk(RSAAlgorithm, RSA_PUBLIC, "rsa"),
        jwk(ECAlgorithm, EC_PUBLIC, "ec"),
        jwk(OKPAlgorithm, ED_PUBLIC, "ed"),
        jwk(RSAAlgorithm, RSA_PUBLIC, "for encryption", use="enc"),
        jwk(RSAAlgorithm, RSA_PUBLIC, "another algorithm", alg="RS512"),
        jwk(RSAAlgorithm, RSA_PUBLIC, "not for its type", alg="ES256"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a secret", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a secret in disguise", "alg": "RS256"},
        {"kty": ["RSA"], "kid": "x"},
        {"kty": "RSA", "kid": {}},
        {"kty": "RSA", "kid": "no numbers"},
        {},
        5,
        None,
    ]
    assert names(KeySet(issuer.url, ALL)) == [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")]
    assert names(KeySet(issuer.url, ["ES256"])) == [("ES256", "ec")]
    issuer.keys = issuer.keys[:1] * 100
    assert len(names(KeySet(issuer.url, ALL))) == 64


def test_threads_share_one_fetch(issuer: Issuer) -> None:
    keys = KeySet(issuer.url, ALL)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(names(keys, "first"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[("RS256", "first")]] * 8
    assert issuer.count == 1


def test_tokens_of_an_issuer(issuer: Issuer, settings: Settings) -> None:
    issuer.keys = [
        jwk(RSAAlgorithm, RSA_PUBLIC, "rsa"),
        jwk(ECAlgorithm, EC_PUBLIC),
        jwk(OKPAlgorithm, ED_PUBLIC, "ed"),
    ]
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.jwt.validate"],
        "JWT": {"JWKS_URL": issuer.url},
    }
    ann = User.objects.create_user("ann")
    claims = {"sub": str(ann.pk), "exp": time.time() + 60}
    assert verify(jwt.encode(claims, RSA, "RS256", headers={"kid": "rsa"})).user == ann
    assert verify(jwt.encode(claims, EC, "ES256")).user == ann
    assert verify(jwt.encode(claims, ED, "EdDSA", headers={"kid": "ed"})).user == ann
    for wrong in (
        jwt.encode(claims, RSA, "RS256", headers={"kid": "ed"}),
        jwt.encode(claims, RSA, "RS256", headers={"kid": "unknown"}),
        jwt.encode(claims, RSA, "RS512", headers={"kid": "rsa"}),
        jwt.encode(claims, "k" * 64, "HS256", headers={"kid": "rsa"}),
    ):
        with pytest.raises(TokenRefused):
            verify(wrong)
    assert issuer.count == 1
