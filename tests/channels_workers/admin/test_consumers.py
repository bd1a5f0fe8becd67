import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.db.models.functions import Now
from django.test import Client as Browser
from pytest_django import Settings

from channels_workers.admin import consumers, tokens, viewers
from channels_workers.admin import look as looks
from channels_workers.admin.consumers import PATH, PUSH, PUSH_ID, leave, push, watch
from channels_workers.admin.tokens import make_token
from channels_workers.admin.viewers import VIEWERS, group_of
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import StatusViewer
from tests.channels_workers.admin.conftest import Member
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import MEMORY, RunNext

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = [b"origin", b"http://testserver"]


class Page:
    """A page of *browser* with a socket, which it opens as a browser does."""

    def __init__(
        self, layer: InMemoryChannelLayer, run: RunNext, browser: Browser, alias: str = "default"
    ) -> None:
        self.socket = Client(layer, PATH)
        self.run = run
        self.browser = browser
        self.user = User.objects.get(pk=browser.session["_auth_user_id"])
        self.token = make_token(self.user, alias)

    def open(self, **content: Any) -> "Page":
        key = self.browser.session.session_key
        headers = [ORIGIN, [b"cookie", f"sessionid={key}".encode()]]
        query = f"token={self.token}".encode()
        self.socket.connect(**{"headers": headers, "query_string": query, **content})
        self.run(watch)
        return self

    @property
    def is_open(self) -> bool:
        return {"accept": True} in self.socket.replies

    @property
    def heard(self) -> list[dict[str, Any]]:
        """The states that were pushed."""
        texts = (each["text"] for each in self.socket.replies if "text" in each)
        return [json.loads(text)["state"] for text in texts]

    @property
    def is_closed(self) -> bool:
        return {"close": True} in self.socket.replies

    def close(self) -> None:
        self.socket.leave()
        self.run(leave)


@pytest.fixture
def page(memory_layer: InMemoryChannelLayer, run_next: RunNext, member: Member) -> Page:
    return Page(memory_layer, run_next, member("view_status"))


def push_now(layer: InMemoryChannelLayer, run: RunNext) -> int:
    """Run the pushes that are due within two seconds; return how many there were."""
    ahead = layer.store.clock() - time.time() + 2
    layer.store.clock = lambda: time.time() + ahead
    count: int = layer.admin.send_due().sent
    for _ in range(count):
        run(push, PUSH)
    return count


def waiting(layer: InMemoryChannelLayer) -> list[str]:
    return [each.id for each in layer.admin.delayed()]


# Who may open the socket


def test_one_with_the_permission_opens_it(page: Page) -> None:
    assert page.open().is_open
    assert StatusViewer.objects.get().channel == page.socket.reply_channel


@pytest.mark.parametrize(
    "permissions", [(), ("view_deadletter",), ("retry_deadletter", "drop_deadletter")]
)
def test_one_without_the_permission_does_not(
    memory_layer: InMemoryChannelLayer,
    run_next: RunNext,
    member: Member,
    permissions: tuple[str, ...],
) -> None:
    page = Page(memory_layer, run_next, member(*permissions)).open()
    assert page.socket.replies == [{"accept": False}]
    assert StatusViewer.objects.count() == 0
    assert waiting(memory_layer) == []


def test_one_who_is_no_staff_does_not(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, member: Member
) -> None:
    page = Page(memory_layer, run_next, member("view_status", is_staff=False)).open()
    assert page.socket.replies == [{"accept": False}]


@pytest.mark.parametrize(
    "headers",
    [
        [ORIGIN],
        [ORIGIN, [b"cookie", b"sessionid=neverthere0123456789neverthere0123"]],
        [ORIGIN, [b"cookie", b"sessionid="]],
    ],
)
def test_an_anonymous_visitor_does_not(page: Page, headers: list[list[bytes]]) -> None:
    assert page.open(headers=headers).socket.replies == [{"accept": False}]


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", None])
def test_pages_of_other_sites_do_not(page: Page, origin: bytes | None) -> None:
    cookie = [b"cookie", f"sessionid={page.browser.session.session_key}".encode()]
    page.open(headers=[cookie, [b"origin", origin]] if origin else [cookie])
    assert not page.is_open
    assert StatusViewer.objects.count() == 0


