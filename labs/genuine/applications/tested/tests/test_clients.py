"""A layer for tests, and clients without a socket."""

# ruff: noqa: D102, PT009, PT027, TID252  (tests in the way of 2017)

from channels import Channel, Group
from channels.exceptions import ConsumeLater
from channels.sessions import session_for_reply_channel
from channels.test import ChannelTestCase, Client, TransactionChannelTestCase, apply_routes
from django.contrib.auth.models import User

from .. import consumers
from ..routing import work


class LayerTests(ChannelTestCase):
    """Messages that a test sends and reads itself."""

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
    """Consumers see the test's transaction, and the test sees their changes."""

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
