"""Routes that replace those of the settings in tests."""

# ruff: noqa: D102, PT009, PT027, TID252  (tests in the way of 2017)

from channels import route, route_class
from channels.test import ChannelTestCase, Client, apply_routes

from .. import consumers
from ..routing import work


class RoutesTests(ChannelTestCase):
    """Temporary routes."""

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
