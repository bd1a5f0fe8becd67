"""The pure protocol of a request by workers."""

from typing import Any

import pytest

from channels_workers.conf import Configuration
from channels_workers.flow import WINDOW
from channels_workers.http.responses import BUSY
from channels_workers.interface.actions import Close, Publish
from channels_workers.interface.close_codes import ABNORMAL
from channels_workers.interface.http.actions import (
    Cut,
    Refuse,
    Respond,
    Steps,
    Tell,
    TellBody,
    Withdraw,
)
from channels_workers.interface.http.request_protocol import STOPPING, RequestProtocol
from channels_workers.interface.http.response_protocol import KEEP_ALIVE
from channels_workers.layers.types import REQUEST, REQUEST_REFUSAL, ReplyKind

CLOSE = Close(ABNORMAL)
GONE = Tell({"gone": True})
EVENTS = {"status": 200, "headers": [["content-type", "text/event-stream"]], "more_content": True}
ONE_PAGE = {"status": 200, "content": b"hi"}


def request(method: str = "GET", body_size: int = 0, **limits: Any) -> RequestProtocol:
    """A request that is published."""
    scope = {"type": "http", "method": method, "path": "/a/", "headers": []}
    protocol = RequestProtocol(scope, body_size, Configuration(**limits))
    [step] = protocol.begin("reply", b"")
    assert isinstance(step, Publish)
    assert step[:2] == (REQUEST, 0)
    return protocol


def part(content: bytes, at: int, run: str = "one", **more: Any) -> dict[str, Any]:
    head = {"status": 200} if at == 0 else {}
    return {**head, "content": content, "more_content": True, "run": run, "at": at, **more}


def sent(steps: Steps) -> bytes:
    """The body in these steps, all of which must be for the client."""
    events = [step.event for step in steps if isinstance(step, Respond)]
    assert len(events) == len(steps), steps
    return b"".join(event.get("body", b"") for event in events)


def is_finished(steps: Steps) -> bool:
    last = steps[-1]
    return isinstance(last, Respond) and last.event.get("more_body") is False


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Any:
    """The events in the log until now."""
    return lambda: [vars(record)["event"] for record in caplog.records]


# Responses


def test_a_page_ends_with_its_commit() -> None:
    protocol = request()
    steps = protocol.reply(ONE_PAGE)
    assert sent(steps) == b"hi"
    assert is_finished(steps)
    assert protocol.is_complete
    assert not protocol.is_finished
    assert protocol.end_told() == []
    assert protocol.is_finished
    assert not protocol.is_in_flight


def test_a_page_whose_consumer_is_finished_otherwise_is_closed() -> None:
    protocol = request()
    protocol.reply(ONE_PAGE)
    assert protocol.release(1) == []  # of no message that it has
    assert protocol.release(0) == [CLOSE]
    assert protocol.release(0) == []


def test_a_long_poll_is_answered_after_its_consumer() -> None:
    protocol = request()
    assert not protocol.lingers
    assert protocol.release(0) == []
    assert protocol.lingers
    steps = protocol.reply(ONE_PAGE, to_group=True)
    assert sent(steps[:-1]) == b"hi"
    assert steps[-1] == CLOSE
    assert not protocol.lingers


def test_messages_to_groups_wait_for_the_consumer() -> None:
    protocol = request()
    assert protocol.reply({"content": b"2", "more_content": True}, to_group=True) == []
    assert protocol.reply({"content": b"3", "more_content": True}, to_group=True) == []
    assert sent(protocol.reply({**EVENTS, "content": b"1"})) == b"123"
    assert sent(protocol.reply({"content": b"4", "more_content": True}, to_group=True)) == b"4"


def test_messages_to_groups_follow_a_consumer_without_an_answer() -> None:
    protocol = request()
    assert protocol.reply(ONE_PAGE, to_group=True) == []
    assert protocol.reply(ONE_PAGE, to_group=True) == []
    steps = protocol.release(0)
    assert sent(steps[:-1]) == b"hi"  # and the second comes too late
    assert steps[-1] == CLOSE


