"""The cost of tokens: each kind is measured, and the table."""

import pytest

from labs.benchmarks.validating.__main__ import as_text, measure

WHAT = ["checks", "handshakes", "renewals", "other frames"]


@pytest.mark.django_db(transaction=True)
def test_each_kind_of_token_is_measured() -> None:
    found = measure(0.01, 1)
    assert list(found) == ["signed", "JWT, HS256", "JWT, RS256", "JWT, ES256"]
    for rates in found.values():
        assert list(rates) == WHAT
        assert all(rate > 0 for rate in rates.values())


def test_the_report() -> None:
    text = as_text({"signed": dict.fromkeys(WHAT, 1234.0)}, {"commit": "abc"})
    assert "| signed | 1,234 | 1,234 | 1,234 | 1,234 |" in text
