"""JSON Web Tokens."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.jwt import validate
from channels_workers.tokens import TokenRefused, verify
from tests.channels_workers.tokens.conftest import is_about

pytestmark = pytest.mark.django_db

SECRET, OLD = "n" * 64, "o" * 64


def pems(private: Any) -> tuple[str, str]:
    """The private and the public key."""
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    written = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written.decode(), public.decode()


RSA, RSA_PUBLIC = pems(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC, EC_PUBLIC = pems(ec.generate_private_key(ec.SECP256R1()))
ED, ED_PUBLIC = pems(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def ann(settings: Settings) -> User:
    use(settings, {"ALGORITHM": "HS256", "KEY": SECRET})
    return User.objects.create_user("ann")


def use(settings: Settings, *keys: dict[str, str], **more: Any) -> None:
    names = {"REQUIRE_EXPIRY", "LEEWAY", "LONGEST"}
    options = {name: more.pop(name) for name in names & set(more)}
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.jwt.validate"],
        "JWT": {"KEYS": keys, **more},
        **options,
    }


def token(
    user: User, key: str = SECRET, algorithm: str = "HS256", kid: Any = None, **claims: Any
) -> str:
    content = {"sub": str(user.pk), "exp": int(time.time()) + 600, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, algorithm, headers={"kid": kid} if kid else None)


def refused(text: str) -> str:
    """Why it is refused."""
    with pytest.raises(TokenRefused) as raised:
        verify(text)
    assert text not in str(raised.value)
    return str(raised.value)


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: Any, content: Any, key: str = SECRET) -> str:
    """A token with these parts, signed with HS256 whatever they are."""
    text = f"{part(header)}.{part(content)}"
    return f"{text}.{part(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def test_a_token_names_its_user(ann: User) -> None:
    found = verify(token(ann, role="editor"))
    assert found.user == ann
    assert is_about(found.expires, 600)
    assert found.claims["role"] == "editor"


@pytest.mark.parametrize(
    ("algorithm", "private", "public"),
    [("RS256", RSA, RSA_PUBLIC), ("ES256", EC, EC_PUBLIC), ("EdDSA", ED, ED_PUBLIC)],
)
def test_public_keys(
    algorithm: str, private: str, public: str, ann: User, settings: Settings
) -> None:
    use(settings, {"ALGORITHM": algorithm, "KEY": public})
    right = token(ann, private, algorithm)
    assert verify(right).user == ann
    # The public key, which everybody has, is no secret.
    content = {"sub": str(ann.pk), "exp": time.time() + 600}
    confused = signed({"alg": "HS256", "typ": "JWT"}, content, public)
    assert refused(confused) == "its algorithm is not the one of the key"
    as_before = signed({"alg": algorithm, "typ": "JWT"}, content, public)
    assert refused(as_before) == "its signature is wrong"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_tokens_without_a_signature(ann: User, name: str) -> None:
    content = {"sub": str(ann.pk), "exp": time.time() + 600}
    for end in ("", part(b"x")):
        text = f"{part({'alg': name})}.{part(content)}.{end}"
        assert refused(text) in ("its algorithm is not the one of the key", "it is malformed")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm(ann: User, algorithm: str) -> None:
    assert refused(token(ann, SECRET, algorithm)) == "its algorithm is not the one of the key"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1000}, "it has expired"),
        ({"exp": None}, "it lacks a claim that is required"),
        ({"sub": None}, "it lacks a claim that is required"),
        ({"nbf": 1e11}, "it is not valid yet"),
        ({"iat": 1e11}, "it is not valid yet"),
        ({"aud": "others"}, "it is for another audience"),
        ({"sub": "99999"}, "its user does not exist"),
        ({"sub": "ann"}, "its user does not exist"),
        ({"sub": ""}, "its user does not exist"),
        ({"sub": "1\x00"}, "its user does not exist"),
        ({"sub": "9" * 200}, "its user does not exist"),
        ({"sub": "9" * 300}, "its user does not exist"),
    ],
    ids=str,
)
def test_claims_that_refuse_it(ann: User, claims: dict[str, Any], why: str) -> None:
    assert refused(token(ann, **claims)) == why


def test_the_leeway(ann: User, settings: Settings) -> None:
    use(settings, {"ALGORITHM": "HS256", "KEY": SECRET}, LEEWAY=120)
    late = token(ann, exp=int(time.time()) - 60)
    assert is_about(verify(late).expires, 60)
    assert verify(token(ann, nbf=int(time.time()) + 60)).user == ann
    assert refused(token(ann, exp=int(time.time()) - 180)) == "it has expired"


def test_audience_and_issuer(ann: User, settings: Settings) -> None:
    key = {"ALGORITHM": "HS256", "KEY": SECRET}
    use(settings, key, AUDIENCE="site", ISSUER="https://id.example.com")
    right = {"aud": ["app", "site"], "iss": "https://id.example.com"}
    assert verify(token(ann, **right)).user == ann
    assert refused(token(ann, **{**right, "aud": "app"})) == "it is for another audience"
    assert refused(token(ann, **{**right, "aud": None})) == "it lacks a claim that is required"
    assert refused(token(ann, **{**right, "iss": "x"})) == "it is of another issuer"
    assert refused(token(ann, **{**right, "iss": None})) == "it lacks a claim that is required"
    use(settings, key, AUDIENCE=["a", "b"])
    assert verify(token(ann, aud="b")).user == ann


def test_keys_are_rotated(ann: User, settings: Settings) -> None:
    new = {"ALGORITHM": "HS256", "KEY": SECRET, "ID": "new"}
    old = {"ALGORITHM": "HS256", "KEY": OLD, "ID": "old"}
    use(settings, new, old, {"ALGORITHM": "RS256", "KEY": RSA_PUBLIC, "ID": "rsa"})
    assert verify(token(ann, SECRET, kid="new")).user == ann
    assert verify(token(ann, OLD, kid="old")).user == ann
    assert verify(token(ann, RSA, "RS256", kid="rsa")).user == ann
    for private, algorithm in ((SECRET, "HS256"), (OLD, "HS256"), (RSA, "RS256")):
        assert verify(token(ann, private, algorithm)).user == ann  # which names no key
    assert refused(token(ann, OLD, kid="new")) == "its signature is wrong"
    assert refused(token(ann, SECRET, kid="unknown")) == "its key is unknown"
    use(settings, new)
    assert refused(token(ann, OLD, kid="old")) == "its key is unknown"
    assert refused(token(ann, OLD)) == "its signature is wrong"


def test_another_claim_names_the_user(ann: User, settings: Settings) -> None:
    key = {"ALGORITHM": "HS256", "KEY": SECRET}
    use(settings, key, USER_CLAIM="name", USER_FIELD="username")
    assert verify(token(ann, sub=None, name="ann")).user == ann
    assert refused(token(ann, name="bob")) == "its user does not exist"
    use(settings, key, USER_CLAIM="id")
    assert verify(token(ann, id=ann.pk)).user == ann
    assert refused(token(ann, id=True)) == "its user does not exist"
    assert refused(token(ann, id=[ann.pk])) == "its user does not exist"
    assert refused(token(ann, id=10**30)) == "its user does not exist"


def test_without_an_expiry(ann: User, settings: Settings) -> None:
    use(settings, {"ALGORITHM": "HS256", "KEY": SECRET}, REQUIRE_EXPIRY=False, LONGEST=1000)
    assert is_about(verify(token(ann, exp=None)).expires, 1000)


HEADER = {"alg": "HS256", "typ": "JWT"}
DEEP = b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"
HUGE = b'{"sub": "1", "exp": ' + b"9" * 5000 + b"}"
INFINITE = b'{"sub": "1", "exp": 1e999}'

HOSTILE = {
    "a deep header": f"{part(DEEP)}.{part({})}.{part(b'x')}",
    "deep claims": signed(HEADER, DEEP),
    "a huge number": signed(HEADER, HUGE),
    "an infinite time": signed(HEADER, INFINITE),
    "no time": signed(HEADER, b'{"sub": "1", "exp": NaN}'),
    "a time of another type": signed(HEADER, {"sub": "1", "exp": [1]}),
    "claims that are a list": signed(HEADER, [1]),
    "claims that are no JSON": signed(HEADER, b"\x00\xff"),
    "a header that is a list": signed([1], {"sub": "1"}),
    "a header that is null": signed(None, {"sub": "1"}),
    "a kid of another type": signed({**HEADER, "kid": {"a": 1}}, {"sub": "1"}),
    "an alg of another type": signed({**HEADER, "alg": ["HS256"]}, {"sub": "1"}),
    "critical extensions": signed({**HEADER, "crit": ["b64"], "b64": False}, {"sub": "1"}),
    "empty parts": "..",
    "no base64": "!.!.!",
    "one letter": "a.b.c",
    "a header of its own key": signed({**HEADER, "jwk": {"kty": "oct", "k": "eA"}}, {}, "x"),
    "a url of its own keys": signed({**HEADER, "jku": "http://127.0.0.1:1/"}, {}, "x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tokens_are_refused(ann: User, name: str) -> None:
    text = HOSTILE[name]
    assert len(text) < 20_000
    with pytest.raises(TokenRefused):
        validate(text)


def test_a_token_of_a_megabyte_is_not_read(ann: User) -> None:
    assert refused(token(ann, x="a" * 1_000_000)) == "it is malformed"


@pytest.mark.parametrize("text", ["abc", "a.b", "a.b.c.d.e", "1:a.b.c:x"])
def test_tokens_of_other_kinds(text: str, ann: User) -> None:
    assert validate(text) is None


def test_a_bad_key_is_reported_without_it(ann: User, settings: Settings) -> None:
    bad = "-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----"
    use(settings, {"ALGORITHM": "RS256", "KEY": bad})
    with pytest.raises(ImproperlyConfigured, match="no key for RS256") as raised:
        verify(token(ann))
    assert "c2Vj" not in str(raised.value)
    use(settings, {"ALGORITHM": "ES256", "KEY": RSA_PUBLIC})
    with pytest.raises(ImproperlyConfigured, match="no key for ES256"):
        verify(token(ann))
    use(settings)
    with pytest.raises(ImproperlyConfigured, match="no keys"):
        verify(token(ann))