@pytest.mark.parametrize("limit", [{"ANSWER_BYTES_WAITING": 3}, {"REPLIES_WAITING": 1}])
def test_messages_to_groups_wait_within_limits(limit: dict[str, int], events: Any) -> None:
    protocol = request(**limit)
    assert protocol.reply({"content": b"22"}, to_group=True) == []
    assert protocol.reply({"content": b"33"}, to_group=True) == [Refuse(503), CLOSE]
    assert events() == ["request_refused"]
    assert protocol.release(0) == []


def test_replies_after_the_end_are_ignored() -> None:
    protocol = request()
    protocol.reply(ONE_PAGE)
    for late in (ONE_PAGE, {"content": b"x"}, {"nothing": 1}):
        assert protocol.reply(late) == []


def test_a_head_request_gets_no_body() -> None:
    protocol = request("HEAD")
    length = [["Content-Length", "1000"]]
    steps = protocol.reply({"status": 200, "headers": length, "content": b"hi"})
    assert sent(steps) == b""
    assert steps[0].event["headers"] == [(b"content-length", b"1000")]  # type: ignore[union-attr]
    assert is_finished(steps)


def test_the_head_of_a_stream_goes_out_at_once() -> None:
    steps = request().reply(EVENTS)
    assert [step.event["type"] for step in steps] == [  # type: ignore[union-attr]
        "http.response.start",
        "http.response.body",  # or Daphne would keep the head
    ]


@pytest.mark.parametrize(
    "reply",
    [
        {"content": b"hi"},
        {"status": 200, "content": "hi"},
        {"status": 200, "headers": [["a", "b\n"]]},
        {"status": 200, "headers": [["content-length", "3"]], "content": b"hi"},
        {"status": 200, "headers": [["content-length", "1"]], "content": b"hi"},
        {**ONE_PAGE, "run": "one", "at": "0"},
        {**ONE_PAGE, "run": "one", "at": -1},
        {"read_body": [1, 5], "run": "one"},
        {"read_body": [0, 0], "run": "one"},
        {"read_body": "all", "run": "one"},
    ],
)
def test_a_bad_reply_is_answered_500(reply: dict[str, Any], events: Any) -> None:
    protocol = request()
    steps = protocol.reply(reply)
    assert (steps[0], steps[-1]) == (Refuse(500), CLOSE)
    assert events() == ["bad_reply"]
    assert protocol.release(0) == []


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 200},
        {"content": "hi"},
        REQUEST_REFUSAL,  # its worker has died
        {"content": b"12", "more_content": True},
        {"content": b""},
    ],
)
def test_a_bad_reply_cuts_a_response_that_has_begun(reply: dict[str, Any], events: Any) -> None:
    protocol = request()
    length = [["content-length", "1"]]
    protocol.reply({"status": 200, "headers": length, "more_content": True})
    assert protocol.reply(reply) == [Cut(), CLOSE]
    assert events() == ["bad_reply"]


def test_a_request_whose_worker_died_is_answered_502() -> None:
    steps = request("POST").reply(REQUEST_REFUSAL)
    assert sent(steps) == b"No worker finished this request.\n"
    assert steps[0].event["status"] == 502  # type: ignore[union-attr]


# Numbered parts


def test_numbered_parts_are_told_when_they_are_taken() -> None:
    protocol = request()
    steps = [*protocol.reply(part(b"abc", 0)), *protocol.reply(part(b"de", 3))]
    assert sent(steps) == b"abcde"
    assert [step.taken for step in steps if isinstance(step, Respond)] == [None, 3, 5]
    last = protocol.reply({"content": b"f", "more_content": False, "run": "one", "at": 5})
    assert is_finished(last)
    assert protocol.release(0) == [CLOSE]


def test_repeated_parts_are_dropped() -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    [repeated] = protocol.reply(part(b"abc", 0))
    assert sent([repeated]) == b""
    assert isinstance(repeated, Respond)
    assert repeated.taken == 3  # as this may be what its consumer asks
    assert sent(protocol.reply(part(b"cd", 2))) == b"d"
    assert sent(protocol.reply(part(b"", 4))) == b""
    last = protocol.reply(part(b"cd", 2, more_content=False))
    assert sent(last) == b""
    assert is_finished(last)


