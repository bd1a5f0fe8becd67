"""System checks of the routing, each with a hint that fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver

from channels_workers.binding.base import Binding, BindingMetaclass
from channels_workers.conf import http_by_workers
from channels_workers.layers.types import REQUEST
from channels_workers.routing import Router, get_router

#: The bindings that were not there before the routing was imported.
_late: list[type[Binding]] = []


def load_router() -> Router:
    """Return the router, and note the bindings that only its routing imports.

    Every check that needs the router takes this one, because checks run in any order. Errors are
    those of :func:`~channels_workers.routing.get_router`.
    """
    with suppress(Exception):  # which another check reports
        _ = get_resolver().url_patterns  # any process with views imports the URLconf
    known = list(BindingMetaclass.binding_classes)
    router = get_router()
    _late.extend(each for each in BindingMetaclass.binding_classes if each not in known)
    return router


@register("channels_workers")
def check_routing(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Import the routing, and look for routes that never get a message.

    Also look for bindings that only the routing imports.
    """
    try:
        router = load_router()
    except (ImproperlyConfigured, ValueError) as error:
        return [
            Error(
                f"The channel routing cannot be used: {error}",
                hint="CHANNEL_ROUTING is the dotted path of a list or dict. "
                "See docs/reference/routing.md.",
                id="channels_workers.E007",
            )
        ]
    return [*_idle_routes(router), *_late_bindings()]


def _idle_routes(router: Router) -> list[CheckMessage]:
    try:
        is_idle = REQUEST in router.channels and not http_by_workers()
    except ImproperlyConfigured:  # which another check reports
        return []
    return [_idle_route()] if is_idle else []


def _idle_route() -> CheckMessage:
    return checks.Warning(
        "The channel routing has routes for http.request, but CHANNEL_WORKERS leaves HTTP to "
        "Django in the interface server, so they never get a message.",
        hint='CHANNEL_WORKERS = {"HTTP": "workers"}. Or leave only some paths to workers: '
        '{"HTTP": {"/": "interface", "/poll/": "workers"}}. Or remove the routes.',
        id="channels_workers.W008",
    )


def _late_bindings() -> list[CheckMessage]:
    known = BindingMetaclass.binding_classes
    return [_late_binding(each) for each in _late if each.model is not None and each in known]


def _late_binding(binding: type[Binding]) -> CheckMessage:
    name = f"{binding.__module__}.{binding.__qualname__}"
    return checks.Warning(
        f"Only the channel routing imports the data binding {name}. Views and commands that save "
        "its model send nothing, because their processes do not import the routing.",
        hint=f"Import {binding.__module__} in the ready() of your AppConfig, or define the binding "
        "in models.py.",
        id="channels_workers.W009",
    )
