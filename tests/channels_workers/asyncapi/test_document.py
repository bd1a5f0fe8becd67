import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from pytest_django import Settings

from channels_workers.declarations import Declaration, Exchange, JsonSchema, declare, declares
from channels_workers.interface.resume import wire
from channels_workers.message import Message
from channels_workers.routing import route
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from tests.channels_workers.asyncapi.sites import VALIDATOR, channel_routing, document
from tests.channels_workers.schemas.kinds import Point, Say

#: Prints the document of the routing.
PROGRAM = """
import django, json
django.setup()
from tests.channels_workers.asyncapi.sites import document
print(json.dumps(document().as_json()))
"""


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for each in value.values() for found in references(each)]


def resolve(reference: str, found: Any) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


@pytest.fixture
def found() -> dict[str, Any]:
    return document().as_json()


def test_it_is_valid(found: dict[str, Any]) -> None:
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(found)]
    assert errors == []


def test_the_schema_of_the_specification_finds_mistakes(found: dict[str, Any]) -> None:
    del found["info"]["version"]
    found["operations"]["typed.receive"]["action"] = "take"
    assert len(list(VALIDATOR.iter_errors(found))) >= 2


def test_each_reference_leads_somewhere(found: dict[str, Any]) -> None:
    assert references(found)
    for reference in references(found):
        assert resolve(reference, found)


def test_there_is_a_channel_for_each_path(found: dict[str, Any]) -> None:
    assert {name: each["address"] for name, each in found["channels"].items()} == {
        "board_name_kind": "/board/{name}/{kind}/",
        "typed": "/typed/",
        "requests_v1": "/requests.v1/",
        "any": None,
        "plain_label": "/plain/{label}/",
    }
    assert "may go on" in found["channels"]["typed"]["description"]


def test_filters_are_parameters(found: dict[str, Any]) -> None:
    assert found["channels"]["board_name_kind"]["parameters"] == {
        "name": {"x-pattern": "[a-z]{1,20}"},
        "kind": {"enum": ["new", "old"]},
    }
    assert found["channels"]["plain_label"]["parameters"] == {"label": {"description": "The name."}}


def test_operations_have_the_messages_of_both_directions(found: dict[str, Any]) -> None:
    operations = found["operations"]
    assert {
        name: [each["$ref"].rpartition("/")[2] for each in operation["messages"]]
        for name, operation in operations.items()
        if name.startswith("board_name_kind")
    } == {
        "board_name_kind.send.board-_name": ["Person"],
        "board_name_kind.receive": ["Say-Input", "Move"],
        "board_name_kind.send.error": ["InvalidFrame"],
        "board_name_kind.send": ["Say-Output", "Everything"],
        "board_name_kind.receive.token": ["Token"],
        "board_name_kind.send.token": ["TokenAccepted"],
    }
    group = operations["board_name_kind.send.board-_name"]
    assert group["description"] == "For the members of the group `board-{name}`."


def test_a_request_has_its_reply(found: dict[str, Any]) -> None:
    operation = found["operations"]["requests_v1.receive.points.request"]
    channel = "#/channels/requests_v1"
    assert operation["reply"] == {
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/points.reply.Say"}],
    }
    request = resolve(operation["messages"][0]["$ref"], found)
    payload = resolve(request["$ref"], found)["payload"]
    assert payload["properties"]["payload"] == {"$ref": "#/components/schemas/Point-Input"}


def test_the_key_that_tells_types_apart_is_required(found: dict[str, Any]) -> None:
    schema = found["components"]["schemas"]["Say-Input"]
    assert schema["required"] == ["type", "text"]
    assert schema["properties"]["type"] == {"const": "say", "type": "string"}
    assert schema["additionalProperties"] is False


def test_unknown_keys_are_allowed_where_they_are_ignored(found: dict[str, Any]) -> None:
    assert "additionalProperties" not in found["components"]["schemas"]["Point-Input"]


def test_what_consumers_take_the_user_from_is_the_security(found: dict[str, Any]) -> None:
    schemes = found["components"]["securitySchemes"]
    assert schemes["cookie"]["name"] == "sessionid"
    assert schemes["token"]["scheme"] == "bearer"
    assert found["operations"]["board_name_kind.receive"]["security"] == [
        {"$ref": "#/components/securitySchemes/cookie"},
        {"$ref": "#/components/securitySchemes/token"},
    ]
    assert "security" not in found["operations"]["plain_label.receive"]


