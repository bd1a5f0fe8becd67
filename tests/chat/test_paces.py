"""Rate limits per address, across people, sockets and servers."""

import logging
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db import connection as database
from django.test import Client
from pytest_django.fixtures import Settings

from channels_workers.layers.types import Send
from chat import paces
from chat.models import Message, Room
from chat.paces import ARRIVE, MAKE_ROOM, SAY, Pace, TooFast
from labs.harness.waiting import wait_for
from tests.chat.connection import Connection, cookie_of

pytestmark = pytest.mark.django_db

HERE, THERE = ["192.0.2.7", 4711], ["192.0.2.8", 4711]


@pytest.fixture(autouse=True)
def origins(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    settings.CHAT_RATE_LIMIT = None
    paces._refused.clear()


# The algorithm


def take(*moments: float, rate: tuple[int, float] = (3, 6.0)) -> list[float]:
    return [round(Pace.objects.take("key", rate, moment), 3) for moment in moments]


def test_a_burst_is_allowed_and_then_one_by_one() -> None:
    assert take(100, 100, 100, 100, 101) == [0, 0, 0, 2, 1]
    assert take(102, 102, 104, 200, 200, 200, 200) == [0, 2, 0, 0, 0, 0, 2]


def test_refused_requests_do_not_count() -> None:
    assert take(100, 100, 100, *[100.5] * 50, 102) == [0, 0, 0, *[1.5] * 50, 0]


def test_one_at_a_time() -> None:
    assert take(100, 100, 109.9, 110, rate=(1, 10.0)) == [0, 10, 0.1, 0]


def test_a_clock_that_was_far_ahead_blocks_nobody() -> None:
    take(1_000_000)
    assert take(100, 100, 100, 100) == [0, 0, 0, 2]


def test_concurrent_threads_stay_within_the_limit(transactional_db: None) -> None:
    waits: list[float] = []

    def take_one() -> bool:
        # Connections to an in-memory database share a cache, which does not wait for locks. A file
        # does.
        try:
            waits.append(Pace.objects.take("key", (10, 1000.0), 100.0))
        except OperationalError as error:
            if "table is locked" not in str(error):
                raise
            return False
        return True

    def run() -> None:
        try:
            for _ in range(5):
                wait_for(take_one, "the lock")
        finally:
            database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(waits), waits.count(0)) == (20, 10)


def test_it_costs_one_query(settings: Settings, django_assert_num_queries: Any) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (3, 60.0)
    Pace.objects.admit(SAY, "192.0.2.7")
    with django_assert_num_queries(1):
        Pace.objects.admit(SAY, "192.0.2.7")
    settings.CHAT_ADDRESS_RATE_LIMIT = None
    with django_assert_num_queries(0):
        Pace.objects.admit(SAY, "192.0.2.7")
        Pace.objects.admit(ARRIVE, "")


def test_a_row_is_kept_while_it_matters() -> None:
    take(100)
    Pace.objects.forget()
    assert not Pace.objects.exists()


