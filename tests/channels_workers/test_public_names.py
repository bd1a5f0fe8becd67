"""The public names. Changing this list is a decision and needs a changelog entry."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import channels_workers
from labs.harness.processes import clean_environment

#: By module. "" is the package itself. Unlisted names may change in any release.
PUBLIC = {
    "": """
        Channel ConsumeLater DenyConnection Group Message channel_session channel_session_user
        channel_session_user_from_http get_channel_layer include route route_class
    """,
    "admin.routing": "channel_routing",
    "admin.sites": "register",
    "apps": "ChannelsWorkersConfig",
    "asgi": "at_script_name channel_layers get_application get_channel_layer",
    "auth": """
        channel_and_http_session_user_from_http channel_session_user channel_session_user_from_http
        http_session_user transfer_user
    """,
    "binding": "Binding",
    "binding.base": "Binding BindingMetaclass CREATE DELETE UPDATE",
    "binding.websockets": "WebsocketBinding WebsocketBindingWithMembers",
    "channel": "Channel Group",
    "delay": "acancel cancel",
    "delay.apps": "DelayConfig",
    "declarations": "Declaration Exchange JsonSchema Keywords declaration_of declares sends",
    "decorators": "ConsumerDecorator Finish always never",
    "envelope": """
        DEFERRED Envelope EnvelopeConsumer Refused Stream accept agroup_send asend content_of
        envelope group_send refuse reply send stream
    """,
    "exceptions": """
        AcceptConnection ChannelError ChannelFull ChannelSocketException ConsumeLater DenyConnection
        LayerRefused LayerUnavailable LayerUnfit MessageError MessageTooLarge OnceRefused OutboxFull
        RequestAborted RequestTimeout ResponseBroken ResponseLater SendNotAvailableOnDemultiplexer
        ServerEvicted TaskLost WebsocketCloseException
    """,
    "generic": "BaseConsumer",
    "generic.base": "BaseConsumer",
    "generic.mixins": "AsyncWorkerMessagesMixin WorkerMessagesMixin",
    "generic.websockets": """
        JsonWebsocketConsumer WebsocketConsumer WebsocketDemultiplexer WebsocketMultiplexer
    """,
    "handler": "AsgiHandler AsgiRequest ViewConsumer",
    "http.sse": "last_event_id server_sent_event start",
    "layers.base": "FORMAT_VERSION WorkerLayer",
    "layers.memory": "InMemoryChannelLayer Store",
    "layers.redis": "RedisChannelLayer",
    "jwt": "validate",
    "logs.filters": "CurrentMessage NoSecrets NoSockets",
    "logs.json": "JsonFormatter",
    "logs.text": "TextFormatter",
    "message": "Message",
    "metrics": "register",
    "middleware": "Call",
    "once": "once roll_back",
    "places": "leave_place",
    "registry": "DEFAULT_CHANNEL_LAYER channel_layers get_channel_layer",
    "routing": """
        Include Match Route RouteClass Router connect_consumer get_router include null_consumer
        route route_class
    """,
    "schemas": """
        Invalid Reader TypedWebsocketConsumer declares plain read read_text receives schema_of sends
        write
    """,
    "security.websockets": """
        AllowedHostsOnlyOriginValidator AllowedOriginsOnlyOriginValidator BaseOriginValidator
        ConfiguredOriginsOnlyOriginValidator allowed_hosts_only allowed_origins_only
        ConfiguredOriginsOrTokenValidator configured_origins_only configured_origins_or_token
    """,
    "sessions": """
        channel_and_http_session channel_session enforce_ordering http_session
        session_for_reply_channel
    """,
    "signals": "consumer_finished consumer_started worker_process_ready worker_ready",
    "staticfiles": "StaticFilesConsumer StaticFilesHandler default_http_consumer",
    "tasks": "TaskBackend retry",
    "tasks.apps": "TasksConfig",
    "tasks.backend": "TaskBackend",
    "tasks.retries": "retry",
    "test": """
        ChannelLiveServerTestCase ChannelTestCase ChannelTestCaseMixin Client HttpClient
        TransactionChannelTestCase WSClient apply_routes relay_sends
    """,
    "test.base": """
        ChannelTestCase ChannelTestCaseMixin Client TransactionChannelTestCase apply_routes
    """,
    "test.http": "HttpClient",
    "test.liveserver": "ChannelLiveServerTestCase",
    "test.websocket": "WSClient json_module",
    "tokens": "TokenRefused TokenUser close_sockets_of issue token_user verify",
    "tokens.signed": "issue validate",
    "worker": "Worker WorkerGroup logger",
}
ROOT = Path(channels_workers.__file__).parent
NAMES = [(module, name) for module, names in PUBLIC.items() for name in names.split()]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(module: str) -> object:
    return importlib.import_module(f"{channels_workers.__name__}.{module}".rstrip("."))


@pytest.mark.parametrize("module", PUBLIC)
def test_each_module_exports_the_listed_names(module: str) -> None:
    assert sorted(getattr(imported(module), "__all__", ())) == sorted(PUBLIC[module].split())


def test_no_other_module_exports_names() -> None:
    exporting = {
        module_of(path)
        for path in ROOT.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    }
    assert exporting == set(PUBLIC)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_class_and_function_has_a_docstring(module: str, name: str) -> None:
    found = getattr(imported(module), name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert inspect.getdoc(found), f"{module}.{name} has no docstring"
        assert found.__doc__, f"{module}.{name} has only the docstring of its base"


def test_the_package_can_be_imported_without_settings() -> None:
    """Django imports it before models are loaded."""
    code = "import sys, channels_workers; print('django.contrib.auth.models' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT.parent,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (0, "False\n"), result.stderr
