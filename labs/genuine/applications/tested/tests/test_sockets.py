"""WebSocket clients: of users, of guests, and all their features."""

# ruff: noqa: D102, PT009, PT027, S106, TID252  (tests in the way of 2017)

from channels import Group, route
from channels.exceptions import DenyConnection
from channels.test import ChannelTestCase, HttpClient, WSClient, apply_routes
from channels.test.base import ChannelTestCaseMixin
from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.utils.encoding import force_str

from .. import consumers
from ..routing import work


class RoomTests(ChannelTestCase):
    """Sockets of users."""

    def setUp(self):
        self.user = User.objects.create_user("ada", password="lovelace")
        self.socket = HttpClient()
        self.socket.force_login(self.user)

    def test_a_room(self):
        self.socket.send_and_consume("websocket.connect", path="/rooms/one/")
        self.assertIsNone(self.socket.receive())
        line = self.socket.send_and_consume(
            "websocket.receive",
            text={"hello": "world"},
            path="/rooms/one/",
        )
        self.assertEqual(line, {"user": "ada", "said": {"hello": "world"}, "room": "one"})
        self.assertEqual(self.socket.receive(), line)
        Group("room-one").send({"text": "ok"}, immediately=True)
        self.assertEqual(self.socket.receive(json=False), "ok")
        self.socket.send_and_consume("websocket.disconnect", path="/rooms/one/")
        Group("room-one").send({"text": "ok"}, immediately=True)
        self.assertIsNone(self.socket.receive())

    def test_an_exception_that_closes(self):
        self.socket.send_and_consume("websocket.connect", path="/rooms/one/")
        self.socket.send_and_consume("websocket.receive", text="no JSON", path="/rooms/one/")
        self.assertEqual(self.socket.receive(), {"close": 4000})

    def test_a_guest(self):
        with self.assertRaises(DenyConnection):
            WSClient().send_and_consume("websocket.connect", path="/rooms/one/")

    def test_a_password(self):
        client = WSClient()
        self.assertIs(client.login(username="ada", password="wrong"), False)
        self.assertIs(client.login(username="ada", password="lovelace"), True)
        with apply_routes([work]):
            self.assertEqual(client.send_and_consume("browser.user"), "ada")

    def test_a_socket_that_is_not_accepted(self):
        with apply_routes(route("websocket.connect", consumers.refuse)):
            with self.assertRaisesMessage(AssertionError, "Connection rejected: {'close': True} "):
                WSClient().send_and_consume("websocket.connect")
            client = WSClient()
            client.send_and_consume("websocket.connect", check_accept=False)
            self.assertEqual(client.receive(), {"close": True})

    def test_a_class(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", path="/feed/")
        feed = client.send_and_consume("websocket.receive", text={"a": 1}, path="/feed/")
        self.assertIsInstance(feed, consumers.Feed)
        self.assertEqual(client.receive(), {"fed": {"a": 1}})
        client.send_and_consume("websocket.disconnect", path="/feed/")
        consumers.Feed.group_send("feed", {"a": 2})
        self.assertIsNone(client.receive())


@apply_routes([work])
class SocketTests(ChannelTestCase):
    """All other features of a WebSocket client."""

    def setUp(self):
        self.socket = WSClient()

    def test_the_content(self):
        content = self.socket.send_and_consume("describe", {"bytes": b"1"}, path="/a/?b=c")
        self.assertEqual(content["path"], "/a/")
        self.assertEqual(content["bytes"], b"1")
        self.assertNotIn("query_string", content)
        self.assertNotIn("text", content)
        self.assertEqual(content["reply_channel"], self.socket.reply_channel)
        self.assertIn("headers", content)

    def test_the_query_string(self):
        with apply_routes(route("websocket.connect", consumers.describe)):
            content = self.socket.send_and_consume(
                "websocket.connect",
                path="/a/?b=c",
                check_accept=False,
            )
        self.assertEqual((content["path"], content["query_string"]), ("/a/", "b=c"))

    def test_texts(self):
        for text in ("plain", {"a": [1]}, ["a"], 5):
            self.socket.send_and_consume("answer", text=text)
        self.assertEqual(self.socket.receive(json=False), "plain")
        self.assertEqual([self.socket.receive() for _ in range(3)], [{"a": [1]}, ["a"], 5])
        self.socket.send_and_consume("answer", {"text": {"a": 1}})
        self.assertEqual(self.socket.receive(json=False), '{"a": 1}')

    def test_cookies_and_headers(self):
        self.socket.set_cookie("foo", "bar")
        self.socket.set_header("host", "test.com")
        self.assertEqual(set(self.socket.get_cookies()), {"foo", "sessionid"})
        self.assertEqual(self.socket.headers["host"], "test.com")
        self.assertIn("foo=bar", force_str(self.socket.headers["cookie"]))
        with self.assertRaisesMessage(ValueError, "Use set_cookie method for cookie header"):
            self.socket.set_header("cookie", "foo=bar")
        self.socket.send("answer")
        self.assertEqual(self.socket.get_cookies(), {"foo": "bar"})

    def test_the_session_of_the_browser(self):
        self.socket.session.create()
        self.socket.session["visits"] = 3
        self.socket.session.save()
        self.socket.send_and_consume("browser")
        self.assertEqual(self.socket.receive(), 3)

    def test_the_session_of_the_connection(self):
        self.socket.session["count"] = 3
        self.socket.session.save(must_create=True)
        self.assertEqual(self.socket.send_and_consume("count"), 4)

    def test_the_order(self):
        client = WSClient(ordered=True)
        for _ in range(3):
            client.send_and_consume("ordered")
        self.assertEqual([client.receive() for _ in range(4)], [0, 1, 2, None])
        with self.assertRaisesMessage(ValueError, 'Do not use "order" manually'):
            client.send("ordered", {"order": 7})


class MixinTests(ChannelTestCaseMixin, TestCase):
    """A test case with a base class of its own."""

    test_channel_aliases = ("default",)

    @override_settings(SESSION_COOKIE_NAME="other")
    def test_a_setting(self):
        self.assertEqual(list(WSClient().get_cookies()), ["other"])