def test_addresses_are_not_stored_in_plain_text(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (3, 60.0)
    Pace.objects.admit(SAY, "192.0.2.7")
    assert "192" not in Pace.objects.get().key[:6]
    assert len(Pace.objects.get().key) == 40


def test_a_refusal_is_logged_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (1, 60.0)
    for address in ("192.0.2.7", "192.0.2.8"):
        Pace.objects.admit(SAY, address)
        for _ in range(3):
            with pytest.raises(TooFast, match="up to 1 in 60 s; try again in 60.0 s"):
                Pace.objects.admit(SAY, address)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    record = vars(caplog.records[0])
    assert (record["event"], record["client"]) == ("address_too_fast", "192.0.2.7")
    assert "raise CHAT_ADDRESS_RATE_LIMIT" in caplog.text


def test_the_memory_of_logged_refusals_is_bounded() -> None:
    for number in range(3000):
        paces._note(SAY, f"192.0.2.{number}", (1, 60.0))
    assert len(paces._refused) == 1000


# Messages


def join(name: str, client: list[Any] | None, *, path: str = "/chat/lobby/") -> Connection:
    """A socket of a new guest, like that of a client without cookies."""
    guest = Connection(f"server!{name}", path=path)
    guest.connect(client=client)
    return guest


def codes(guest: Connection, count: int) -> list[str]:
    frames = [guest.send(handle="ann", message=f"{guest.name} {n}")[0] for n in range(count)]
    return [frame.get("code", "stored") for frame in frames]


def test_all_guests_of_an_address_share_one_limit(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (3, 3600.0)
    guests = [join(str(number), HERE) for number in range(5)]
    answers = [codes(guest, 1)[0] for guest in guests]
    assert answers == ["stored", "stored", "stored", "too_fast", "too_fast"]
    assert codes(join("other", THERE), 3) == ["stored"] * 3
    assert Message.objects.count() == 6


def test_an_ipv6_network_counts_as_one_address(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (2, 3600.0)
    guests = [join(str(n), [f"2001:db8:0:1::{n}", 1]) for n in range(3)]
    assert [codes(guest, 1)[0] for guest in guests] == ["stored", "stored", "too_fast"]
    assert codes(join("other", ["2001:db8:0:2::1", 1]), 1) == ["stored"]


def test_a_socket_without_an_address_has_no_limit(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = settings.CHAT_ARRIVAL_RATE_LIMIT = (1, 3600.0)
    assert codes(join("unix", None), 3) == ["stored"] * 3


def test_edits_count_too(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (2, 3600.0)
    guest = join("a", HERE)
    codes(guest, 1)
    pk = Message.objects.get().pk
    edits = [guest.send(type="edit", id=pk, message=f"hi {n}")[0] for n in range(2)]
    assert [edit.get("code", "edited") for edit in edits] == ["edited", "too_fast"]


def test_a_message_that_is_not_stored_does_not_count(settings: Settings) -> None:
    settings.CHAT_ADDRESS_RATE_LIMIT = (2, 3600.0)
    guest = join("a", HERE)
    for _ in range(5):
        guest.send(handle="ann", message="hi", nonce="n1")
    assert codes(guest, 2) == ["stored", "too_fast"]


# New sockets and new rooms


def is_let_in(guest: Connection, **content: Any) -> bool:
    sent = [one for one in guest.connect(**content) if isinstance(one, Send)]
    return {"accept": True} in map(guest.decode, sent)


def test_sockets_per_address_are_limited(settings: Settings) -> None:
    settings.CHAT_ARRIVAL_RATE_LIMIT = (3, 3600.0)
    sockets = [Connection(f"server!{n}", cookie=cookie_of("guest:ann")) for n in range(4)]
    assert [is_let_in(each, client=HERE) for each in sockets] == [True, True, True, False]
    assert not is_let_in(Connection("server!lobby", path="/chat/"), client=HERE)
    assert is_let_in(Connection("server!there", path="/chat/"), client=THERE)


def test_requests_for_presence_count_as_sockets(settings: Settings) -> None:
    settings.CHAT_ARRIVAL_RATE_LIMIT = (2, 3600.0)
    guest = join("a", HERE)
    found = [guest.send(type="presence")[0] for _ in range(2)]
    assert [frame.get("code") for frame in found] == [None, "too_fast"]


def test_rooms_created_by_sockets_are_limited(settings: Settings) -> None:
    settings.CHAT_ROOM_RATE_LIMIT = (2, 3600.0)
    paths = [f"/chat/room-{number}/" for number in range(3)]
    found = [is_let_in(Connection(f"server!{p[-2]}", path=p), client=HERE) for p in paths]
    assert found == [True, True, False]
    assert Room.objects.count() == 2
    assert is_let_in(Connection("server!again", path=paths[0]), client=HERE)
    assert is_let_in(Connection("server!there", path=paths[2]), client=THERE)


def test_rooms_created_from_the_lobby_are_limited(settings: Settings, client: Client) -> None:
    settings.CHAT_ROOM_RATE_LIMIT = (2, 3600.0)
    answers = [client.post("/", {"name": f"room {number}"}) for number in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 429]
    page = answers[-1].content.decode()
    assert "Too much from your network: up to 2 in 3600 s; try again in " in page
    assert 'value="room 2"' in page
    assert client.post("/", {"name": "room 0"}).status_code == 302
    assert Room.objects.count() == 2


def test_lobby_and_sockets_share_the_limit(settings: Settings, client: Client) -> None:
    settings.CHAT_ROOM_RATE_LIMIT = (1, 3600.0)
    client.post("/", {"name": "room 0"})
    with pytest.raises(TooFast):
        Pace.objects.admit(MAKE_ROOM, "127.0.0.1")


def test_successful_log_ins_are_limited(settings: Settings) -> None:
    settings.LOGIN_PACE = (2, 3600.0)
    User.objects.create_user("ann", password="correct-horse")
    form = {"username": "ann", "password": "correct-horse"}
    for path in ("/accounts/login/", "/admin/login/"):
        Client().post(path, form)
    answer = Client().post("/accounts/login/", form)
    assert answer.status_code == 429
    assert 1700 < int(answer["Retry-After"]) <= 1800
