"""What becomes of requests when consumers answer them, fail, or leave them open."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.views import debug
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.exceptions import AcceptConnection, ConsumeLater, LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    REQUEST,
    REQUEST_DISCONNECT,
    Committed,
    Delivery,
    Finished,
    Leave,
    ReplyKind,
)
from channels_workers.log_limits import flood
from channels_workers.routing import Router, route
from channels_workers.sessions import channel_session
from channels_workers.worker import heartbeat, identity
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.group import WorkerGroup
from channels_workers.worker.retries import SERVER_ERROR, Failures, is_last
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import pull_one
from tests.channels_workers.conftest import RunNext, Views
from tests.channels_workers.consumers import TIMEOUT, Blocked, StartGroup, not_called, stop
from tests.channels_workers.http.server import Exchange

# Signals around a request clean up database connections.
pytestmark = pytest.mark.django_db

ANSWER = {"status": 200, "headers": [], "content": b"done", "more_content": False}


class Transient(Exception):
    """An error of RETRY_ON."""


@pytest.fixture
def exchange(memory_layer: InMemoryChannelLayer) -> Exchange:
    return Exchange(memory_layer)


def run(exchange: Exchange, consumer: Callable[..., Any], *others: Any, **content: Any) -> Outcome:
    router = Router([route(REQUEST, consumer), *others])
    return dispatch(exchange.pull(**content), exchange.layer, router, asyncio.run)


def answered(exchange: Exchange, outcome: Outcome) -> list[Any]:
    decode = exchange.layer.codec.decode
    return [decode(each.payload) for each in outcome.operations]  # type: ignore[union-attr]


def fail(message: Any) -> None:
    raise ZeroDivisionError


def answer(message: Any) -> None:
    message.reply_channel.send(ANSWER)


def answer_in_parts(message: Any) -> None:
    message.reply_channel.send({**ANSWER, "more_content": True})
    message.reply_channel.send({"content": b"", "more_content": False})


def begin(message: Any) -> None:
    message.reply_channel.send({**ANSWER, "more_content": True})


def poll(message: Any) -> None:
    Group("polls").add(message.reply_channel)


def answer_another(message: Any) -> None:
    Channel("others").send(ANSWER)


# Complete responses


@pytest.mark.parametrize(
    ("consumer", "ends"),
    [
        (answer, True),
        (answer_in_parts, True),
        (begin, False),
        (poll, False),
        (answer_another, False),
        (fail, True),
    ],
)
def test_a_complete_response_ends_the_request(
    exchange: Exchange, consumer: Callable[..., Any], ends: bool
) -> None:
    assert run(exchange, consumer).ends is ends


def test_a_consumer_that_waits_for_the_end_gets_it(exchange: Exchange) -> None:
    assert not run(exchange, answer, route(REQUEST_DISCONNECT, answer)).ends


def test_a_worker_forgets_an_answered_request(
    exchange: Exchange, memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    @channel_session
    def remember(message: Any) -> None:
        message.channel_session["one"] = 1
        answer(message)

    start_group([route(REQUEST, remember)])
    exchange.publish()
    exchange.until_released()
    assert exchange.has_ended
    assert exchange.contents == [{**ANSWER, "headers": []}]
    assert memory_layer.connected([exchange.reply_channel]) == set()
    assert memory_layer.load_session(exchange.reply_channel) is None


def test_an_answer_goes_out_once(exchange: Exchange, memory_layer: InMemoryChannelLayer) -> None:
    exchange.publish()
    [first] = memory_layer.pull([REQUEST], "first", 0)
    outcome = dispatch(first, memory_layer, Router([route(REQUEST, answer)]), not_called)
    assert exchange.contents == []
    taken_over = memory_layer.requeue(first, counted=False)
    assert taken_over is Committed.DONE
    [second] = memory_layer.pull([REQUEST], "second", 0)
    assert commit(memory_layer, first, outcome) is Committed.STALE
    assert commit(memory_layer, second, outcome) is Committed.DONE
    exchange.until_released()
    assert exchange.contents == [ANSWER]


def commit(layer: InMemoryChannelLayer, delivery: Delivery, outcome: Outcome) -> Committed:
    return layer.commit(Finished(delivery, outcome.operations, outcome.session, outcome.ends))


# Failures


@pytest.mark.parametrize("kind", [ReplyKind.SAFE, ReplyKind.ONCE])
def test_a_failed_consumer_is_answered_500(
    memory_layer: InMemoryChannelLayer, kind: ReplyKind, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(memory_layer, kind=kind)
    outcome = run(exchange, fail)
    assert answered(exchange, outcome) == [SERVER_ERROR]
    assert outcome.ends
    [record] = caplog.records
    assert record.event == "consumer_failed"  # type: ignore[attr-defined]


def test_a_failed_coroutine_is_answered_500(exchange: Exchange) -> None:
    async def afail(message: Any) -> None:
        raise ZeroDivisionError

    assert answered(exchange, run(exchange, afail)) == [SERVER_ERROR]


@pytest.mark.parametrize(
    ("part", "refusals"), [(ANSWER, []), ({**ANSWER, "more_content": True}, [SERVER_ERROR])]
)
def test_a_consumer_that_fails_after_its_whole_answer_has_answered(
    exchange: Exchange, part: dict[str, Any], refusals: list[Any]
) -> None:
    def answer_and_fail(message: Any) -> None:
        message.reply_channel.send(part)
        raise ZeroDivisionError

    outcome = run(exchange, answer_and_fail)
    # To the server, a second status cuts a response that nobody would go on with.
    assert answered(exchange, outcome) == [part, *refusals]
    assert outcome.ends


def test_a_long_poll_that_fails_is_answered_500(exchange: Exchange) -> None:
    def poll_and_fail(message: Any) -> None:
        poll(message)
        answer_another(message)
        raise ZeroDivisionError

    assert answered(exchange, run(exchange, poll_and_fail)) == [ANSWER, SERVER_ERROR]


def test_a_long_poll_gets_no_answer(exchange: Exchange) -> None:
    assert run(exchange, poll).operations == []


def test_handshakes_are_not_for_requests(exchange: Exchange) -> None:
    def accept(message: Any) -> None:
        raise AcceptConnection

    assert answered(exchange, run(exchange, accept)) == [SERVER_ERROR]


def test_a_request_without_a_route_is_answered_500(exchange: Exchange) -> None:
    outcome = dispatch(exchange.pull(), exchange.layer, Router([]), not_called)
    assert answered(exchange, outcome) == [SERVER_ERROR]


def test_debug_shows_the_page_of_django(exchange: Exchange, settings: Settings) -> None:
    settings.DEBUG = True
    content = {"path": "/one/", "headers": [[b"accept", b"text/html"]]}
    [page] = answered(exchange, run(exchange, fail, **content))
    assert page["status"] == 500
    assert [b"Content-Type", b"text/html; charset=utf-8"] in page["headers"]
    assert b"ZeroDivisionError" in page["content"]
    assert b"/one/" in page["content"]


@pytest.mark.parametrize("how", ["broken", "large"])
def test_a_page_that_cannot_be_shown_is_a_plain_500(
    exchange: Exchange, settings: Settings, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    settings.DEBUG = True

    def page(self: Any) -> str:
        if how == "broken":
            raise ZeroDivisionError
        return "a" * exchange.layer.codec.message_size

    monkeypatch.setattr(debug.ExceptionReporter, "get_traceback_html", page)
    assert answered(exchange, run(exchange, fail)) == [SERVER_ERROR]


# Other runs


@pytest.fixture
def retry_on(settings: Settings) -> None:
    name = f"{__name__}.{Transient.__qualname__}"
    settings.CHANNEL_WORKERS = {"RETRY_ON": [name], "RETRIES": 3}


def transient(message: Any) -> None:
    answer_another(message)
    raise Transient


@pytest.mark.usefixtures("retry_on")
def test_a_safe_request_runs_again(exchange: Exchange) -> None:
    outcome = run(exchange, transient)
    assert outcome.is_put_off


@pytest.mark.usefixtures("retry_on")
def test_a_request_that_is_not_safe_does_not_run_again(
    memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(memory_layer, kind=ReplyKind.ONCE)
    outcome = run(exchange, transient)
    assert not outcome.is_put_off
    assert answered(exchange, outcome) == [ANSWER, SERVER_ERROR]
    assert "Transient" in caplog.text


@pytest.mark.usefixtures("retry_on")
def test_a_worker_answers_a_request_that_is_not_safe(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    exchange = Exchange(memory_layer, kind=ReplyKind.ONCE)
    start_group([route(REQUEST, transient)])
    exchange.publish()
    exchange.until_released()
    assert exchange.contents == [SERVER_ERROR]
    assert memory_layer.length("others") == 1


@pytest.mark.parametrize("kind", [ReplyKind.SAFE, ReplyKind.ONCE])
def test_a_process_that_ends_during_a_join_repeats_only_safe_requests(
    memory_layer: InMemoryChannelLayer, kind: ReplyKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Committed:
        raise LayerUnavailable("away")

    monkeypatch.setattr(memory_layer, "change_groups", fail)
    exchange = Exchange(memory_layer, kind=kind)

    def join(message: Any) -> None:
        Group("polls").add(message.reply_channel)

    router = Router([route(REQUEST, join)])
    outcome = dispatch(exchange.pull(), memory_layer, router, not_called, lambda seconds: True)
    assert outcome.is_put_off == (kind is ReplyKind.SAFE)
    if kind is ReplyKind.ONCE:
        assert answered(exchange, outcome) == [SERVER_ERROR]


def test_any_request_may_be_consumed_later(memory_layer: InMemoryChannelLayer) -> None:
    def later(message: Any) -> None:
        raise ConsumeLater

    exchange = Exchange(memory_layer, kind=ReplyKind.ONCE)
    assert run(exchange, later).is_put_off


@pytest.mark.usefixtures("retry_on")
def test_a_request_that_fails_too_often_is_answered_500(
    exchange: Exchange,
    memory_layer: InMemoryChannelLayer,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange.publish()
    for _ in range(4):
        assert not exchange.contents
        run_next(transient, REQUEST)
    assert exchange.contents == [SERVER_ERROR]
    assert memory_layer.store.dead_letters == []
    assert caplog.records[-1].event == "request_failed"  # type: ignore[attr-defined]


def test_a_request_is_not_put_off_beyond_its_time(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RETRIES": 99, "RETRY_PAUSE": 1.0, "RESPONSE_TIMEOUT": 3.0}
    delivery = Delivery(REQUEST, "token", "consumer", "id", b"", "reply")
    # The waits are 0.05, 0.1, 0.2, 0.4, 0.8, 1 and 1 s.
    found = [is_last(delivery._replace(failures=count), Transient()) for count in range(8)]
    assert found == [False] * 8  # it is no error of RETRY_ON
    settings.CHANNEL_WORKERS = {
        **settings.CHANNEL_WORKERS,
        "RETRY_ON": [f"{__name__}.Transient"],
    }
    found = [is_last(delivery._replace(failures=count), Transient()) for count in range(8)]
    assert found == [False] * 6 + [True] * 2
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "RESPONSE_TIMEOUT": 0}  # no limit
    assert not is_last(delivery._replace(failures=98), Transient())
    assert is_last(delivery._replace(failures=99), Transient())


def test_the_line_about_a_failed_request_names_it(caplog: pytest.LogCaptureFixture) -> None:
    Failures().ended(Delivery(REQUEST, "token", "consumer", "id7", b""), Transient())
    assert "The request of message id7 on http.request is answered with 500" in caplog.text


# The end


def test_the_end_of_a_request_reaches_its_consumer(
    exchange: Exchange, memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    @channel_session
    def remember(message: Any) -> None:
        message.channel_session["one"] = 1
        poll(message)

    @channel_session
    def forget(message: Any) -> None:
        Group("polls").discard(message.reply_channel)
        ended.append((message["path"], message["order"], message.channel_session["one"]))

    ended: list[Any] = []
    exchange.publish(path="/poll/")
    run_next(remember, REQUEST)
    exchange.close()
    run_next(forget, REQUEST_DISCONNECT)
    assert ended == [("/poll/", 1, 1)]
    assert memory_layer.connected([exchange.reply_channel]) == set()


def test_a_request_that_has_ended_left_its_groups(
    exchange: Exchange, memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    def leave(message: Any) -> None:
        Group("polls").discard(message.reply_channel)

    exchange.publish()
    run_next(poll, REQUEST)
    exchange.close()
    [ended] = memory_layer.pull([REQUEST_DISCONNECT], "worker", 0)
    router = Router([route(REQUEST_DISCONNECT, leave)])
    outcome = dispatch(ended, memory_layer, router, not_called)
    # It waits for the commit: nothing is left to be done before.
    assert outcome.operations == [Leave("polls", exchange.reply_channel)]


@pytest.mark.parametrize("http", ["interface", "workers", {"/": "interface", "/a/": "workers"}])
def test_workers_listen_to_requests_if_they_get_them(
    memory_layer: InMemoryChannelLayer, settings: Settings, http: Any
) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    settings.CHANNEL_ROUTING = []
    channels = WorkerGroup(memory_layer).channels
    assert {REQUEST, REQUEST_DISCONNECT}.issubset(channels) is (http != "interface")


def test_workers_listen_to_what_the_routing_names(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_ROUTING = [route(REQUEST, answer)]
    channels = WorkerGroup(memory_layer).channels
    assert REQUEST in channels
    assert REQUEST_DISCONNECT not in channels


@pytest.mark.parametrize("http", ["interface", "workers"])
def test_a_worker_limits_the_lines_that_clients_cause(
    settings: Settings, start_group: StartGroup, http: str
) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    loud = logging.getLogger("django.request")
    loud.removeFilter(flood)
    start_group([])
    assert (flood in loud.filters) is (http == "workers")


def test_a_worker_serves_views_and_takes_the_ends_of_requests(
    exchange: Exchange, memory_layer: InMemoryChannelLayer, settings: Settings, views: Views
) -> None:
    def view(request: Any) -> HttpResponse:
        if request.path != "/poll/":
            return HttpResponse(request.path)
        Group("polls").add(request.reply_channel)
        raise request.ResponseLater

    views(view)
    settings.CHANNEL_WORKERS = {"HTTP": "workers"}
    settings.CHANNEL_ROUTING = []
    group = WorkerGroup(memory_layer)
    group.start()
    try:
        page, polled = exchange, Exchange(memory_layer)
        page.publish(path="/page/")
        polled.publish(path="/poll/")
        page.until_released()
        polled.until_released()
        assert page.response == b"/page/"
        assert page.has_ended
        assert polled.contents == []
        Group("polls").send(ANSWER)
        assert polled.contents == [ANSWER]
        polled.close()
        polled.until(lambda: polled.has_ended)
    finally:
        stop(group)


@pytest.mark.parametrize("kind", [ReplyKind.SAFE, ReplyKind.ONCE])
def test_a_request_that_a_stopping_worker_does_not_finish(
    kind: ReplyKind, memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    exchange = Exchange(memory_layer, kind=kind)
    held = Blocked()
    exchange.publish()
    group = start_group([route(REQUEST, held)])
    assert held.begun.wait(TIMEOUT)
    group.stop()
    assert not group.join(0)
    if kind is ReplyKind.SAFE:
        assert pull_one(memory_layer, REQUEST).reply_channel == exchange.reply_channel
    else:
        assert memory_layer.length(REQUEST) == 0
        assert [each["status"] for each in exchange.contents] == [502]
    held.let_go.set()
    assert group.workers[0].thread.ends_by(time.monotonic() + TIMEOUT)
    assert {"text": "done"} not in exchange.contents


def test_a_stopping_worker_keeps_no_message_behind_a_slow_consumer(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, pull = Blocked(), memory_layer.pull
    monkeypatch.setattr(heartbeat, "SEARCH_INTERVAL", 10 * TIMEOUT)

    def stopped_meanwhile(*arguments: Any) -> list[Delivery]:
        found = pull(*arguments)
        if any(each.channel == "quick" for each in found):
            group.stop()
        return found

    monkeypatch.setattr(memory_layer, "pull", stopped_meanwhile)
    Channel("slow").send({})
    group = start_group({"slow": held, "quick": held}, n_threads=2)
    assert held.begun.wait(TIMEOUT)
    Channel("quick").send({})
    assert group.stopping.wait(TIMEOUT)
    wait_for(lambda: memory_layer.store.stream("quick").waiting, "the message to be handed back")
    held.let_go.set()


# A worker that was frozen


def die(layer: InMemoryChannelLayer, group: WorkerGroup) -> None:
    """Let the others count the process of *group* as dead."""
    process = group.process
    wait_for(
        lambda: layer.admin.mark_dead(process, layer.admin.processes().get(process, 0)), "the death"
    )
    layer.admin.clean_up(process)


@pytest.mark.parametrize("is_certain", [True, False])
def test_an_unsafe_request_of_an_evicted_worker_does_not_run(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_certain: bool,
) -> None:
    monkeypatch.setattr(identity, "CERTAIN", TIMEOUT if is_certain else -1.0)
    ran: list[str] = []
    groups: list[WorkerGroup] = []

    def freeze(delivery: Delivery) -> None:
        if delivery.channel == REQUEST and not caplog.records:
            die(memory_layer, groups[0])
            if is_certain:  # it has noticed: a heartbeat has told it
                groups[0].identity.renew()

    routes = [route(REQUEST, lambda message: ran.append(message["path"]))]
    groups.append(start_group(routes, callback=freeze))
    exchange = Exchange(memory_layer, kind=ReplyKind.ONCE)
    exchange.publish(path="/frozen/")
    wait_for(lambda: "another one has answered its client" in caplog.text, "the log line")
    assert exchange.status == 502
    after = Exchange(memory_layer, kind=ReplyKind.ONCE)
    after.publish(path="/after/")
    wait_for(lambda: ran, "the next request")
    assert ran == ["/after/"]


def test_only_an_unsafe_request_of_a_silent_worker_is_asked_for(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    change_groups = memory_layer.change_groups
    failures = [LayerUnavailable("away")]

    def ask(delivery: Delivery, changes: Any) -> Committed:
        asked.append(memory_layer.content(delivery)["path"])
        if failures:
            raise failures.pop()
        return change_groups(delivery, changes)

    monkeypatch.setattr(memory_layer, "change_groups", ask)
    start_group([route(REQUEST, answer)])

    def answers(kind: ReplyKind, path: str) -> None:
        exchange = Exchange(memory_layer, kind=kind)
        exchange.publish(path=path)
        exchange.until(lambda: exchange.has_ended)
        assert exchange.status == 200

    monkeypatch.setattr(identity, "CERTAIN", TIMEOUT)
    answers(ReplyKind.ONCE, "/certain/")
    monkeypatch.setattr(identity, "CERTAIN", -1.0)
    answers(ReplyKind.SAFE, "/safe/")
    answers(ReplyKind.ONCE, "/once/")
    assert asked == ["/once/"] * 2  # until the layer answers
