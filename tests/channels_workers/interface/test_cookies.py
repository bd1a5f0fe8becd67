import time
from typing import Any

import pytest
from django.http import parse_cookie

from channels_workers.interface.application import Interface
from channels_workers.interface.cookies import LONGEST_ESCAPED, with_readable_cookies
from tests.channels_workers.interface.test_health import ask

LONG = LONGEST_ESCAPED + 1
COSTLY = [
    b'a="' + b"\\" * LONG + b'"',
    b'a="' + b"\\0" * LONG + b'"',
    b'a="' + b'\\"' * LONG + b'"',
    b"\\" * LONG,
]


def cookies_of(*headers: tuple[bytes, bytes]) -> list[bytes]:
    scope = with_readable_cookies({"type": "http", "headers": list(headers)})
    return [value for name, value in scope["headers"] if name == b"cookie"]


@pytest.mark.parametrize("costly", COSTLY)
def test_a_cookie_that_is_slow_to_parse_is_dropped(costly: bytes) -> None:
    assert cookies_of((b"cookie", b"one=1; " + costly + b"; two=2")) == [b"one=1; two=2"]
    assert cookies_of((b"cookie", costly), (b"cookie", b"two=2")) == [b"", b"two=2"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"one=1; two=2",
        b'a="with \\"escapes\\" and \\054"',
        b"one=" + b"a" * 10_000,
        b"; ".join([b'a="\\054"'] * 1000),
    ],
)
def test_other_cookies_are_unchanged(value: bytes) -> None:
    headers = [(b"cookie", value), (b"x-other", b"\\" * LONG)]
    scope = {"type": "http", "headers": headers}
    assert dict(with_readable_cookies(scope)["headers"]) == dict(headers)


def test_without_slow_cookies_the_header_is_unchanged() -> None:
    for scope in ({"type": "lifespan"}, {"type": "http", "headers": [(b"cookie", b"one=1")]}):
        assert with_readable_cookies(scope) is scope


async def test_escapes_in_64_kb_of_cookies_do_not_stall_a_server() -> None:
    """Unpatched Python 3.11.7 takes 8 seconds to parse them and serves nobody else meanwhile."""
    seen = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        for name, value in scope["headers"]:
            seen.append(parse_cookie(value.decode("latin-1")) if name == b"cookie" else {})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    application = Interface(page, lambda: None)  # type: ignore[arg-type, return-value]
    whole = b'a="' + b"\\" * 64_000 + b'"; one=1'
    many = b"; ".join([b'b="' + b"\\" * (LONGEST_ESCAPED - 10) + b'"'] * 62)
    began = time.process_time()
    for cookies in (whole, many):
        await ask(application, "/", headers=[(b"cookie", cookies)])
    assert time.process_time() - began < 3
    assert seen[0] == {"one": "1"}
    assert list(seen[1]) == ["b"]
