"""System checks for common mistakes in settings, each with a hint that fixes it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from channels.exceptions import InvalidChannelLayerError
from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channels_workers.conf import configuration, http_by_workers
from channels_workers.exceptions import LayerRefused, LayerUnavailable, LayerUnfit
from channels_workers.flow import INLINE_RESPONSE
from channels_workers.layers.base import WorkerLayer
from channels_workers.middleware import Chain
from channels_workers.registry import get_channel_layer
from channels_workers.security.websockets import check_entry
from channels_workers.session_stores import channel_session_store

REDIS_LAYER = "channels_workers.layers.redis.RedisChannelLayer"
MEMORY_LAYER = "channels_workers.layers.memory.InMemoryChannelLayer"

#: Backends of Channels 1.x and of Channels 4, and what replaces them.
OTHER_BACKENDS = {
    "asgi_redis.RedisChannelLayer": REDIS_LAYER,
    "asgi_redis.RedisLocalChannelLayer": REDIS_LAYER,
    "asgi_ipc.IPCChannelLayer": REDIS_LAYER,
    "asgi_rabbitmq.RabbitmqChannelLayer": REDIS_LAYER,
    "asgiref.inmemory.ChannelLayer": MEMORY_LAYER,
    "channels.database_layer.DatabaseChannelLayer": REDIS_LAYER,
    "channels_redis.core.RedisChannelLayer": REDIS_LAYER,
    "channels_redis.pubsub.RedisPubSubChannelLayer": REDIS_LAYER,
    "channels.layers.InMemoryChannelLayer": MEMORY_LAYER,
}


@register("channels_workers")
def check_layers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check CHANNEL_LAYERS for old keys and for backends that cannot feed workers."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if "default" not in layers:
        return [
            Error(
                "CHANNEL_LAYERS has no 'default' layer.",
                hint=f'CHANNEL_LAYERS = {{"default": {{"BACKEND": "{MEMORY_LAYER}"}}}}',
                id="channels_workers.E001",
            )
        ]
    return [message for alias, layer in layers.items() for message in _check_layer(alias, layer)]


def _check_layer(alias: str, layer: dict[str, Any]) -> Iterator[CheckMessage]:
    if "ROUTING" in layer:
        yield Error(
            f"CHANNEL_LAYERS[{alias!r}] has the key ROUTING of Channels 1.x.",
            hint=f"Use the setting CHANNEL_ROUTING instead: CHANNEL_ROUTING = {layer['ROUTING']!r}",
            id="channels_workers.E002",
        )
    backend = layer.get("BACKEND")
    if backend in OTHER_BACKENDS:
        yield Error(
            f"CHANNEL_LAYERS[{alias!r}] has the BACKEND {backend!r}, which cannot feed workers.",
            hint=f'Use "BACKEND": "{OTHER_BACKENDS[backend]}"',
            id="channels_workers.E003",
        )
    elif "ROUTING" not in layer:
        yield from _check_config(alias, layer)


def _check_config(alias: str, layer: dict[str, Any]) -> Iterator[CheckMessage]:
    try:
        get_channel_layer(alias)
    except InvalidChannelLayerError as error:
        causes = list(_import_errors(error))
        yield _unusable(alias, ": ".join(map(str, [error, *causes])), _cure(layer, causes))
    except (ImproperlyConfigured, ValueError, TypeError) as error:
        reason = _unknown_keys(layer) if isinstance(error, TypeError) else ""
        yield _unusable(alias, reason or str(error), _cure(layer, [error]))


def _unusable(alias: str, reason: str, cure: str) -> CheckMessage:
    text = f"CHANNEL_LAYERS[{alias!r}] cannot be used: {reason}"
    return Error(text, hint=cure, id="channels_workers.E004")


def _import_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of *error*, the nearest first. Channels leaves them out of its text."""
    texts = {str(error)}
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
        if str(error) not in texts:
            texts.add(str(error))
            yield error


