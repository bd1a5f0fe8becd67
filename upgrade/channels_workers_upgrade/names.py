"""Every public name of Channels 1.1.8, and its rename.

The engine's documentation shows the same tables; a test compares them.
"""

from __future__ import annotations

from channels_workers_upgrade.renames import Rename, Row, again, changed, gone, renames, same

_BY_SETTING = '`CHANNEL_WORKERS = {"HTTP": "workers"}` lets workers answer HTTP'
_BINDING = (
    "frames go out when the transaction commits, so use `TransactionChannelTestCase` in tests; "
    "import the module of a binding in `AppConfig.ready()`, for your views"
)
_BY_WORKERS = "not needed: each worker sends delayed messages when they are due"
_INSIDE = "internal to 1.1.8"
_LAYERS_BY_CHANNELS = "`channel_layers` is the manager of Channels 4, `channels.layers`"

#: By heading in the documentation.
SECTIONS: dict[str, tuple[Row, ...]] = {
    "Channels, groups and messages": (
        same("", "Channel Group route route_class include"),
        same("", "channel_layers", here="channels_workers.asgi"),
        same("", "DEFAULT_CHANNEL_LAYER", here="channels_workers.registry"),
        gone("", "default_app_config", "Django finds the app configuration itself"),
        same("channel", "Channel Group"),
        same(
            "message",
            "Message",
            "also has an `id`, which stays the same when the message is retried",
        ),
        gone(
            "message",
            "PendingMessageStore pending_message_store",
            "sends of a consumer wait in its outbox and go out with its commit; "
            "`immediately=True` sends at once",
        ),
    ),
    "Routing": (
        same(
            "routing",
            "Router Route RouteClass Include route route_class include null_consumer "
            "connect_consumer",
            "your own entries define `match_values` and `channel_names`",
        ),
    ),
    "Sessions and users": (
        same("sessions", "channel_session http_session channel_and_http_session"),
        same(
            "sessions",
            "enforce_ordering",
            "messages of a socket always run in order, so you may remove it",
        ),
        same("sessions", "session_for_reply_channel"),
        gone("sessions", "wait_channel_name requeue_messages", "the layer keeps the order"),
        same(
            "auth",
            "transfer_user channel_session_user http_session_user channel_session_user_from_http "
            "channel_and_http_session_user_from_http",
        ),
        same(
            "security.websockets",
            "BaseOriginValidator AllowedHostsOnlyOriginValidator allowed_hosts_only",
        ),
    ),
    "Exceptions and signals": (
        same(
            "exceptions",
            "ConsumeLater DenyConnection ChannelSocketException WebsocketCloseException "
            "SendNotAvailableOnDemultiplexer",
        ),
        again("exceptions", "ResponseLater", _BY_SETTING),
        again(
            "exceptions",
            "RequestTimeout RequestAborted",
            "a view that reads the body gets them, as Django's `UnreadablePostError`",
        ),
        same(
            "signals",
            "consumer_started consumer_finished worker_ready worker_process_ready",
            "the first two no longer have the class `Worker` as sender",
        ),
    ),
    "Classes of consumers": (
        same("generic", "BaseConsumer"),
        same("generic.base", "BaseConsumer"),
        same(
            "generic.websockets",
            "WebsocketConsumer JsonWebsocketConsumer WebsocketMultiplexer WebsocketDemultiplexer",
        ),
    ),
    "Tests": (
        same(
            "test",
            "ChannelTestCase TransactionChannelTestCase Client HttpClient WSClient apply_routes",
            "also under its older name, `channels.tests`",
        ),
        again("test", "ChannelLiveServerTestCase"),
        same(
            "test.base",
            "ChannelTestCaseMixin ChannelTestCase TransactionChannelTestCase Client apply_routes",
        ),
        same("test.http", "HttpClient"),
        same("test.websocket", "WSClient json_module"),
        again("test.liveserver", "ChannelLiveServerTestCase"),
        gone(
            "test.liveserver",
            "ProcessSetup WorkerProcess DaphneProcess",
            "server and workers of the test case are one process",
        ),
    ),
    "Layers, workers and commands": (
        changed(
            "asgi",
            "get_channel_layer",
            "in `asgi.py` use `get_application`; elsewhere it returns a layer whose methods are "
            "coroutines: in sync code use `Channel(name).send(content)` and `Group(name)`",
        ),
        same("asgi", "channel_layers"),
        gone("asgi", "ChannelLayerManager InvalidChannelLayerError", _LAYERS_BY_CHANNELS),
        gone("asgi", "ChannelLayerWrapper", "`channel_layers[alias]` is the layer itself"),
        changed(
            "worker",
            "Worker WorkerGroup",
            "run `manage.py runworker`; in your own process, `WorkerGroup(layer)` runs consumers "
            "in threads: `start()`, `stop()`, `join()`",
        ),
        changed("worker", "logger", "loggers have the names of modules, not `django.channels`"),
        same("apps", "ChannelsConfig", called="ChannelsWorkersConfig"),
        same("management.commands.runserver", "Command", "it extends Daphne's"),
        gone("management.commands.runserver", "WorkerThread", _INSIDE),
        same("management.commands.runworker", "Command"),
    ),
    "HTTP in workers": (
        again("handler", "AsgiRequest AsgiHandler ViewConsumer", _BY_SETTING),
        again("handler", "logger"),
        again("staticfiles", "StaticFilesHandler StaticFilesConsumer", _BY_SETTING),
    ),
    "Data binding": (
        again("binding", "Binding"),
        again("binding.base", "Binding BindingMetaclass CREATE UPDATE DELETE"),
        again("binding.websockets", "WebsocketBinding WebsocketBindingWithMembers", _BINDING),
    ),
    "Delayed messages": (
        gone("delay", "default_app_config", "Django finds the app configuration itself"),
        again("delay.apps", "DelayConfig", "you may remove it: delayed messages need no app"),
        gone(
            "delay.models",
            "DelayedMessage DelayedMessageQuerySet",
            "delayed messages are in the layer: `channels_workers.delay.cancel(id)` cancels one, "
            "and `layer.admin.delayed()` lists them",
        ),
        gone("delay.worker", "Worker logger", _BY_WORKERS),
        again(
            "delay.management.commands.rundelay",
            "Command",
            _BY_WORKERS,
            here="channels_workers.management.commands.rundelay",
        ),
    ),
    "Other inner parts": (
        gone(
            "hacks",
            "monkeypatch_django",
            "the order of INSTALLED_APPS selects the `runserver` command",
        ),
        gone("log", "setup_logger handler", "configure the logger `channels_workers` in LOGGING"),
        gone("package_checks", "check_all required_versions", "pip checks versions"),
        same("utils", "name_that_thing", here="channels.utils"),
    ),
}

