import inspect
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers import routing as routing_module
from channels_workers.handler import ViewConsumer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.logs import name_of
from channels_workers.message import Message
from channels_workers.routing import (
    Include,
    Route,
    Router,
    connect_consumer,
    get_router,
    include,
    null_consumer,
    route,
)
from tests.channels_workers.clients import Client, pull_one

LAYER = InMemoryChannelLayer()


def first(message: Message, **kwargs: str) -> None:
    pass


def second(message: Message, **kwargs: str) -> None:
    pass


class Callables:
    def __call__(self, message: Message) -> None:
        pass

    def method(self, message: Message) -> None:
        pass


chat_routing = [route("websocket.receive", first, path=r"^/chat")]
dict_routing = {"websocket.receive": first, "background": second}
not_a_routing = 5


def message_on(channel: str, **content: Any) -> Message:
    return Message(content, channel, LAYER)


def consumer_of(routing: Any, channel: str, **content: Any) -> Callable[..., Any] | None:
    match = Router(routing).match(message_on(channel, **content))
    return match and match.consumer


def arguments_of(routing: Any, channel: str, **content: Any) -> dict[str, str]:
    match = Router(routing).match(message_on(channel, **content))
    assert match is not None
    return match.kwargs


# Routes


def test_a_route_matches_only_its_channel() -> None:
    routing = [route("background", first)]
    assert consumer_of(routing, "background") is first
    assert consumer_of(routing, "background.other") is None


@pytest.mark.parametrize("channels", [["one", "two"], ("one", b"two"), iter(["one", "two"])])
def test_a_route_may_listen_to_several_channels(channels: Any) -> None:
    routing = [route(channels, first)]
    assert consumer_of(routing, "one") is first
    assert consumer_of(routing, "two") is first


def test_a_channel_name_may_be_bytes() -> None:
    assert Route(b"background", first).channels == ["background"]


def test_the_first_route_that_matches_wins() -> None:
    routing = [
        route("websocket.receive", first, path=r"^/chat"),
        route("websocket.receive", second, path=r"^/chat/special"),
        route("websocket.receive", second),
    ]
    assert consumer_of(routing, "websocket.receive", path="/chat/special") is first
    assert consumer_of(routing, "websocket.receive", path="/else") is second


def test_a_filter_matches_the_beginning_of_the_value() -> None:
    routing = [route("background", first, path="/chat")]
    assert consumer_of(routing, "background", path="/chat/more") is first
    assert consumer_of(routing, "background", path="/the/chat") is None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^/chat/$", "/chat/", True),
        ("^/chat/$", "/chat/\n", False),
        ("^/chat/$", "/chat/\n\n", False),
        (r"^(?P<rest>.+)$", "a\n", False),
        (r"(?s)^(?P<rest>.+)$", "a\n", True),
        (r"(?m)^a$", "a\n", True),
        (r"^a\n$", "a\n", True),
        ("^a", "a\n", True),
        (r"^a\$", "a$\n", True),
        (r"^a\\$", "a\\\n", False),
    ],
)
def test_a_dollar_matches_only_at_the_very_end(pattern: str, text: str, matches: bool) -> None:
    """As in Django's urls.py. In Python it also matches before a trailing newline."""
    routing = [route("background", first, text=pattern)]
    assert consumer_of(routing, "background", text=text) == (first if matches else None)
    routing = [include([route("background", first)], text=pattern)]
    assert consumer_of(routing, "background", text=text) == (first if matches else None)


def test_all_filters_must_match() -> None:
    routing = [route("background", first, path="^/a$", method="^GET$")]
    assert consumer_of(routing, "background", path="/a", method="GET") is first
    assert consumer_of(routing, "background", path="/a", method="POST") is None
    assert consumer_of(routing, "background", path="/b", method="GET") is None


def test_a_filter_on_a_missing_key_fails() -> None:
    assert consumer_of([route("background", first, path=r".*")], "background") is None


@pytest.mark.parametrize("value", [None, 5, ["/chat"], {"path": "/chat"}])
def test_a_filter_on_a_value_that_is_not_text_fails(value: Any) -> None:
    assert consumer_of([route("background", first, path=r".*")], "background", path=value) is None


@pytest.mark.parametrize("pattern", [r"^/(?P<room>\w+)/$", rb"^/(?P<room>\w+)/$"])
@pytest.mark.parametrize("value", ["/tea/", b"/tea/"])
def test_patterns_and_values_may_be_bytes(pattern: Any, value: Any) -> None:
    routing = [route("background", first, path=pattern)]
    assert arguments_of(routing, "background", path=value) == {"room": "tea"}