def _cure(layer: dict[str, Any], causes: Sequence[BaseException]) -> str:
    missing = next((error.name for error in causes if isinstance(error, ModuleNotFoundError)), "")
    if missing and not f"{layer['BACKEND']}.".startswith(f"{missing}."):
        top = missing.partition(".")[0]
        return (
            f"The BACKEND exists, but imports a missing module. Install the package of {top!r}. "
            f"`python -m pip check` lists other missing packages."
        )
    if any("'cryptography'" in str(error) for error in causes):
        return "Install cryptography, or remove symmetric_encryption_keys from its CONFIG."
    return "Correct its BACKEND and CONFIG."


def _unknown_keys(layer: dict[str, Any]) -> str:
    """Return a sentence about the unknown keys of CONFIG, "" if there are none."""
    known = {
        parameter.name
        for part in import_string(layer["BACKEND"]).__mro__
        for parameter in inspect.signature(vars(part).get("__init__", len)).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    }
    unknown = [key for key in layer.get("CONFIG", {}) if key not in known]
    names = ", ".join(map(repr, unknown))
    return names and f"its CONFIG has {names}. Known keys: {', '.join(sorted(known))}."


@register("channels_workers")
def check_inbox(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Compare what workers may answer at once with what an inbox may hold."""
    try:
        limits, by_workers = configuration(), http_by_workers()
    except ImproperlyConfigured:  # which another check reports
        return []
    size, bound = limits.REQUESTS_WAITING * INLINE_RESPONSE, limits.INBOX_BYTES // 2
    if not by_workers or size <= bound:
        return []
    return [
        checks.Warning(
            f"Workers may answer REQUESTS_WAITING requests of a server with {size:,} bytes at "
            "once. This is more than half of INBOX_BYTES: if the server hesitates, it is marked "
            "dead, and all its sockets are closed.",
            hint=f"Lower REQUESTS_WAITING to {bound // INLINE_RESPONSE:,}, or raise INBOX_BYTES "
            f"to {2 * size:,}.",
            id="channels_workers.W010",
        )
    ]


@register("channels_workers")
def check_configuration(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check CHANNEL_WORKERS."""
    try:
        Chain(configuration().MIDDLEWARE)
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Correct CHANNEL_WORKERS.", id="channels_workers.E008")]
    return []


@register("channels_workers")
def check_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that each entry of ALLOWED_ORIGINS matches an origin that browsers send."""
    try:
        for entry in configuration().ALLOWED_ORIGINS:
            check_entry(entry)
    except ImproperlyConfigured:  # which another check reports
        return []
    except ValueError as error:
        return [
            Error(
                f"CHANNEL_WORKERS['ALLOWED_ORIGINS'] cannot be used: {error}",
                hint='CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://chat.example.com"]}',
                id="channels_workers.E015",
            )
        ]
    return []


@register("channels_workers")
def check_session_engine(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check CHANNEL_SESSION_ENGINE."""
    try:
        channel_session_store()
    except (ImproperlyConfigured, ValueError) as error:
        return [
            Error(
                f"CHANNEL_SESSION_ENGINE cannot be used: {error}",
                hint="Remove it, and channel sessions live in the layer. Or name an engine that "
                'stores sessions on the server, such as "django.contrib.sessions.backends.db".',
                id="channels_workers.E011",
            )
        ]
    return []


@register("channels_workers")
def check_application(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check what `runserver` serves, without the side effects of importing it."""
    path = getattr(settings, "ASGI_APPLICATION", None)
    if path is None and not apps.is_installed("daphne"):
        return []
    if not isinstance(path, str) or "." not in path:
        return [_no_application(f"ASGI_APPLICATION is {path!r}, but must be a dotted path.")]
    module, _, name = path.rpartition(".")
    try:
        spec, reason = find_spec(module), ""
    except (ImportError, ValueError) as error:  # of a package that it is in
        spec, reason = None, f" ({error})"
    if spec is None:
        text = f"ASGI_APPLICATION is {path!r}, but there is no module {module}{reason}."
        return [_no_application(text)]
    if not _is_plain_django(spec.origin, name):
        return []
    return [
        checks.Warning(
            f"ASGI_APPLICATION names {path}, which is Django's own application. It serves pages "
            "but no sockets.",
            hint=f"In {spec.origin}: from channels_workers.asgi import get_application, "
            f"and {name} = get_application()",
            id="channels_workers.W003",
        )
    ]


def _no_application(reason: str) -> CheckMessage:
    return Error(
        f"{reason} `runserver` cannot start.",
        hint='ASGI_APPLICATION = "mysite.asgi.application", where asgi.py has '
        "application = get_application().",
        id="channels_workers.E012",
    )


def _is_plain_django(origin: str | None, name: str) -> bool:
    """Return whether a file binds *name* once, by ``name = get_asgi_application()``."""
    try:
        tree = ast.parse(Path(origin or "").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    bound = [node for node in names if not isinstance(node.ctx, ast.Load)]
    made = [line for line in tree.body if isinstance(line, ast.Assign) and line.targets == bound]
    calls = [line.value.func for line in made if isinstance(line.value, ast.Call)]
    called = [getattr(call, "id", getattr(call, "attr", "")) for call in calls]
    return called == ["get_asgi_application"]


@register("channels_workers", deploy=True)
def check_local_only(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a deployment on the in-memory layer."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    local = [alias for alias in layers if layers[alias].get("BACKEND") == MEMORY_LAYER]
    return [
        checks.Warning(
            f"CHANNEL_LAYERS[{alias!r}] lives in one process. `runworker` cannot serve it.",
            hint=f'Use "BACKEND": "{REDIS_LAYER}"',
            id="channels_workers.W001",
        )
        for alias in local
    ]


@register("channels_workers", "database")
def check_servers(
    app_configs: Sequence[AppConfig] | None, databases: Any = None, **kwargs: Any
) -> list[CheckMessage]:
    """Ask each Redis for its version and mode.

    Like Django's own checks that connect to a server, it runs with ``check --database``.
    Interface servers and workers also check it when they start.
    """
    if not databases:
        return []
    return [
        _server_error(alias, error)
        for alias in getattr(settings, "CHANNEL_LAYERS", {})
        if not list(_check_layer(alias, settings.CHANNEL_LAYERS[alias]))
        for error in _ask_servers(alias)
    ]


def check_worker(alias: str) -> list[CheckMessage]:
    """Report why ``runworker`` cannot serve the layer *alias*. It waits if Redis is down."""
    if get_channel_layer(alias).local_only:
        return [
            Error(
                f"You cannot span multiple processes with the in-memory layer, and "
                f"CHANNEL_LAYERS[{alias!r}] is one.",
                hint=f'Use "BACKEND": "{REDIS_LAYER}". If an environment variable such as '
                "REDIS_URL selects the layer, set it. Or use `manage.py runserver`, which runs "
                "workers itself.",
                id="channels_workers.E010",
            )
        ]
    unfit = [error for error in _ask_servers(alias) if isinstance(error, LayerUnfit)]
    return [_server_error(alias, error) for error in unfit]


def _ask_servers(alias: str) -> list[LayerUnavailable]:
    """Return the error of each server of a layer that cannot be used, or does not answer."""
    layer = get_channel_layer(alias)
    found = [error for each in layer.lanes() if (error := _ask_server(each)) is not None]
    if found or len(layer.lanes()) == 1:
        return found
    error = _ask_server(layer)  # each is usable: are they so together?
    return [] if error is None else [error]


def _ask_server(layer: WorkerLayer) -> LayerUnavailable | None:
    try:
        layer.check_server()
    except LayerUnavailable as error:
        return error
    return None


def _server_error(alias: str, error: LayerUnavailable) -> CheckMessage:
    if not isinstance(error, LayerUnfit):  # it may start later, and Django's test runner runs this
        return checks.Warning(
            f"The server of CHANNEL_LAYERS[{alias!r}] does not answer: {error}",
            hint="Start it, or correct its address. Sockets and workers wait for it.",
            id="channels_workers.W002",
        )
    if isinstance(error, LayerRefused):
        return Error(
            f"The server of CHANNEL_LAYERS[{alias!r}] cannot be used: {error}",
            hint="Correct `hosts`, or the user's password and rights in Redis.",
            id="channels_workers.E016",
        )
    return Error(
        f"The server of CHANNEL_LAYERS[{alias!r}] cannot be used: {error}",
        hint="Use a single Redis of version 6.2 or later, or a Sentinel pair, but no cluster.",
        id="channels_workers.E009",
    )