def test_a_last_message_without_a_number_completes_them() -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    last = protocol.reply({"content": b"d", "more_content": False})
    assert sent(last) == b"d"
    assert is_finished(last)


def test_a_gap_cuts_the_response(events: Any) -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    assert protocol.reply(part(b"x", 4)) == [Cut(), GONE, CLOSE]
    assert events() == ["response_cut"]
    assert protocol.reply(part(b"y", 5)) == [GONE]


def test_a_gap_before_the_response_is_answered_502(events: Any) -> None:
    assert request().reply(part(b"x", 4)) == [Refuse(502), GONE, CLOSE]
    assert events() == ["request_lost"]


def test_another_run_cuts_a_response_that_has_begun(events: Any) -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    assert protocol.reply(part(b"abc", 0, run="two")) == [Cut(), GONE, CLOSE]
    assert events() == ["response_cut"]


def test_a_stream_of_events_goes_on_after_a_repeated_beginning() -> None:
    protocol = request()
    begins = part(b":\n\n", 0, headers=EVENTS["headers"])
    protocol.reply(begins)
    news = {"content": b"data: 1\n\n", "more_content": True}
    assert sent(protocol.reply(news, to_group=True)) == b"data: 1\n\n"
    assert sent(protocol.reply(begins)) == b""
    assert protocol.release(0) == []
    assert sent(protocol.reply(news, to_group=True)) == b"data: 1\n\n"


def test_any_run_may_begin_the_response() -> None:
    protocol = request(body_size=10)
    assert protocol.reply({"read_body": [0, 5], "run": "one"}) == [TellBody(0, 5)]
    assert protocol.reply({"read_body": [0, 5], "run": "two"}) == [TellBody(0, 5)]
    assert sent(protocol.reply(part(b"abc", 0, run="two"))) == b"abc"


def test_a_body_is_told_by_windows() -> None:
    protocol = request("POST", body_size=10 * WINDOW)
    assert protocol.reply({"read_body": [7, 100 * WINDOW], "run": "one"}) == [TellBody(7, WINDOW)]


# The client


def test_a_client_that_leaves_closes_the_request() -> None:
    protocol = request()
    assert protocol.gone() == [CLOSE]
    assert protocol.gone() == []
    assert protocol.reply(ONE_PAGE) == []
    assert protocol.release(0) == []


def test_a_consumer_that_listens_hears_that_the_client_has_left() -> None:
    protocol = request(body_size=1)
    protocol.reply({"read_body": [0, 1], "run": "one"})
    assert protocol.gone() == [GONE, CLOSE]
    assert protocol.reply({"read_body": [0, 1], "run": "one"}) == [GONE]
    protocol.release(0)
    assert protocol.reply({"read_body": [0, 1], "run": "one"}) == []


def test_event_streams_are_kept_alive_between_messages() -> None:
    protocol = request()
    assert protocol.keep_alive() == []
    protocol.reply(EVENTS)
    assert sent(protocol.keep_alive()) == KEEP_ALIVE
    protocol.reply({"content": b"data: 1\n", "more_content": True})
    assert protocol.keep_alive() == []
    protocol.reply({"content": b"\n\n", "more_content": True})
    assert sent(protocol.keep_alive()) == KEEP_ALIVE
    protocol.reply({"content": b"", "more_content": True})
    assert protocol.keep_alive()
    protocol.reply({"content": b""})
    assert protocol.keep_alive() == []
    assert not protocol.is_event_stream


def test_a_keep_alive_does_not_count_for_numbered_parts() -> None:
    protocol = request()
    protocol.reply(part(b"data: 1\n\n", 0, headers=EVENTS["headers"]))
    assert protocol.keep_alive()
    assert sent(protocol.reply(part(b"data: 2\n\n", 9))) == b"data: 2\n\n"


# Time-outs


