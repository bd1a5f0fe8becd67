import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from channels_workers.asyncapi import output
from channels_workers.management.commands import asyncapi
from channels_workers.routing import route
from tests.channels_workers.asyncapi.sites import VALIDATOR, lenient, undeclared

ROUTING = "tests.channels_workers.asyncapi.sites.channel_routing"


@pytest.fixture(autouse=True)
def routing(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = ROUTING


def run(*arguments: Any, stderr: StringIO | None = None) -> str:
    stdout = StringIO()
    call_command("asyncapi", *map(str, arguments), stdout=stdout, stderr=stderr or StringIO())
    return stdout.getvalue()


def test_it_writes_a_valid_document() -> None:
    found = json.loads(
        run("--title", "Boards", "--api-version", "2.1", "--server", "wss://a.example.com/b/")
    )
    VALIDATOR.validate(found)
    assert found["info"] == {"title": "Boards", "version": "2.1"}
    server = {"host": "a.example.com", "protocol": "wss", "pathname": "/b"}
    assert found["servers"] == {"default": server}


def test_without_options_it_is_valid_too() -> None:
    found = json.loads(run())
    VALIDATOR.validate(found)
    assert found["info"]["title"]
    assert "servers" not in found


def test_it_names_what_it_leaves_out() -> None:
    stderr = StringIO()
    run(stderr=stderr)
    assert stderr.getvalue() == (
        "Left out /undeclared/, as tests.channels_workers.asyncapi.sites.undeclared declare no "
        "messages: add @receives, @sends or @declares.\n"
    )


def test_sockets_of_the_engine_are_left_out_silently(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = "channels_workers.admin.routing.channel_routing"
    stderr = StringIO()
    assert json.loads(run(stderr=stderr))["channels"] == {}
    assert stderr.getvalue() == ""


def test_it_writes_types_of_typescript() -> None:
    text = run("--typescript")
    assert text.startswith("// Written by `manage.py asyncapi --typescript`.")
    assert "export interface Person {" in text


@pytest.mark.parametrize("options", [[], ["--typescript"]])
def test_a_written_file_is_up_to_date_until_something_changes(
    options: list[str], tmp_path: Path, settings: Settings
) -> None:
    file = tmp_path / "out"
    assert run(*options, "--output", file) == ""
    run(*options, "--output", file, "--check")
    settings.CHANNEL_ROUTING = [route("websocket.receive", lenient, path="^/$")]
    stderr = StringIO()
    with pytest.raises(CommandError, match="is not up to date") as caught:
        run(*options, "--output", file, "--check", stderr=stderr)
    assert caught.value.returncode == 1
    assert len(stderr.getvalue().splitlines()) == asyncapi.SHOWN
    assert "Person" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check"], "--check needs --output"),
        (["--check", "--output", "/nowhere/a"], "Cannot read /nowhere/a: No such file"),
        (["--output", "/nowhere/a"], "Cannot write /nowhere/a: No such file"),
        (["--server", "https://a"], "takes a URL such as wss://"),
        (["--server", "wss://"], "takes a URL such as wss://"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)


def test_a_routing_that_cannot_be_used_is_an_error_in_one_line(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = "nowhere.routing"
    with pytest.raises(CommandError, match="Cannot import channel routing"):
        run()


def test_without_declarations_the_document_is_empty(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = [route("websocket.receive", undeclared)]
    stderr = StringIO()
    found = json.loads(run(stderr=stderr))
    VALIDATOR.validate(found)
    assert found["channels"] == found["operations"] == {}
    assert "Left out any other path" in stderr.getvalue()


def test_a_file_of_another_encoding_is_not_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="is not up to date"):
        run("--output", file, "--check")


def test_the_path_of_a_server_may_be_empty() -> None:
    expected = {"default": {"host": "a:8000", "protocol": "ws"}}
    assert output.servers_of("ws://a:8000") == output.servers_of("ws://a:8000/") == expected
