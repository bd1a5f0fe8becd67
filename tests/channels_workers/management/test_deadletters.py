from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.clients import Client, contents, pull_one


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("deadletters", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def dead_letter(layer: InMemoryChannelLayer, number: int) -> str:
    Channel("tasks").send({"number": number})
    layer.dead_letter(pull_one(layer, "tasks"), "its worker died, 3 times")
    return layer.admin.dead_letters()[-1].id


def test_an_empty_list(memory_layer: InMemoryChannelLayer) -> None:
    assert run() == "0 dead letters\n"


def test_dead_letters_are_listed_and_shown(memory_layer: InMemoryChannelLayer) -> None:
    first, second = dead_letter(memory_layer, 1), dead_letter(memory_layer, 2)
    lines = run("list").splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [[first, "tasks"], [second, "tasks"]]
    assert lines[0].endswith("its worker died, 3 times")
    assert lines[2] == "2 dead letters"
    assert run("show", second).splitlines()[1] == "{'number': 2}"


def test_dead_letters_are_sent_again(memory_layer: InMemoryChannelLayer) -> None:
    first, _ = dead_letter(memory_layer, 1), dead_letter(memory_layer, 2)
    assert run("retry", first) == f"{first} is sent again\n"
    assert contents(memory_layer, "tasks") == [{"number": 1}]
    run("retry", "all")
    assert contents(memory_layer, "tasks") == [{"number": 2}]
    assert run() == "0 dead letters\n"


def test_dead_letters_are_deleted(memory_layer: InMemoryChannelLayer) -> None:
    first, second = dead_letter(memory_layer, 1), dead_letter(memory_layer, 2)
    assert run("drop", first) == f"{first} is dropped\n"
    assert [letter.id for letter in memory_layer.admin.dead_letters()] == [second]


def test_a_message_of_a_socket_is_not_sent_again(client_socket: Client) -> None:
    client_socket.connect()
    client_socket.layer.dead_letter(pull_one(client_socket.layer), "no reason")
    assert "is a message of a connection, which has gone on without it" in run("retry", "all")
    assert len(client_socket.layer.admin.dead_letters()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["show"], "Give the ids"), (["drop", "nonsense"], "There is no dead letter nonsense")],
)
def test_unknown_ids_are_refused(
    arguments: list[str], message: str, memory_layer: InMemoryChannelLayer
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
