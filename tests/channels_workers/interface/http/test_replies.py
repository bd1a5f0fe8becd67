"""What consumers may answer a request with."""

from typing import Any

import pytest

from channels_workers.interface.http.replies import (
    BadReply,
    head_of,
    part_of,
    request_content,
)

EVENTS = [[b"Content-Type", b"text/event-stream; charset=utf-8"]]


def test_a_head_has_lower_case_names_and_bytes() -> None:
    cookies = [["Set-Cookie", "a=é"], (b"Set-Cookie", b"b=2")]
    head = head_of({"status": 201, "headers": cookies})
    assert head.event == {
        "type": "http.response.start",
        "status": 201,
        "headers": [(b"set-cookie", b"a=\xe9"), (b"set-cookie", b"b=2")],
    }
    assert (head.has_body, head.length, head.is_event_stream) == (True, None, False)
    assert head_of({"status": 200}).event["headers"] == []
    assert head_of({"status": 200, "headers": None}).event["headers"] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "no status, but the keys"),
        ({"text": "hi", "accept": True}, r"no status, but the keys \['accept', 'text'\]"),
        ({"status": "200"}, "its status is '200'"),
        ({"status": True}, "its status is True"),
        ({"status": 99}, "its status is 99"),
        ({"status": 101}, "its status is 101"),
        ({"status": 600}, "from 200 to 599"),
        ({"status": 200, "headers": {"a": "b"}}, "its headers are dict"),
        ({"status": 200, "headers": [["a"]]}, "each must be a pair"),
        ({"status": 200, "headers": ["ab"]}, "each must be a pair"),
        ({"status": 200, "headers": [["a", 1]]}, "it must be bytes or text"),
        ({"status": 200, "headers": [["a", "\u20ac"]]}, "not Latin-1"),
        ({"status": 200, "headers": [["a b", "c"]]}, "no name of a header"),
        ({"status": 200, "headers": [["", "c"]]}, "no name of a header"),
        ({"status": 200, "headers": [["a", "b\r\nc: d"]]}, "has a line break"),
        ({"status": 200, "headers": [["a", "b\n"]]}, "has a line break"),
        ({"status": 200, "headers": [[b"a", b"\0"]]}, "has a line break or a null byte"),
        ({"status": 200, "headers": [["Content-Length", "-1"]]}, "its Content-Length is"),
    ],
)
def test_a_bad_head_is_explained(content: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        head_of(content)


@pytest.mark.parametrize(
    ("headers", "is_event_stream"),
    [
        (EVENTS, True),
        ([["content-type", "TEXT/EVENT-STREAM"]], True),
        ([["content-type", "text/event-streams"]], False),
        ([*EVENTS, ["content-encoding", "gzip"]], False),
        ([*EVENTS, ["content-length", "10"]], False),
        ([], False),
    ],
)
def test_event_streams_are_recognized(headers: Any, is_event_stream: bool) -> None:
    assert head_of({"status": 200, "headers": headers}).is_event_stream == is_event_stream


@pytest.mark.parametrize("status", [204, 205, 304])
def test_some_responses_have_no_body(status: int) -> None:
    assert not head_of({"status": status}).has_body


def test_parts() -> None:
    assert part_of({"content": b"a", "more_content": True}) == (b"a", True)
    assert part_of({"content": ""}) == (b"", False)
    assert part_of({}) == (b"", False)
    for wrong in ("text", None, 1, [b"a"]):
        with pytest.raises(BadReply, match=r"it must be bytes"):
            part_of({"content": wrong})


def test_the_content_of_a_request() -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/app/a/",
        "root_path": "/app",
        "scheme": "https",
        "query_string": b"q=1",
        "headers": [(b"host", b"x")],
        "client": ("10.0.0.1", 5),
        "server": None,
        "http_version": "1.0",
    }
    content = request_content(scope, "s!once.1", b"abc", 5)
    assert content == {
        "http_version": "1.0",
        "method": "POST",
        "path": "/a/",
        "root_path": "/app",
        "scheme": "https",
        "query_string": b"q=1",
        "headers": [[b"host", b"x"]],
        "client": ["10.0.0.1", 5],
        "server": None,
        "body": b"abc",
        "body_channel": "s!once.1.body",
        "body_size": 5,
    }
    whole = request_content({"method": "GET", "path": "/"}, "s!safe.1", b"abc", 3)
    assert (whole["body_channel"], whole["http_version"], whole["scheme"]) == (None, "1.1", "http")
