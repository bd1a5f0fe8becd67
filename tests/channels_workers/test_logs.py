"""The formats and filters that projects name in LOGGING."""

import asyncio
import importlib
import io
import json
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from channels_workers import Message, route
from channels_workers.logs import fields
from channels_workers.logs.filters import NoSockets
from channels_workers.test import Client, apply_routes

Config = Callable[..., io.StringIO]
log = logging.getLogger("a.project")


@pytest.fixture
def configure() -> Iterator[Config]:
    """Configures the logger of a project to write to the returned stream."""
    before = log.handlers[:], log.level, log.propagate

    def configured(formatter: str, **options: Any) -> io.StringIO:
        stream = io.StringIO()
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "incremental": False,
                "formatters": {"it": {"()": f"channels_workers.logs.{formatter}", **options}},
                "filters": {"message": {"()": "channels_workers.logs.filters.CurrentMessage"}},
                "handlers": {
                    "it": {
                        "class": "logging.StreamHandler",
                        "stream": stream,
                        "formatter": "it",
                        "filters": ["message"],
                    }
                },
                "loggers": {log.name: {"handlers": ["it"], "level": "INFO", "propagate": False}},
            }
        )
        return stream

    yield configured
    log.handlers[:], log.level, log.propagate = before


def fail() -> None:
    try:
        try:
            int("secret 1")
        except ValueError as error:
            raise KeyError("secret 2") from error
    except KeyError:
        log.exception("It failed")


def fail_twice() -> None:
    try:
        try:
            raise ValueError("secret 1")
        finally:
            raise KeyError("secret 2")
    except KeyError:
        log.exception("It failed")


def fail_in_parts() -> None:
    try:
        raise ExceptionGroup("secret 1", [ValueError("secret 2"), TypeError("secret 3")])
    except ExceptionGroup:
        log.exception("It failed")


@pytest.mark.parametrize("formatter", ["text.TextFormatter", "json.JsonFormatter"])
@pytest.mark.parametrize(
    ("trouble", "types"),
    [
        (fail, ["builtins.ValueError", "builtins.KeyError"]),
        (fail_twice, ["builtins.ValueError", "builtins.KeyError"]),
        (fail_in_parts, ["builtins.ExceptionGroup", "builtins.ValueError", "builtins.TypeError"]),
    ],
)
def test_the_texts_of_exceptions_are_left_out(
    formatter: str, trouble: Callable[[], None], types: list[str], configure: Config
) -> None:
    stream = configure(formatter)
    trouble()
    written = stream.getvalue()
    assert "secret" not in written.replace('int("secret 1")', "").replace('"secret', "")
    assert [written.index(f"{each} (its text is not logged)") for each in types]
    assert f"in {trouble.__name__}" in written


@pytest.mark.parametrize("formatter", ["text.TextFormatter", "json.JsonFormatter"])
def test_the_texts_of_exceptions_are_logged_if_asked_for(formatter: str, configure: Config) -> None:
    stream = configure(formatter, error_texts=True)
    fail()
    assert "KeyError: 'secret 2'" in stream.getvalue()


def test_a_line_of_json(configure: Config) -> None:
    stream = configure("json.JsonFormatter")
    request = RequestFactory().get("/")
    extra = {**fields("ready", process_id="x"), "request": request, "color_message": "Ähm"}
    log.warning("Ähm %s", 1, extra=extra)
    line = json.loads(stream.getvalue())
    assert line.pop("time")
    assert line == {
        "level": "WARNING",
        "logger": "a.project",
        "message": "Ähm 1",
        "event": "ready",
        "process_id": "x",
    }
    assert "Ähm" in stream.getvalue()


def test_a_line_of_text(configure: Config) -> None:
    stream = configure("text.TextFormatter")
    log.info("hello", extra=fields("ready", connection="x!1", message_id="x!1:0"))
    log.info("hello")
    assert stream.getvalue() == "INFO a.project: hello\n" * 2


def speak(message: Message) -> None:
    log.info("heard")


async def aspeak(message: Message) -> None:
    await asyncio.to_thread(log.info, "heard")


@pytest.mark.parametrize("consumer", [speak, aspeak])
def test_the_lines_of_a_consumer_name_its_message(
    consumer: Callable[..., Any], configure: Config
) -> None:
    stream = configure("json.JsonFormatter")
    client = Client()
    with apply_routes([route("websocket.receive", consumer)]):
        content = {"reply_channel": client.reply_channel, "path": "/ö\n", "text": "secret"}
        client.send_and_consume("websocket.receive", content)
    found = json.loads(stream.getvalue())
    assert found["message"] == "heard"
    assert found["channel"] == "websocket.receive"
    assert found["connection"] == client.reply_channel
    assert found["message_id"]
    assert found["path"] == "/\\xf6\\n"
    assert "event" not in found
    assert "secret" not in stream.getvalue()


def test_the_lines_of_a_consumer_in_text(configure: Config) -> None:
    stream = configure("text.TextFormatter")
    client = Client()
    ids = []

    def consumer(message: Message) -> None:
        ids.append(message.id)
        log.info("heard")
        log.info("of the engine", extra=fields("ready"))

    with apply_routes([route("websocket.receive", consumer), route("mine", consumer)]):
        client.send_and_consume("websocket.receive", {"reply_channel": client.reply_channel})
        client.send_and_consume("mine", {}, fail_on_none=False)
    of_engine = "INFO a.project: of the engine"
    first, _, last, _ = lines = stream.getvalue().splitlines()
    assert lines[1::2] == [of_engine, of_engine]
    assert first == f"INFO a.project: heard [{client.reply_channel}, message {ids[0]}]"
    assert last.endswith(f"message {ids[1]}]")


def test_what_a_line_says_itself_stays(configure: Config) -> None:
    stream = configure("json.JsonFormatter")

    def consumer(message: Message) -> None:
        log.info("heard", extra={"path": "of my own"})

    with apply_routes([route("websocket.receive", consumer)]):
        Client().send_and_consume("websocket.receive", {"path": "/", "text": "hello"})
    assert json.loads(stream.getvalue())["path"] == "of my own"


@pytest.mark.parametrize(
    ("text", "level", "kept"),
    [
        ('%s - "WebSocket %s" [accepted]', logging.INFO, False),
        ("connection open", logging.INFO, False),
        ("connection failed", logging.ERROR, True),
        ("Started server process [%d]", logging.INFO, True),
    ],
)
def test_lines_of_uvicorn_about_sockets_are_dropped(text: str, level: int, kept: bool) -> None:
    record = logging.makeLogRecord({"msg": text, "levelno": level})
    assert NoSockets().filter(record) is kept


def test_json_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonjsonlogger.json", None)
    monkeypatch.delitem(sys.modules, "channels_workers.logs.json", raising=False)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'channels-workers\[logs\]'"):
        importlib.import_module("channels_workers.logs.json")