def test_undecodable_bytes_do_not_raise() -> None:
    routing = [route("background", first, query_string=r"^a=(?P<value>.)$")]
    assert arguments_of(routing, "background", query_string=b"a=\xff") == {"value": "\udcff"}


def test_named_groups_of_all_filters_become_arguments() -> None:
    routing = [route("background", first, path=r"^/(?P<room>\w+)", method=r"^(?P<verb>GET|POST)$")]
    found = arguments_of(routing, "background", path="/tea", method="GET")
    assert found == {"room": "tea", "verb": "GET"}


def test_an_unmatched_optional_group_is_none() -> None:
    routing = [route("background", first, path=r"^/(?P<room>\d+)?")]
    assert arguments_of(routing, "background", path="/") == {"room": None}


def test_positional_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Filter for path on .*background.* positional groups"):
        route("background", first, path=r"^/(\w+)/(?P<room>\w+)$")


@pytest.mark.parametrize("where", [route, include])
def test_an_invalid_regular_expression_is_reported(where: Any) -> None:
    arguments: tuple[Any, ...] = ("background", first) if where is route else ([],)
    with pytest.raises(ValueError, match=r"Filter for path on .* is no regular expression: '\('"):
        where(*arguments, path="(")


def test_non_capturing_groups_are_allowed() -> None:
    assert arguments_of([route("x", first, path=r"^/(?:a|b)$")], "x", path="/b") == {}


def test_a_consumer_may_be_a_dotted_path() -> None:
    routing = [route("background", "channels_workers.routing.null_consumer")]
    assert consumer_of(routing, "background") is null_consumer


@pytest.mark.parametrize("path", ["channels_workers.routing.missing", "no_such.module", "nodots"])
def test_a_nonexistent_consumer_is_reported(path: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"Cannot import consumer '{path}'"):
        route("background", path)


@pytest.mark.parametrize("consumer", [None, 5, "channels_workers.routing.logger_name", ["x"]])
def test_a_consumer_must_be_callable(consumer: Any) -> None:
    with pytest.raises(ImproperlyConfigured):
        route("background", consumer)


def test_a_consumer_may_be_any_callable() -> None:
    for consumer in (Callables(), Callables().method, lambda message: None):
        assert consumer_of([route("background", consumer)], "background") == consumer


def test_a_route_has_a_repr() -> None:
    text = str(route(["one", "two"], null_consumer, path="^/chat"))
    assert text == "one/two (path=^/chat) -> channels_workers.routing.null_consumer"


def test_consumers_are_named_for_logs() -> None:
    assert name_of(first) == f"{__name__}.first"
    assert name_of(Callables()) == f"{__name__}.Callables"
    assert name_of(Callables().method) == f"{__name__}.Callables.method"


# Routings


def test_a_dict_maps_channels_to_consumers() -> None:
    assert consumer_of(dict_routing, "websocket.receive") is first
    assert consumer_of(dict_routing, "background") is second


@pytest.mark.parametrize("name", ["chat_routing", "dict_routing"])
def test_a_routing_may_be_a_dotted_path(name: str) -> None:
    assert consumer_of(f"{__name__}.{name}", "websocket.receive", path="/chat") is first


@pytest.mark.parametrize("path", ["no_such_module.routing", f"{__name__}.missing", "nodots"])
def test_a_nonexistent_routing_is_reported(path: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"Cannot import channel routing '{path}'"):
        Router(path)


@pytest.mark.parametrize("routing", [not_a_routing, f"{__name__}.not_a_routing", None, ["x"], [5]])
def test_a_routing_must_be_a_list_or_a_dict(routing: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="must be a list of route"):
        Router(routing)


def test_an_added_route_comes_last() -> None:
    router = Router([route("one", first)])
    router.add_route(route("one", second))
    router.add_route(route("two", second))
    assert router.match(message_on("one")) == (first, {})
    assert router.match(message_on("two")) == (second, {})
    assert "two" in router.channels


def test_a_route_added_to_a_router_in_use_takes_effect() -> None:
    router = Router([route("one", first, text="a")])
    assert router.match(message_on("one", text="b")) is None
    router.add_route(route("one", second))
    assert router.match(message_on("one", text="b")) == (second, {})
    assert router.match(message_on("one", text="a")) == (first, {})


def test_adding_a_route_does_not_affect_other_routings() -> None:
    Router(f"{__name__}.chat_routing").add_route(route("two", second))
    assert len(chat_routing) == 1


def test_a_router_knows_its_channels() -> None:
    router = Router([route(["one", "two"], first), include([route("three", second)])])
    sockets = {"websocket.connect", "websocket.receive", "websocket.disconnect"}
    assert router.channels == {"one", "two", "three"}
    assert router.channels_and_defaults == router.channels | sockets
    assert Router([]).channels == set()


