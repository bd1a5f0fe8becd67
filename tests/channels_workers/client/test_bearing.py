import time

import jwt
import pytest

from channels_workers.client import Token
from channels_workers.client.bearing import expiry_in, renewal_delay, token_of

SECRET = "a secret of the tests, of 32 bytes and more"


def test_a_json_web_token_brings_its_expiry() -> None:
    text = jwt.encode({"exp": 1_900_000_000}, SECRET)
    assert token_of(text) == Token(text, 1_900_000_000)
    assert token_of(Token(text, 5.0)).expires == 5.0


@pytest.mark.parametrize(
    "text", ["opaque", "a.b.c", "a.bnVsbA.c", "a.e30.c", "a." + "W" * 90_000 + ".c", "..", "a.é.c"]
)
def test_other_tokens_have_none(text: str) -> None:
    if text.isascii():
        assert token_of(text) == Token(text)
    else:
        with pytest.raises(ValueError, match="printable ASCII"):
            token_of(text)


@pytest.mark.parametrize("expiry", [True, "soon", None, float("nan"), float("inf")])
def test_an_expiry_that_is_no_time_is_none(expiry: object) -> None:
    header, _, signature = jwt.encode({}, SECRET).split(".")
    claims = jwt.utils.base64url_encode(f'{{"exp": {expiry!r}}}'.encode()).decode()
    assert token_of(f"{header}.{claims}.{signature}").expires is None


def test_the_renewal_is_early_and_random() -> None:
    delays = {renewal_delay(time.time() + 100) for _ in range(100)}
    assert len(delays) > 50
    assert all(delay is not None and 59 < delay <= 80 for delay in delays)
    assert renewal_delay(None) is None
    assert renewal_delay(time.time() - 1) is None


def test_the_seconds_in_an_answer_count_more_than_the_clock() -> None:
    now = time.time()
    assert now + 60 <= (expiry_in({"expires": 1.0, "seconds": 60}) or 0) <= now + 70
    assert expiry_in({"expires": 1.0, "seconds": None}) == 1.0
    assert expiry_in({"expires": None}) is None
