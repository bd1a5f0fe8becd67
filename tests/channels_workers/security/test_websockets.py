import re
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.exceptions import DenyConnection
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.security.websockets import (
    AllowedHostsOnlyOriginValidator,
    AllowedOriginsOnlyOriginValidator,
    BaseOriginValidator,
    allowed_hosts_only,
    allowed_origins_only,
    configured_origins_only,
)
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import RunNext

# Signals around a consumer clean up database connections.
pytestmark = pytest.mark.django_db

LAYER = InMemoryChannelLayer()

MISSING: list[list[list[bytes]]] = [
    [],
    [[]],
    [[b"host", b"chat.example.com"]],
    [[b"origin"]],
    [[b"origin", b""]],
    [[b"origin", "http://ch\u00e4t.example.com".encode()]],
    [[b"origin", b"null"]],
    [[b"origin", b"file://"]],
    [[b"origin", b"https://chat.example.com, https://chat.example.com"]],
    [[b"origin", b"https://chat.example.com"], [b"origin", b"https://chat.example.com"]],
    [[b"origin", b"https://chat.example.com"], [b"origin", b"https://evil.example"]],
]


def consumer(message: Message, *args: Any, **kwargs: Any) -> Any:
    """Accept everybody."""
    return "ran", args, kwargs


def from_origin(origin: str, host: str = "chat.example.com", *more: list[bytes]) -> Message:
    headers = [[b"host", host.encode()], [b"origin", origin.encode()], *more]
    return Message({"headers": headers}, "websocket.connect", LAYER)


def is_allowed(validated: Any, origin: str, *where: Any) -> bool:
    try:
        validated(from_origin(origin, *where))
    except DenyConnection:
        return False
    return True


@pytest.fixture
def hosts(settings: Settings) -> Settings:
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["chat.example.com", ".example.org", "[::1]"]
    return settings


ALLOWED = [
    "http://chat.example.com",
    "https://chat.example.com",
    "https://chat.example.com:8443",
    "https://CHAT.Example.com",
    "HTTPS://chat.example.com.",
    "http://[::1]:8000",
]
DENIED = [
    "https://example.com",
    "https://evil.example",
    "https://chat.example.com.evil.example",
    "https://evilexample.org",
    "https://evil.example/chat.example.com",
    "https://evil.example?chat.example.com",
    "https://chat.example.com@evil.example",
    "chat.example.com",
    "file://",
    "https://[chat.example.com",
    "https://[",
    "//",
    "null",
    "file://chat.example.com",
    "ftp://chat.example.com",
    "ws://chat.example.com",
    "wss://chat.example.com",
    "chrome-extension://chat.example.com",
    "https://chat.example.com/",
    "https://chat.example.com/page",
    "https://chat.example.com?a=b",
    "https://chat.example.com#a",
    "https://somebody@chat.example.com",
    "https://chat.example.com:",
    "https://chat.example.com:0",
    "https://chat.example.com:65536",
    "https://chat.example.com:443:443",
    "https://chat.example.com:\uff14\uff14\uff13",
    "https://chat.example.com..",
    "https://.chat.example.com",
    "https://chat.example.com\n",
    "https://chat.example.com\x00",
    " https://chat.example.com",
    "https://chat.example.com https://evil.example",
    "https://chat.example.com,https://evil.example",
    "https:\\\\chat.example.com",
    f"https://{'a.' * 200}chat.example.com",
    "https://[::1%25eth0]",
]

#: Of the hosts in ALLOWED_HOSTS this one has a leading dot.
DOTTED = ["https://example.org", "http://deep.down.example.org", "https://a.example.org:8443"]


@pytest.mark.parametrize("origin", ALLOWED)
@pytest.mark.usefixtures("hosts")
def test_pages_of_allowed_hosts_may_open_sockets(origin: str) -> None:
    assert is_allowed(allowed_hosts_only(consumer), origin)


LISTED = allowed_origins_only("https://chat.example.com")