def test_a_request_that_no_worker_takes_is_taken_back(events: Any) -> None:
    protocol = request()
    assert protocol.wait_too_long() == [Withdraw()]
    assert protocol.withdrawn(True) == [Refuse(503)]
    assert protocol.is_finished
    assert not protocol.is_in_flight
    assert events() == ["request_timeout"]


def test_a_request_that_a_worker_has_is_waited_for(events: Any) -> None:
    protocol = request()
    assert protocol.wait_too_long() == [Withdraw()]
    assert protocol.withdrawn(False) == []
    assert sent(protocol.reply(ONE_PAGE)) == b"hi"
    assert events() == []


def test_a_layer_that_does_not_answer_is_not_waited_for(
    events: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert request().withdrawn(None) == [Refuse(503), CLOSE]
    assert request("POST").withdrawn(None) == [Refuse(502), CLOSE]  # it may have run
    assert request("POST").withdrawn(True) == [Refuse(503)]
    assert events() == ["request_timeout"] * 3
    assert "Does Redis answer?" in caplog.text


def test_a_request_that_a_worker_is_known_to_have_is_not_taken_back() -> None:
    heard, begun, released, answered = (request(body_size=1) for _ in range(4))
    heard.reply({"read_body": [0, 1], "run": "one"})
    begun.reply(EVENTS)
    released.release(0)
    answered.reply(ONE_PAGE)
    for protocol in (heard, begun, released, answered):
        assert protocol.wait_too_long() == []


def test_a_response_that_does_not_begin_in_time(
    events: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert request().time_out() == [Refuse(503), CLOSE]
    assert request("POST").time_out() == [Refuse(502), CLOSE]  # a 503 would be asked again
    assert "it is answered 502. Its consumer still runs" in caplog.text
    assert "still runs" in caplog.text
    protocol = request("POST")
    protocol.release(0)
    assert protocol.time_out() == [Refuse(502), CLOSE]
    assert "has returned without one" in caplog.text
    assert events() == ["request_timeout"] * 3
    assert protocol.time_out() == []


def test_a_response_that_nobody_goes_on_with(events: Any) -> None:
    protocol = request()
    assert protocol.fall_silent() == []  # time_out() is for its beginning
    protocol.reply({**ONE_PAGE, "more_content": True})
    assert protocol.fall_silent() == []  # its consumer runs
    protocol.release(0)
    assert protocol.fall_silent() == [Cut(), CLOSE]
    assert events() == ["response_cut"]
    assert protocol.fall_silent() == []
    stream = request()
    stream.reply(EVENTS)
    stream.release(0)
    assert stream.fall_silent() == []


def test_a_response_that_has_begun_may_take_longer() -> None:
    protocol = request()
    protocol.reply(EVENTS)
    assert protocol.time_out() == []


# Busy workers


@pytest.mark.parametrize(("method", "status"), [("GET", 503), ("POST", 502)])
def test_a_worker_refuses_a_stream(method: str, status: int) -> None:
    protocol = request(method)
    assert protocol.reply({**BUSY, "run": "one"}) == [Refuse(status)]
    assert protocol.is_complete
    assert protocol.end_told() == []  # it ends with the commit
    protocol = request(method)
    protocol.reply({**BUSY, "run": "one"})
    assert protocol.release(0) == [CLOSE]


def test_a_worker_gives_up_a_stream(events: Any, caplog: pytest.LogCaptureFixture) -> None:
    protocol = request()
    protocol.reply(part(b"begun", 0))
    assert protocol.reply(part(b"", 5, is_busy=True)) == [Cut(), GONE, CLOSE]
    assert events() == ["response_cut"]
    assert "STREAM_THREADS" in caplog.text


# Losses


@pytest.mark.parametrize(
    ("method", "kind"), [("GET", "safe."), ("trace", "safe."), ("PUT", "once.")]
)
def test_only_safe_requests_may_run_again(method: str, kind: str) -> None:
    protocol = request(method)
    assert protocol.kind is ReplyKind(kind)
    assert protocol.may_be_restored == (kind == "safe.")
    assert (protocol.in_flight is not None) == (kind == "safe.")
    protocol.release(0)
    assert protocol.may_be_restored  # as a long poll
    assert protocol.in_flight is None


def test_a_response_that_has_begun_is_not_run_again() -> None:
    protocol = request()
    protocol.reply({"status": 200, "more_content": True})
    assert not protocol.may_be_restored
    assert protocol.in_flight is None
    protocol.release(0)
    assert protocol.may_be_restored  # as a stream of its groups


def test_a_request_that_is_not_published_is_not_restored() -> None:
    scope = {"type": "http", "method": "GET", "path": "/a/"}
    protocol = RequestProtocol(scope, 0, Configuration())
    assert not protocol.may_be_restored
    assert protocol.end_told() == []
    assert not protocol.is_finished


def test_a_lost_request_is_answered_502(events: Any) -> None:
    protocol = request("POST")
    assert protocol.end_told() == [Refuse(502)]
    assert protocol.is_finished
    assert events() == ["request_lost"]


def test_a_request_that_may_still_be_published_is_closed() -> None:
    assert request("POST").end_told(is_taken=False) == [Refuse(502), CLOSE]


def test_a_page_that_ends_while_it_is_published_is_closed() -> None:
    protocol = request()
    protocol.reply(ONE_PAGE)
    assert protocol.end_told(is_taken=False) == [CLOSE]
    assert protocol.end_told() == []


def test_a_lost_response_is_cut() -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    assert protocol.end_told() == [Cut(), GONE]


def test_eviction() -> None:
    assert request("GET").evict() == [Refuse(503)]
    assert request("POST").evict() == [Refuse(502)]
    polls, begun, complete = request("POST"), request(), request()
    polls.release(0)
    assert polls.evict() == [Refuse(503)]  # it has run, and waits for news
    begun.reply(EVENTS)
    assert begun.evict() == [Cut()]
    complete.reply(ONE_PAGE)
    assert complete.evict() == []


def test_failed_publishes() -> None:
    assert request("POST").not_published() == [Refuse(503)]
    assert request("POST").too_large(ValueError("x")) == [Refuse(431)]
    assert request("POST").give_up("x") == [Refuse(502), CLOSE]
    assert request("GET").give_up("x") == [Refuse(503), CLOSE]


# The end of the server


def test_a_stopping_server_ends_what_waits_for_news() -> None:
    polls, streams, runs = request(), request(), request()
    polls.release(0)
    streams.reply(EVENTS)
    streams.release(0)
    assert polls.stop() == [STOPPING, CLOSE]
    steps = streams.stop()
    assert is_finished(steps[:-1])
    assert steps[-1] == CLOSE
    assert runs.stop() == []
    assert sent(runs.reply(ONE_PAGE)) == b"hi"
    for protocol in (polls, streams, runs):
        assert protocol.dismiss() == []


def test_a_stopping_server_ends_what_waits_for_news_later() -> None:
    polls, streams = request(), request()
    polls.stop()
    streams.stop()
    assert polls.release(0) == [STOPPING, CLOSE]
    steps = streams.reply({**EVENTS, "content": b"data: 1\n\n"})
    assert steps[-1] == CLOSE
    assert is_finished(steps[:-1])


def test_a_stream_whose_consumer_runs_hears_of_the_end() -> None:
    protocol = request()
    protocol.reply(part(b"data: 1\n\n", 0, headers=EVENTS["headers"]))
    steps = protocol.stop()
    assert steps[1:] == [GONE, CLOSE]
    assert is_finished(steps[:1])


def test_a_half_response_of_a_stopping_server_is_never_a_whole_one() -> None:
    ends, stays = request(), request()
    for protocol in (ends, stays):
        protocol.reply({"status": 200, "content": b"one", "more_content": True})
        protocol.release(0)
        assert not protocol.lingers
        assert protocol.stop() == []
    assert sent(ends.reply({"content": b"two"})[:-1]) == b"two"
    assert stays.give_up() == [Cut(), CLOSE]


def test_a_download_of_a_stopping_server_is_cut_in_the_end() -> None:
    protocol = request()
    protocol.reply(part(b"abc", 0))
    assert protocol.stop() == []
    assert protocol.give_up() == [Cut(), GONE, CLOSE]