def test_subprotocols_are_in_the_handshake(found: dict[str, Any]) -> None:
    def offered(channel: str) -> str:
        headers = found["channels"][channel]["bindings"]["ws"]["headers"]
        return str(headers["properties"]["Sec-WebSocket-Protocol"]["description"])

    assert offered("requests_v1") == "Clients may offer `mine.v1`."
    assert "`token.<base64url of the token>`" in offered("board_name_kind")


def test_a_token_may_be_the_first_frame(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.tokens.signed.validate"],
        "FIRST_FRAME": ["/plain"],
    }
    found = document().as_json()
    assert "The first frame is the token" in found["channels"]["plain_label"]["description"]
    assert "plain_label.receive.token" in found["operations"]
    assert "typed.receive.token" not in found["operations"]


def test_sockets_that_can_be_resumed_say_so(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30}
    found = document().as_json()
    VALIDATOR.validate(found)
    assert "typed.send.resume" in found["operations"]


@pytest.mark.parametrize(
    "text",
    [
        wire.answer("t", 30),
        wire.renewal("u", 30),
        wire.resumed_answer("t", 30, 7, is_gap=True),
    ],
)
def test_frames_about_resuming_are_as_described(settings: Settings, text: str) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30}
    schema = document().as_json()["components"]["schemas"]["Resumable"]
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert json.loads(text).keys() <= schema["properties"].keys()


def test_it_is_the_same_in_each_process() -> None:
    texts = set()
    for seed in ("1", "2"):
        environment = clean_environment() | {
            "PYTHONHASHSEED": seed,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        command = [sys.executable, "-c", PROGRAM]
        run = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
        texts.add(run.stdout)
    assert len(texts) == 1
    assert json.loads(texts.pop()) == document().as_json()


def test_types_of_one_name_are_told_apart() -> None:
    def consumer(message: Message) -> None: ...

    mine = JsonSchema("Point", {"type": "string"})
    exchanges = (Exchange("send", (Point, mine, JsonSchema("Point", {"type": "string"}))),)
    declare(consumer, Declaration(exchanges))
    found = document([route("websocket.receive", consumer, path="^/$")]).as_json()
    assert list(found["components"]["schemas"]) == ["Point", "Point2"]
    assert list(found["channels"]) == ["root"]
    VALIDATOR.validate(found)


def test_names_are_made_fit_for_references() -> None:
    def consumer(message: Message) -> None: ...

    declare(consumer, Declaration((Exchange("send", (JsonSchema("My type/1", {}),)),)))
    found = document([route("websocket.receive", consumer, path="^/$")]).as_json()
    VALIDATOR.validate(found)
    assert list(found["components"]["schemas"]) == ["My_type_1"]


def test_two_messages_cannot_have_one_name() -> None:
    def consumer(message: Message) -> None: ...

    wraps = [lambda payload: {"not": payload}, lambda payload: {"allOf": [payload]}]
    exchanges = tuple(Exchange("send", (Point,), stream="a", wrap=wrap) for wrap in wraps)
    declare(consumer, Declaration(exchanges))
    with pytest.raises(
        ValueError, match=r"Two different messages would be called 'a\.sent\.Point'"
    ):
        document([route("websocket.receive", consumer)]).as_json()


def test_a_type_without_a_name_has_one_in_the_document() -> None:
    @declares(sends=[list[Say], int | str])
    def consumer(message: Message) -> None: ...

    found = document([route("websocket.receive", consumer, path="^/$")]).as_json()
    VALIDATOR.validate(found)
    assert sorted(found["components"]["messages"]) == ["int_str", "list"]


def test_paths_of_one_name_are_told_apart() -> None:
    @declares(sends=[Say])
    def consumer(message: Message) -> None: ...

    paths = ("^/a/b/$", "^/a-b/$", "^/a_b/$", "^/$")
    found = document([route("websocket.receive", consumer, path=path) for path in paths]).as_json()
    assert list(found["channels"]) == ["a_b", "a-b", "a_b_2", "root"]
    VALIDATOR.validate(found)


def test_all_routes_of_a_path_are_one_channel() -> None:
    @declares(receives=[Point], address="/same/")
    def first(message: Message) -> None: ...

    @declares(sends=[Say])
    def second(message: Message) -> None: ...

    routing = [
        route("websocket.receive", first),
        route("websocket.connect", second, path="^/same/$"),
        *channel_routing[:0],
    ]
    found = document(routing).as_json()
    assert list(found["channels"]) == ["same"]
    assert list(found["operations"]) == ["same.receive", "same.send"]