ROWS = [row for rows in SECTIONS.values() for row in rows]

#: By full name, such as ``channels.sessions.channel_session``.
NAMES: dict[str, Rename] = renames(ROWS)

#: Names that modules of 1.1.8 re-exported from each other, so that projects import them there.
PASSED_ON = {
    "channels.asgi": "Router name_that_thing",
    "channels.auth": "channel_session http_session channel_and_http_session",
    "channels.binding.base": "Group channel_session channel_session_user",
    "channels.binding.websockets": "Binding WebsocketMultiplexer enforce_ordering",
    "channels.channel": "DEFAULT_CHANNEL_LAYER channel_layers",
    "channels.generic.base": "channel_session channel_session_user route_class",
    "channels.generic.websockets": "BaseConsumer Group SendNotAvailableOnDemultiplexer "
    "channel_and_http_session_user_from_http channel_session_user_from_http enforce_ordering",
    "channels.message": "Channel consumer_finished consumer_started",
    "channels.security.websockets": "DenyConnection",
    "channels.sessions": "AsgiRequest ConsumeLater Message",
    "channels.test.base": "DEFAULT_CHANNEL_LAYER ChannelSocketException Group Message Router "
    "channel_layers consumer_finished consumer_started include",
    "channels.test.websocket": "Client session_for_reply_channel",
    "channels.worker": "ChannelSocketException ConsumeLater DenyConnection Message "
    "consumer_finished consumer_started name_that_thing worker_ready",
}