def test_the_setting_names_the_routing(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = f"{__name__}.dict_routing"
    assert get_router().match(message_on("background")) == (second, {})


def test_a_missing_setting_is_reported_with_the_remedy(settings: Settings) -> None:
    del settings.CHANNEL_ROUTING
    with pytest.raises(ImproperlyConfigured, match=r"CHANNEL_ROUTING is missing.*e\.g\."):
        get_router()


# Includes


def test_an_include_without_prefix_changes_nothing() -> None:
    assert consumer_of([include(chat_routing)], "websocket.receive", path="/chat/a") is first


def test_an_include_may_name_its_routing() -> None:
    routing = [include(f"{__name__}.chat_routing")]
    assert consumer_of(routing, "websocket.receive", path="/chat/a") is first


def test_inner_filters_see_the_rest_of_the_value() -> None:
    routing = [include([route("x", first, path=r"^/rooms$")], path=r"^/chat")]
    assert consumer_of(routing, "x", path="/chat/rooms") is first
    assert consumer_of(routing, "x", path="/rooms") is None
    assert consumer_of(routing, "x", path="/chat/chat/rooms") is None


def test_the_message_itself_is_unchanged() -> None:
    message = message_on("x", path="/chat/rooms")
    Router([include([route("x", first, path="^/rooms")], path="^/chat")]).match(message)
    assert message["path"] == "/chat/rooms"


def test_a_prefix_removed_by_one_include_is_there_for_the_next() -> None:
    routing = [
        include([route("x", first, path=r"^/no$")], path=r"^/chat"),
        include([route("x", second, path=r"^/chat/yes$")]),
    ]
    assert consumer_of(routing, "x", path="/chat/yes") is second


def test_prefixes_nest() -> None:
    innermost = [route("x", first, path=r"^/c$")]
    routing = [include([include(innermost, path=r"^/b")], path=r"^/a")]
    assert consumer_of(routing, "x", path="/a/b/c") is first
    assert consumer_of(routing, "x", path="/a/c") is None


def test_arguments_of_prefixes_and_routes_merge_and_the_inner_wins() -> None:
    inner = [route("x", first, path=r"^/(?P<room>\w+)/(?P<same>\w+)$")]
    routing = [include(inner, path=r"^/(?P<site>\w+)/(?P<same>\w+)")]
    found = arguments_of(routing, "x", path="/uk/outer/tea/inner")
    assert found == {"site": "uk", "room": "tea", "same": "inner"}


def test_positional_groups_in_a_prefix_give_no_arguments() -> None:
    routing = [include([route("x", first)], path=r"^/(\w+)")]
    assert arguments_of(routing, "x", path="/tea") == {}


def test_a_prefix_on_a_missing_key_fails() -> None:
    assert consumer_of([include([route("x", first)], path="")], "x") is None


def test_a_prefix_also_strips_bytes() -> None:
    routing = [include([route("x", first, path=r"^/b$")], path=r"^/a")]
    assert consumer_of(routing, "x", path=b"/a/b") is first


def test_a_prefix_on_one_key_does_not_affect_others() -> None:
    inner = [route("x", first, path=r"^/b$", method=r"^GET$")]
    assert consumer_of([include(inner, path=r"^/a")], "x", path="/a/b", method="GET") is first


def test_an_include_knows_its_channels() -> None:
    assert Include(dict_routing, path="^/x").channel_names() == {"websocket.receive", "background"}
    assert Include([]).channel_names() == set()


segments = st.text("abc/", min_size=1, max_size=6)


@given(st.lists(segments, max_size=4), segments, st.sampled_from(["", "d", "/d"]))
def test_nested_prefixes_match_like_their_concatenation(
    prefixes: list[str], tail: str, more: str
) -> None:
    routing: Any = [route("x", first, path=f"^(?P<rest>{re.escape(tail)})$")]
    for prefix in reversed(prefixes):
        routing = [include(routing, path=f"^{re.escape(prefix)}")]
    match = Router(routing).match(message_on("x", path="".join(prefixes) + tail + more))
    assert match == (None if more else (first, {"rest": tail}))


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_named_group_returns_any_text(prefix: str, value: str) -> None:
    inner = [route("x", first, path=r"(?s)^(?P<rest>.*)$")]
    routing = [include(inner, path=f"^{re.escape(prefix)}")]
    assert arguments_of(routing, "x", path=prefix + value) == {"rest": value}


# Sockets without a route


def default_of(routing: Any, channel: str, **content: Any) -> Callable[..., Any] | None:
    match = Router(routing).match_or_default(message_on(channel, **content))
    return match and match.consumer


@pytest.mark.parametrize("channel", ["websocket.connect", "websocket.receive", "background"])
def test_without_a_route_nothing_matches(channel: str) -> None:
    assert Router([]).match(message_on(channel)) is None
    assert Router([route(channel, first, text="^a")]).match(message_on(channel, text="b")) is None


def test_an_unrouted_connect_is_accepted() -> None:
    assert default_of([], "websocket.connect") is connect_consumer


@pytest.mark.parametrize("channel", ["websocket.receive", "websocket.disconnect"])
def test_unrouted_frames_and_disconnects_are_ignored(channel: str) -> None:
    assert default_of([], channel) is null_consumer


def test_a_socket_that_no_filter_matches_is_unrouted() -> None:
    routing = [route("websocket.connect", first, path=r"^/chat/")]
    assert default_of(routing, "websocket.connect", path="/chat/") is first
    found = default_of(routing, "websocket.connect", path="/else/")
    assert found is not None
    assert inspect.unwrap(found) is connect_consumer


def unrouted(router: Router, channel: str, path: str) -> None:
    message = message_on(channel, path=path)
    match = router.match_or_default(message)
    assert match is not None
    assert match.consumer(message, **match.kwargs) is None


def test_a_path_without_a_route_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    channels = ["websocket.connect", "websocket.receive", "websocket.disconnect"]
    router = Router([route(channels, first, path="^/chat/")])
    for channel in channels:
        unrouted(router, channel, "/else/")
    unrouted(router, "websocket.receive", "/\n")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert caplog.messages == [
        "No route for websocket.connect matches the path /else/, so workers accept the socket. "
        "This is logged once for a path.",
        r"No route for websocket.receive matches the path /\n, so workers ignore the message. "
        "This is logged once for a path.",
    ]
    assert vars(caplog.records[0])["event"] == "not_routed"
    assert vars(caplog.records[0])["path"] == "/else/"


def test_only_channels_of_the_routing_are_missed(caplog: pytest.LogCaptureFixture) -> None:
    router = Router([route("websocket.receive", first, path="^/chat/")])
    unrouted(router, "websocket.connect", "/else/")
    unrouted(router, "websocket.disconnect", "/else/")
    router.add_route(route("websocket.disconnect", first, path="^/chat/"))
    assert not caplog.records
    unrouted(router, "websocket.disconnect", "/else/")
    assert len(caplog.records) == 1


def test_clients_cannot_fill_the_log_with_paths(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing_module, "UNROUTED_PATHS", 3)
    router = Router([route("websocket.receive", first, path="^/chat/")])
    for number in range(5):
        unrouted(router, "websocket.receive", f"/{number}/")
    assert len(caplog.records) == 3
    assert caplog.messages[-1].endswith("No more paths are logged.")


def test_another_channel_without_a_route_has_no_consumer() -> None:
    assert default_of([], "background") is None


def test_http_has_defaults_if_it_goes_to_workers() -> None:
    router = Router([route("http.request", first, path="^/one/")])
    messages = [
        Message({"path": path}, channel, LAYER)
        for channel, path in [
            ("http.request", "/one/"),
            ("http.request", "/two/"),
            ("http.disconnect", "/two/"),
            ("websocket.connect", "/"),
        ]
    ]

    def matches() -> list[Any]:
        return [match and match.consumer for match in map(router.match, messages)]

    assert matches() == [first, None, None, None]
    assert router.match_or_default(messages[1]) is None
    router.check_default(second)
    assert matches() == [first, second, null_consumer, connect_consumer]
    assert {"http.request", "http.disconnect"} < router.channels_and_defaults
    assert router.channels == {"http.request"}
    router.add_route(route("http.request", null_consumer))
    assert matches()[:2] == [first, null_consumer]
    router.check_default(first)  # once is enough
    assert router.match(messages[2]) is not None


def test_views_are_the_default_of_http() -> None:
    router = Router([])
    router.check_default()
    match = router.match(Message({"path": "/"}, "http.request", LAYER))
    assert match is not None
    assert type(match.consumer) is ViewConsumer


@pytest.mark.parametrize(("name", "hears"), [("http.disconnect", True), ("http.request", False)])
def test_a_router_knows_whether_it_hears_the_ends_of_requests(name: str, hears: bool) -> None:
    router = Router([])
    router.check_default(first)
    assert not router.hears_ends
    router.add_route(include([route(name, first, path="^/one/")]))
    assert router.hears_ends is hears


def test_the_default_connect_consumer_accepts(client_socket: Client) -> None:
    client_socket.connect()
    layer = client_socket.layer
    delivery = pull_one(layer)
    connect_consumer(Message(layer.content(delivery), delivery.channel, layer, delivery))
    assert client_socket.replies == [{"accept": True}]