def test_without_the_token_of_a_page_it_does_not(page: Page, member: Member) -> None:
    someone = User.objects.create_superuser("root")
    of_another = make_token(someone, "default")
    foreign = signing.dumps([str(page.user.pk), "default"], salt="of something else")
    odd = signing.dumps({"a": 1}, salt="channels_workers.admin")
    for query in (
        b"",
        b"token=",
        b"token=%00%ff",
        "token=é",
        b"&".join([b"a=1"] * 50),
        f"token={of_another}".encode(),
        f"token={foreign}".encode(),
        f"token={odd}".encode(),
    ):
        other = Page(page.socket.layer, page.run, page.browser).open(query_string=query)
        assert other.socket.replies == [{"accept": False}], query


def test_an_old_token_does_not_open_it(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "TOKEN_AGE", -1)
    assert not page.open().is_open


def test_the_number_of_viewers_is_limited(
    page: Page, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VIEWERS == 50
    monkeypatch.setattr(viewers, "VIEWERS", 2)
    pages = [Page(memory_layer, page.run, page.browser).open() for _ in range(3)]
    assert [each.is_open for each in pages] == [True, True, False]
    pages[0].close()
    assert Page(memory_layer, page.run, page.browser).open().is_open


def test_rows_of_lost_sockets_do_not_keep_others_out(
    page: Page, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "VIEWERS", 1)
    StatusViewer.objects.create(
        channel="gone!1", session="x", layer="default", at=Now() - timedelta(hours=1)
    )
    assert not page.open().is_open
    push_now(memory_layer, page.run)
    assert StatusViewer.objects.count() == 0
    assert Page(memory_layer, page.run, page.browser).open().is_open


# Pushes


def test_all_hear_of_one_look(
    page: Page, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(alias: str) -> dict[str, Any]:
        seen.append(alias)
        return looks.look(alias)

    monkeypatch.setattr(consumers, "look", look)
    pages = [Page(memory_layer, page.run, page.browser).open() for _ in range(5)]
    assert waiting(memory_layer) == [PUSH_ID]
    assert seen == []
    assert push_now(memory_layer, page.run) == 1
    assert seen == ["default"]
    assert [len(each.heard) for each in pages] == [1] * 5
    assert pages[0].heard[0]["layer"] == "default"
    assert waiting(memory_layer) == [PUSH_ID], "there is a next push"
    assert push_now(memory_layer, page.run) == 1
    assert seen == ["default"] * 2


def test_nothing_runs_without_viewers(page: Page, memory_layer: InMemoryChannelLayer) -> None:
    page.open()
    push_now(memory_layer, page.run)
    page.close()
    assert StatusViewer.objects.count() == 0
    push_now(memory_layer, page.run)
    assert waiting(memory_layer) == []
    assert push_now(memory_layer, page.run) == 0


def test_pushes_begin_again(page: Page, memory_layer: InMemoryChannelLayer) -> None:
    page.open().close()
    push_now(memory_layer, page.run)
    assert waiting(memory_layer) == []
    again = Page(memory_layer, page.run, page.browser).open()
    assert push_now(memory_layer, page.run) == 1
    assert len(again.heard) == 1


def test_a_new_socket_does_not_put_off_the_next_push(
    page: Page, memory_layer: InMemoryChannelLayer
) -> None:
    page.open()
    [before] = memory_layer.admin.delayed()
    Page(memory_layer, page.run, page.browser).open()
    assert memory_layer.admin.delayed() == [before]


def test_a_new_socket_begins_pushes_that_were_lost(
    page: Page, memory_layer: InMemoryChannelLayer
) -> None:
    page.open()
    memory_layer.admin.cancel(PUSH_ID)
    StatusViewer.objects.update(at=Now() - timedelta(minutes=1))
    other = Page(memory_layer, page.run, page.browser).open()
    assert push_now(memory_layer, page.run) == 1
    assert len(page.heard) == len(other.heard) == 1


def test_two_pushes_become_one(page: Page, memory_layer: InMemoryChannelLayer) -> None:
    page.open()
    memory_layer.apply([memory_layer.make_send(PUSH, {})])
    page.run(push, PUSH)
    assert push_now(memory_layer, page.run) == 1
    assert waiting(memory_layer) == [PUSH_ID]


def test_a_handshake_that_runs_twice_is_one_viewer(page: Page) -> None:
    page.open()
    viewers.add(page.socket.reply_channel, "session", "default")
    assert StatusViewer.objects.count() == 1


def take_permission(page: Page) -> None:
    page.user.user_permissions.clear()


def make_no_staff(page: Page) -> None:
    User.objects.update(is_staff=False)


def deactivate(page: Page) -> None:
    User.objects.update(is_active=False)


def log_out(page: Page) -> None:
    page.browser.logout()


def change_password(page: Page) -> None:
    page.user.set_password("another")
    page.user.save()


def delete_user(page: Page) -> None:
    page.user.delete()


@pytest.mark.parametrize(
    "change",
    [take_permission, make_no_staff, deactivate, log_out, change_password, delete_user],
)
def test_one_who_may_no_longer_view_hears_nothing_more(
    page: Page, memory_layer: InMemoryChannelLayer, member: Member, change: Any
) -> None:
    page.open()
    push_now(memory_layer, page.run)
    assert (len(page.heard), page.is_closed) == (1, False)
    change(page)
    push_now(memory_layer, page.run)
    assert (len(page.heard), page.is_closed) == (1, True)
    assert StatusViewer.objects.count() == 0
    other = Page(memory_layer, page.run, member("view_status")).open()
    push_now(memory_layer, page.run)
    assert (len(page.heard), len(other.heard)) == (1, 1)


def test_others_go_on_hearing(
    page: Page, memory_layer: InMemoryChannelLayer, member: Member
) -> None:
    other = Page(memory_layer, page.run, member("view_status")).open()
    page.open()
    take_permission(page)
    push_now(memory_layer, page.run)
    assert (len(page.heard), len(other.heard), other.is_closed) == (0, 1, False)


def test_a_permission_of_a_group_counts(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, member: Member
) -> None:
    page = Page(memory_layer, run_next, member())
    group = page.user.groups.create(name="operators")
    group.permissions.add(Permission.objects.get(codename="view_status"))
    assert page.open().is_open


def test_a_layer_that_does_not_answer_is_told(
    page: Page, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.open()

    def fail() -> None:
        raise LayerUnavailable("gone")

    monkeypatch.setattr(memory_layer.admin, "status", fail)
    push_now(memory_layer, page.run)
    assert page.heard[0]["unavailable"] is True
    assert waiting(memory_layer) == [PUSH_ID]


def test_pushes_go_on_after_a_loss_of_data(
    page: Page, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.open()

    def fail(channels: list[str]) -> None:
        raise LayerUnavailable("not yet known")

    with monkeypatch.context() as away:
        away.setattr(memory_layer, "connected", fail)
        push_now(memory_layer, page.run)
    assert (page.heard, waiting(memory_layer)) == ([], [PUSH_ID])
    push_now(memory_layer, page.run)
    assert len(page.heard) == 1


def test_each_hears_of_the_layer_of_its_page(
    page: Page, memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    alias = "another/layer with an odd name ü"
    # Setting CHANNEL_LAYERS forgets the layers that were made.
    settings.CHANNEL_LAYERS[alias] = {"BACKEND": MEMORY}
    other = Page(memory_layer, page.run, page.browser, alias).open()
    page.open()
    push_now(memory_layer, page.run)
    assert [each["layer"] for each in page.heard] == ["default"]
    assert [each["layer"] for each in other.heard] == [alias]
    memory_layer.require_valid_group_name(group_of(alias))