@pytest.mark.parametrize(
    ("validated", "headers", "reason"),
    [
        (allowed_hosts_only, MISSING[2], "it has no Origin header"),
        (allowed_hosts_only, MISSING[3], "it has no Origin header"),
        (allowed_hosts_only, MISSING[9], "it has several Origin headers"),
        (allowed_hosts_only, MISSING[5], "its Origin is not ASCII"),
        (allowed_hosts_only, MISSING[6], "its Origin null is not in ALLOWED_HOSTS"),
        (LISTED, MISSING[7], "its Origin file:// is not in the list of its consumer"),
        (configured_origins_only, MISSING[6], "its Origin null is not in ALLOWED_HOSTS"),
        (
            allowed_hosts_only,
            [[b"origin", b"\n" * 200]],
            "its Origin " + r"\n" * 50 + " is not in ALLOWED_HOSTS",
        ),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_the_reason_of_a_refusal(validated: Any, headers: Any, reason: str) -> None:
    message = Message({"headers": headers}, "websocket.connect", LAYER)
    with pytest.raises(DenyConnection) as raised:
        validated(consumer)(message)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("allowed", "origins", "expected"),
    [
        (["*"], [], "its Host header"),
        ([], ["https://chat.example.com"], 'CHANNEL_WORKERS["ALLOWED_ORIGINS"]'),
    ],
)
def test_what_configured_origins_are_compared_with(
    allowed: list[str], origins: list[str], expected: str, hosts: Settings
) -> None:
    hosts.ALLOWED_HOSTS, hosts.CHANNEL_WORKERS = allowed, {"ALLOWED_ORIGINS": origins}
    with pytest.raises(DenyConnection, match=re.escape(f"is not in {expected}")):
        configured_origins_only(consumer)(from_origin("https://evil.example"))


@pytest.mark.parametrize("validated", [allowed_hosts_only, configured_origins_only])
@pytest.mark.parametrize("origin", DOTTED)
@pytest.mark.usefixtures("hosts")
def test_below_a_wildcard_domain_only_the_pages_own_host_counts(
    origin: str, validated: Any
) -> None:
    """Others may have hosts of that domain, as below `.herokuapp.com`."""
    own = origin.partition("//")[2]
    for host in (own, own.upper(), own.partition(":")[0], f"{own.partition(':')[0]}.:8443"):
        assert is_allowed(validated(consumer), origin, host)
    for host in ("chat.example.com", f"x.{own}", f"{own}.evil.example", "evil.example", ""):
        assert not is_allowed(validated(consumer), origin, host)


@pytest.mark.usefixtures("hosts")
def test_two_host_headers_match_nothing() -> None:
    other = [b"host", b"deep.down.example.org"]
    validated = allowed_hosts_only(consumer)
    assert is_allowed(validated, "https://deep.down.example.org", "deep.down.example.org")
    assert not is_allowed(
        validated, "https://deep.down.example.org", "deep.down.example.org", other
    )
    assert is_allowed(validated, "https://chat.example.com", "x.example.org", other)


def test_a_forwarded_host_counts_where_django_trusts_it(hosts: Settings) -> None:
    validated = allowed_hosts_only(consumer)
    told = "127.0.0.1:8000", [b"x-forwarded-host", b"a.example.org"]
    assert not is_allowed(validated, "https://a.example.org", *told)
    hosts.USE_X_FORWARDED_HOST = True
    assert is_allowed(validated, "https://a.example.org", *told)
    assert not is_allowed(validated, "https://b.example.org", *told)
    assert is_allowed(validated, "https://a.example.org", "a.example.org")


def test_a_host_listed_beside_its_domain_is_allowed_everywhere(hosts: Settings) -> None:
    hosts.ALLOWED_HOSTS = [".example.org", "www.example.org"]
    assert is_allowed(allowed_hosts_only(consumer), "https://www.example.org", "ws.example.org")
    assert not is_allowed(allowed_hosts_only(consumer), "https://x.example.org", "ws.example.org")


@pytest.mark.parametrize("origin", DENIED)
@pytest.mark.usefixtures("hosts")
def test_other_origins_are_refused(origin: str) -> None:
    assert not is_allowed(allowed_hosts_only(consumer), origin)


@pytest.mark.parametrize("headers", MISSING)
@pytest.mark.parametrize(
    "validated",
    [allowed_hosts_only(consumer), allowed_origins_only("*"), configured_origins_only(consumer)],
)
def test_an_unreadable_origin_is_refused(headers: Any, validated: Any, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    if not isinstance(validated, BaseOriginValidator):
        validated = validated(consumer)
    with pytest.raises(DenyConnection):
        validated(Message({"headers": headers}, "websocket.connect", LAYER))


def test_missing_headers_are_refused(hosts: Settings) -> None:
    with pytest.raises(DenyConnection):
        allowed_hosts_only(consumer)(Message({}, "websocket.connect", LAYER))


def test_a_star_allows_every_host(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert is_allowed(allowed_hosts_only(consumer), "https://evil.example")


@pytest.mark.parametrize("host", ["localhost", "chat.localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("debug", [True, False])
def test_debug_alone_allows_localhost(host: str, debug: bool, settings: Settings) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, []
    assert is_allowed(allowed_hosts_only(consumer), f"http://{host}:8000") is debug
    assert not is_allowed(allowed_hosts_only(consumer), "http://evil.example")


def test_debug_adds_nothing_to_configured_hosts(hosts: Settings) -> None:
    hosts.DEBUG = True
    assert not is_allowed(allowed_hosts_only(consumer), "http://localhost:8000")


def test_settings_are_read_for_each_message(hosts: Settings) -> None:
    validated = allowed_hosts_only(consumer)
    hosts.ALLOWED_HOSTS = ["evil.example"]
    assert is_allowed(validated, "https://evil.example")


@pytest.mark.usefixtures("hosts")
def test_arguments_and_result_of_the_consumer_are_passed_through() -> None:
    validated = allowed_hosts_only(consumer)
    result = validated(from_origin("https://chat.example.com"), 1, room="tea")
    assert result == ("ran", (1,), {"room": "tea"})


def test_the_decorated_consumer_looks_like_the_consumer() -> None:
    validated: Any = allowed_hosts_only(consumer)
    assert (validated.__name__, validated.__doc__) == ("consumer", "Accept everybody.")


# An explicit list

OWN_LIST = allowed_origins_only(
    "https://chat.example.com/",
    "http://chat.example.com:8080",
    "intranet",
    ".example.org",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "capacitor://localhost",
)


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example.com",
        "https://chat.example.com:443",
        "HTTPS://CHAT.example.com",
        "http://chat.example.com:8080",
        "http://intranet:1234",
        "https://any.example.org",
        "https://chat.example.com.",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "capacitor://localhost",
    ],
)
def test_listed_origins_may_open_sockets(origin: str) -> None:
    assert is_allowed(OWN_LIST(consumer), origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://chat.example.com",
        "https://chat.example.com:8443",
        "https://chat.example.com:99999",
        "ftp://chat.example.com",
        "https://example.com",
        "https://sub.intranet",
        "http://localhost",
        "capacitor://localhost:1",
        "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba",
        *DENIED,
    ],
)
def test_unlisted_origins_may_not(origin: str, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert not is_allowed(OWN_LIST(consumer), origin)


def test_an_empty_list_allows_nobody() -> None:
    assert not is_allowed(allowed_origins_only()(consumer), "https://chat.example.com")


@pytest.mark.parametrize(
    "entry", ["", "https://*.example.com", "chat.example.com:8000", "https://chat.example.com/page"]
)
def test_an_entry_that_matches_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no origin: expected one such as"):
        allowed_origins_only("intranet", entry)(consumer)


def test_the_list_may_be_any_iterable_and_is_copied() -> None:
    validated = AllowedOriginsOnlyOriginValidator(consumer, iter(["intranet"]))
    assert is_allowed(validated, "http://intranet")
    assert is_allowed(validated, "http://intranet")


# A custom validator


def test_a_subclass_decides_by_itself() -> None:
    class OnlyTLS(BaseOriginValidator):
        def validate_origin(self, message: Message, origin: str) -> bool:
            return origin.startswith("https:")

    assert is_allowed(OnlyTLS(consumer), "https://any.example")
    assert not is_allowed(OnlyTLS(consumer), "http://any.example")


def test_a_subclass_must_implement_the_decision() -> None:
    with pytest.raises(NotImplementedError, match="validate_origin"):
        BaseOriginValidator(consumer)(from_origin("https://any.example"))


def test_headers_can_be_read() -> None:
    validator = AllowedHostsOnlyOriginValidator(consumer)
    message = from_origin("https://any.example")
    assert validator.get_header(message, b"host") == [b"chat.example.com"]
    assert validator.get_origin(message) == "https://any.example"
    with pytest.raises(KeyError, match="cookie"):
        validator.get_header(message, b"cookie")


# In a worker


@pytest.mark.parametrize(
    ("origin", "answer"),
    [(b"https://chat.example.com", {"accept": True}), (b"https://evil.example", {"close": True})],
)
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("hosts")
def test_a_socket_of_another_site_is_refused(
    origin: bytes, answer: Any, is_async: bool, client_socket: Client, run_next: RunNext
) -> None:
    @allowed_hosts_only
    def accept(message: Any) -> None:
        message.reply_channel.send({"accept": True})

    @allowed_hosts_only
    async def accept_async(message: Any) -> None:
        message.reply_channel.send({"accept": True})

    client_socket.connect(headers=[[b"origin", origin]])
    run_next(accept_async if is_async else accept)
    assert client_socket.replies == [answer]


# A list in the settings


@pytest.mark.parametrize("origin", ["https://board.example.com", "https://a.example.org"])
@pytest.mark.usefixtures("hosts")
def test_the_list_in_the_settings_replaces_the_hosts(origin: str, settings: Settings) -> None:
    validated = configured_origins_only(consumer)
    settings.CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://board.example.com", ".example.org"]}
    assert is_allowed(validated, origin)
    assert not is_allowed(validated, "http://board.example.com")
    assert not is_allowed(validated, "https://chat.example.com")
    settings.ALLOWED_HOSTS = ["*"]
    assert not is_allowed(validated, "https://evil.example")


@pytest.mark.parametrize("origin", ALLOWED)
@pytest.mark.usefixtures("hosts")
def test_without_a_list_the_hosts_count(origin: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    assert is_allowed(configured_origins_only(consumer), origin)


@pytest.mark.parametrize("origin", DENIED)
@pytest.mark.usefixtures("hosts")
def test_without_a_list_others_are_refused(origin: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    assert not is_allowed(configured_origins_only(consumer), origin)
    settings.ALLOWED_HOSTS = ["*"]
    assert not is_allowed(configured_origins_only(consumer), origin)


def test_with_a_star_in_allowed_hosts_only_the_pages_own_host_counts(settings: Settings) -> None:
    settings.CHANNEL_WORKERS, settings.ALLOWED_HOSTS = {}, ["*"]
    validated = configured_origins_only(consumer)
    for origin in ("http://chat.example.com", "https://CHAT.example.com:443"):
        assert is_allowed(validated, origin)
    for origin in ("https://evil.example", "https://chat.example.com:8443", "null"):
        assert not is_allowed(validated, origin)
    assert is_allowed(validated, "https://chat.example.com:8443", "chat.example.com:8443")
    assert is_allowed(validated, "http://[::1]:8000", "[::1]:8000")
    assert not is_allowed(validated, "https://chat.example.com", "chat.example.com:80")
    assert not is_allowed(validated, "ftp://chat.example.com")
    without_host = {"headers": [[b"origin", b"https://chat.example.com"]]}
    with pytest.raises(DenyConnection):
        validated(Message(without_host, "websocket.connect", LAYER))
