"""System checks of the pages in the admin: whether their socket can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

from channels_workers.admin.consumers import PATH, watch
from channels_workers.admin.routing import serves_socket
from channels_workers.checks.routes import all_routes
from channels_workers.checks.routing import load_router


@register("channels_workers")
def check_admin(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find a routing with the socket of the status page, which no page can open."""
    try:
        router = load_router()
    except (ImproperlyConfigured, ValueError):  # which another check reports
        return []
    if not any(each.route.consumer is watch for each in all_routes(router.root.routing)):
        return []
    if not apps.is_installed("django.contrib.admin"):
        return [_no_admin()]
    return [] if serves_socket(router) else [_unreached()]


def _no_admin() -> CheckMessage:
    return checks.Warning(
        "The channel routing includes channels_workers.admin.routing, but INSTALLED_APPS lacks "
        "django.contrib.admin, so no page opens its socket.",
        hint="Add django.contrib.admin, or remove the include.",
        id="channels_workers.W018",
    )


def _unreached() -> CheckMessage:
    return checks.Warning(
        "The channel routing includes channels_workers.admin.routing, but a socket at "
        f"{PATH} does not reach it. The status page is not live.",
        hint="Include it without a prefix, above all routes that take this path: "
        'include("channels_workers.admin.routing.channel_routing").',
        id="channels_workers.W019",
    )
