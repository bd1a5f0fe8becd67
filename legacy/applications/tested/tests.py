"""Tests that run alike on Channels 1.1.8 and, their imports rewritten, on channels_workers.

`legacy/compare --only tested` does both; `scripts/test tests/channels_workers/test/test_tested.py`
runs them on channels_workers alone.
"""

# ruff: noqa: D102, PT009, PT027, S106  (tests in the way of 2017)

from channels import Channel, Group, route, route_class
from channels.exceptions import ConsumeLater, DenyConnection
from channels.sessions import session_for_reply_channel
from channels.test import (
    ChannelTestCase,
    Client,
    HttpClient,
    TransactionChannelTestCase,
    WSClient,
    apply_routes,
)
from channels.test.base import ChannelTestCaseMixin
from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.utils.encoding import force_str

from . import consumers
from .routing import work


class LayerTests(ChannelTestCase):
    """What a test sends and reads by itself."""

    def test_a_message_by_hand(self):
        Channel("square.by.hand").send({"value": 33, "to": "result"})
        message = self.get_next_message("square.by.hand", require=True)
        self.assertEqual(message.channel.name, "square.by.hand")
        consumers.square(message)
        self.assertEqual(self.get_next_message("result", require=True)["value"], 1089)
        self.assertIsNone(self.get_next_message("result"))

    def test_a_message_that_is_required(self):
        with self.assertRaisesMessage(AssertionError, "Expected a message on channel x, got none"):
            self.get_next_message("x", require=True)

    def test_a_group_of_a_channel(self):
        Group("group").add("test-channel")
        Group("group").send({"value": 42}, immediately=True)
        result = self.get_next_message("test-channel", require=True)
        self.assertEqual(result.content, {"value": 42})

    def test_the_layer_is_empty(self):
        for channel in ("square.by.hand", "result", "test-channel", "left"):
            self.assertIsNone(self.get_next_message(channel, alias="default"))
        Channel("left").send({"over": True})

    def test_the_layer_is_empty_again(self):
        self.test_the_layer_is_empty()


class ClientTests(ChannelTestCase):
    """A client, and the consumers that it runs."""

    def test_the_life_of_a_message(self):
        client = Client()
        client.send_and_consume("square", {"value": 4, "to": "result"})
        self.assertEqual(client.get_next_message("result").content, {"value": 16})
        self.assertIsNone(client.get_next_message("result"))
        self.assertIsNone(client.receive())

    def test_what_a_consumer_returns(self):
        with apply_routes(work):
            self.assertEqual(Client().send_and_consume("answer"), "answered")

    def test_messages_wait_in_order(self):
        client = Client()
        with apply_routes(work):
            client.send("answer", {"text": "first"})
            client.send("answer", {"text": "second"})
            client.consume("answer")
            client.consume("answer")
        self.assertEqual(client.receive(), {"text": "first"})
        self.assertEqual(client.get_next_message(client.reply_channel)["text"], "second")
        self.assertIsNone(client.receive())

    def test_sending_to_a_client(self):
        first, second = Client(), Client()
        Channel(first.reply_channel).send({"for": "the first"}, immediately=True)
        self.assertIsNone(second.receive())
        self.assertEqual(self.get_next_message(first.reply_channel).content, {"for": "the first"})

    def test_groups(self):
        members = [Client(), Client()]
        stranger = Client()
        for client in members:
            client.join_group("group")
        Group("group").send({"value": 1}, immediately=True)
        Group("group").discard(members[1].reply_channel)
        Group("group").send({"value": 2}, immediately=True)
        self.assertEqual([members[0].receive() for _ in range(2)], [{"value": 1}, {"value": 2}])
        self.assertEqual([members[1].receive() for _ in range(2)], [{"value": 1}, None])
        self.assertIsNone(stranger.receive())

    def test_no_message(self):
        with self.assertRaisesMessage(AssertionError, "No message for channel square"):
            Client().consume("square")
        self.assertIsNone(Client().consume("square", fail_on_none=False))

    def test_no_consumer(self):
        for channel in ("nowhere", "websocket.connect", "websocket.receive"):
            client = Client()
            with self.assertRaisesMessage(AssertionError, "Can't find consumer for message"):
                client.send_and_consume(channel, {"path": "/elsewhere/"})
            self.assertIsNone(client.send_and_consume(channel, {"path": "/"}, fail_on_none=False))
            self.assertIsNone(client.get_next_message(channel))

    def test_the_consumer_of_a_channel(self):
        self.assertIs(Client().get_consumer_by_channel("square"), consumers.square)
        self.assertIsNone(Client().get_consumer_by_channel("nowhere"))

    def test_a_consumer_that_raises(self):
        client = Client()
        with apply_routes(work):
            with self.assertRaisesMessage(ValueError, "broken"):
                client.send_and_consume("fail")
            with self.assertRaises(ConsumeLater):
                client.send_and_consume("put.off")
        self.assertEqual(client.receive(), {"sent": "before"})

    def test_the_content_that_is_sent_stays_as_it_was(self):
        content = {"text": "hello"}
        Client().send("answer", content)
        self.assertEqual(content, {"text": "hello"})

    def test_the_alias(self):
        client = Client(alias="default")
        self.assertEqual(client.alias, "default")
        self.assertIsNotNone(client.channel_layer)

    def test_the_session_of_a_connection(self):
        client, other = Client(), Client()
        with apply_routes(work):
            counts = [item.send_and_consume("count") for item in (client, client, other)]
        self.assertEqual(counts, [1, 2, 1])
        self.assertEqual(session_for_reply_channel(client.reply_channel)["count"], 2)


