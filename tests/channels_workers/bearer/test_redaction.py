"""Tokens in log lines."""

import logging
from io import StringIO
from typing import Any

import pytest
from daphne.access import AccessLogGenerator
from pytest_django import Settings
from uvicorn.logging import AccessFormatter

from channels_workers.bearer import wire
from channels_workers.bearer.redaction import NoSecrets, redacted
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne.access_log import redact_access_log

SECRET = "S3cretS3cretS3cret"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.S3cret-S3cret_S3cret"


@pytest.mark.parametrize(
    "text",
    [
        *(f"GET /a?token={SECRET}", f"/a?x=1&ACCESS_TOKEN={SECRET}&y=2", f"token={SECRET}"),
        *(f"/a%3Ftoken%3D{SECRET}", f"/a?jwt={SECRET}#x", f"/?session_key={SECRET}"),
        *(f"Authorization: Bearer {SECRET}", f"authorization: bearer  {SECRET}"),
        f"Sec-WebSocket-Protocol: {wire.SUBPROTOCOL}, {wire.to_subprotocol(SECRET)}",
        *(wire.to_frame(SECRET), repr(wire.to_frame(SECRET)), wire.to_frame(SECRET)[:-9] + "..."),
        f'"{wire.to_frame(SECRET)}"'.replace('"', '\\"'),
        f"an error with {JWT} in it",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    hidden = redacted(text)
    assert "cret" not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "text",
    [
        "GET /a?x=1&y=2 HTTP/1.1",
        "csrftoken=abc",
        "the bearer of this letter",
        "a token.",
        '{"message": "hello"}',
        "",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_names_of_parameters_are_a_setting(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {"SECRET_PARAMETERS": ["key"]}
    assert redacted("/?key=abc&token=def") == "/?key=***&token=def"
    settings.CHANNEL_TOKENS = {"SECRET_PARAMETERS": []}
    assert redacted("/?key=abc") == "/?key=abc"


def record(text: object, *args: Any) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, __file__, 1, text, args, None)


def test_the_parts_of_an_access_line_stay_apart() -> None:
    line = record('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "GET", f"/?token={SECRET}", "1.1", 200)
    assert NoSecrets().filter(line)
    assert line.args == ("1.2.3.4", "GET", "/?token=***", "1.1", 200)


def test_the_formatter_of_uvicorn_gets_its_arguments() -> None:
    # A method that looks like a part of a header, with what follows it in the line.
    line = record('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "bearer", f"/{'a' * 20}", "1.1", 200)
    line.name = "uvicorn.access"
    assert NoSecrets().filter(line)
    assert "bearer /aaaa" in AccessFormatter("%(request_line)s", use_colors=False).format(line)


def test_other_lines_are_hidden_as_a_whole() -> None:
    class Frame:
        def __str__(self) -> str:
            return wire.to_frame(SECRET)

    for line in (
        record("< %s", Frame()),
        record(f"/?token={SECRET}"),
        record("%(a)s", {"a": f"token={SECRET}"}),
        record("token=%s", SECRET),
    ):
        assert NoSecrets().filter(line)
        assert "cret" not in line.getMessage()


def test_a_line_that_cannot_be_formatted_is_kept() -> None:
    assert NoSecrets().filter(record("%d", "x"))


@pytest.mark.parametrize("text", ["-eyJ", ".eyJ", "bearer ", "token.", '"token', "&token=", "%3f"])
def test_hostile_lines_are_quick(text: str) -> None:
    # Quadratic time would be minutes, and the time limit of a test.
    assert redacted(text * 200_000)


def test_the_access_log_of_daphne() -> None:
    redact_access_log()
    redact_access_log()
    stream = StringIO()
    details = {
        "client": "1.2.3.4:5",
        "method": "GET",
        "path": f"/?token={SECRET}",
        "status": 200,
        "size": 5,
    }
    AccessLogGenerator(stream)("http", "complete", details)
    assert '"GET /?token=***" 200 5' in stream.getvalue()


def test_another_daphne_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    parts.forget()
    redact_access_log(type("AccessLogGenerator", (), {}))
    assert "has no write_entry" in caplog.text
    parts.forget()
