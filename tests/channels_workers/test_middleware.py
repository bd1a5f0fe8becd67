"""Middleware around consumers: order, kinds, what it sees, changes and breaks."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from channels_workers import Channel, ConsumeLater, Message, route
from channels_workers.middleware import Call
from channels_workers.routing import Router
from channels_workers.test import Client, apply_routes
from channels_workers.worker import WorkerGroup

pytestmark = pytest.mark.django_db

Run = Callable[[Call], Any]
HERE = __name__
seen: list[Any] = []
made: list[str] = []


@pytest.fixture(autouse=True)
def nothing_is_seen() -> None:
    seen.clear()
    made.clear()


def outer(run: Run) -> Run:
    made.append("outer")

    def around(call: Call) -> Any:
        seen.append("outer in")
        try:
            return run(call)
        except ValueError as error:
            seen.append(error)
            raise
        finally:
            seen.append("outer out")

    return around


def inner(run: Run) -> Run:
    class Around:
        def __call__(self, call: Call) -> Any:
            seen.append((call.name, call.kwargs, call.message["path"], call.consumer))
            return run(call)

    return Around()


def coroutine(run: Run) -> Run:
    async def around(call: Call) -> Any:
        seen.append("coroutine in")
        try:
            return await run(call)
        finally:
            seen.append("coroutine out")

    return around


def skipping(run: Run) -> Run:
    return lambda call: seen.append("skipped")


def skipping_coroutine(run: Run) -> Run:
    async def around(call: Call) -> None:
        seen.append("skipped")

    return around


def twice(run: Run) -> Run:
    async def around(call: Call) -> None:
        await run(call)
        await run(call)

    return around


def forgiving(run: Run) -> Run:
    def around(call: Call) -> None:
        try:
            run(call)
        except ValueError:
            seen.append("forgiven")

    return around


def sending(run: Run) -> Run:
    def around(call: Call) -> None:
        run(call)
        Channel("others").send({"by": call.name})

    return around


def no_function(run: Run) -> None:
    """Return nothing to call."""


def consumer(message: Message, room: str = "") -> None:
    seen.append(f"consumer {room}")
    if "error" in message:
        raise ValueError(message["error"])


async def aconsumer(message: Message, room: str = "") -> None:
    consumer(message, room)


CONTENT = {"path": "/news/"}


def run(
    settings: Settings, *middleware: str, of: Callable[..., Any] = consumer, **content: Any
) -> Client:
    """A client, after its message has run in the middleware with these names."""
    settings.CHANNEL_WORKERS = {"MIDDLEWARE": [f"{HERE}.{name}" for name in middleware]}
    client = Client()
    with apply_routes([route("mine", of, path=r"^/(?P<room>\w+)/$")]):
        client.send_and_consume("mine", CONTENT | content)
    return client


def test_the_first_is_the_outermost(settings: Settings) -> None:
    run(settings, "outer", "inner")
    details = (f"{HERE}.consumer", {"room": "news"}, "/news/", consumer)
    assert seen == ["outer in", details, "consumer news", "outer out"]


def test_middleware_is_made_once_for_a_worker(settings: Settings, memory_layer: Any) -> None:
    settings.CHANNEL_WORKERS = {"MIDDLEWARE": [f"{HERE}.outer"]}
    router = WorkerGroup(memory_layer, n_threads=4, router=Router([])).router
    assert router.middleware is router.middleware is not None
    assert made == ["outer"]


def test_coroutines_run_inside_of_both_kinds(settings: Settings) -> None:
    run(settings, "coroutine", "outer", of=aconsumer)
    assert seen == ["outer in", "coroutine in", "consumer news", "coroutine out", "outer out"]


def test_functions_run_inside_of_functions_only(settings: Settings) -> None:
    run(settings, "coroutine", "outer")
    assert seen == ["outer in", "consumer news", "outer out"]


@pytest.mark.parametrize("of", [consumer, aconsumer])
def test_middleware_sees_the_exception(of: Callable[..., Any], settings: Settings) -> None:
    with pytest.raises(ValueError, match="broken"):
        run(settings, "outer", "coroutine", of=of, error="broken")
    [error] = [each for each in seen if isinstance(each, ValueError)]
    assert (str(error), seen[-1]) == ("broken", "outer out")


@pytest.mark.parametrize("of", [consumer, aconsumer])
def test_middleware_may_handle_the_exception(
    of: Callable[..., Any], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    run(settings, "forgiving", "coroutine", of=of, error="broken")
    assert seen[-1] == "forgiven"
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("name", "of"),
    [("skipping", consumer), ("skipping", aconsumer), ("skipping_coroutine", aconsumer)],
)
def test_middleware_may_skip_the_consumer(
    name: str, of: Callable[..., Any], settings: Settings
) -> None:
    run(settings, name, of=of)
    assert seen == ["skipped"]


def test_a_coroutine_runs_once(settings: Settings) -> None:
    with pytest.raises(RuntimeError, match=r"Middleware ran .*\.aconsumer twice"):
        run(settings, "twice", of=aconsumer)
    assert seen == ["consumer news"]


def test_sends_of_middleware_go_out_with_the_commit(settings: Settings) -> None:
    client = run(settings, "sending")
    message = client.get_next_message("others")
    assert message is not None
    assert message.content == {"by": f"{HERE}.consumer"}


def test_middleware_sees_a_message_that_is_put_off(settings: Settings) -> None:
    def later(message: Message, room: str) -> None:
        seen.append("later")
        raise ConsumeLater

    with pytest.raises(ConsumeLater):
        run(settings, "outer", of=later)
    assert seen == ["outer in", "later", "outer out"]


# Wrong settings


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([f"{HERE}.unknown"], f"names '{HERE}.unknown', which cannot be imported"),
        ([f"{HERE}.no_function"], "must return a function that runs a call, not None"),
        ("a.b", r"""must be a list of strings, such as \["mysite.middleware.timing"\]"""),
        ([1], "must be a list of strings"),
    ],
)
def test_wrong_middleware_is_refused(given: Any, text: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"MIDDLEWARE": given}
    with pytest.raises(SystemCheckError, match=rf"(?s)E008.*{text}"):
        call_command("check", "--tag", "channels_workers")
    with pytest.raises(ImproperlyConfigured, match=text):
        _ = Router([]).middleware


def test_a_worker_with_wrong_middleware_does_not_start(
    settings: Settings, memory_layer: Any
) -> None:
    settings.CHANNEL_WORKERS = {"MIDDLEWARE": [f"{HERE}.unknown"]}
    with pytest.raises(ImproperlyConfigured, match="cannot be imported"):
        WorkerGroup(memory_layer, router=Router([]))