class DatabaseTests(ChannelTestCase):
    """Consumers see the test's transaction, and the test sees what they did."""

    def setUp(self):
        self.client = Client()

    @apply_routes(work)
    def test_rows(self):
        with self.assertNumQueries(1):
            pk = self.client.send_and_consume("register", {"name": "ada"})
        self.assertEqual(User.objects.get().pk, pk)

    def test_rows_are_gone(self):
        self.assertFalse(User.objects.exists())


class TransactionTests(TransactionChannelTestCase):
    """The same without a transaction."""

    test_rows = DatabaseTests.test_rows
    setUp = DatabaseTests.setUp


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
    """Everything else that a client of WebSockets has."""

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


class RoutesTests(ChannelTestCase):
    """Routes for a while."""

    def is_routed(self, channel):
        return Client().get_consumer_by_channel(channel) is not None

    def test_forms(self):
        forms = [
            route("one", consumers.answer),
            [route("one", consumers.answer)],
            [[route("one", consumers.answer)], [route("two", consumers.answer)]],
            (route("one", consumers.answer),),
        ]
        for routes in forms:
            with apply_routes(routes, aliases=["default"]):
                self.assertTrue(self.is_routed("one"))
                self.assertFalse(self.is_routed("square"))
            self.assertTrue(self.is_routed("square"))

    def test_nesting_and_errors(self):
        with self.assertRaises(ZeroDivisionError), apply_routes(work):
            with apply_routes(route("two", consumers.answer)):
                self.assertFalse(self.is_routed("answer"))
            self.assertTrue(self.is_routed("answer"))
            raise ZeroDivisionError
        self.assertFalse(self.is_routed("answer"))

    @apply_routes([route_class(consumers.Feed)])
    def test_a_function(self):
        self.assertTrue(self.is_routed("websocket.connect"))
        self.assertFalse(self.is_routed("square"))


class MixinTests(ChannelTestCaseMixin, TestCase):
    """A test case that others made."""

    test_channel_aliases = ("default",)

    @override_settings(SESSION_COOKIE_NAME="other")
    def test_a_setting(self):
        self.assertEqual(list(WSClient().get_cookies()), ["other"])
