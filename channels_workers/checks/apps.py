"""System checks of INSTALLED_APPS: the first app with a command provides it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.management import find_commands
from django.utils.module_loading import import_string

OWN_APP = "channels_workers"
DAPHNE = "daphne"
#: Apps with a `runserver` each. A check of Daphne's wants it before static files.
KNOWN_RUNSERVERS = (OWN_APP, DAPHNE, "django.contrib.staticfiles")


@register("channels_workers")
def check_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the order of INSTALLED_APPS: the first app with a command provides it."""
    order = [config.name for config in apps.get_app_configs()]
    found = [name for name in order if name in KNOWN_RUNSERVERS]
    messages: list[CheckMessage] = []
    if found[:1] not in ([], [OWN_APP]):
        wanted = ", ".join(name for name in KNOWN_RUNSERVERS if name in order)
        without = f". Or remove daphne: {OWN_APP} does not need that app" if DAPHNE in order else ""
        messages.append(
            Error(
                f"INSTALLED_APPS has the order {', '.join(found)}. `runserver` would be that of "
                "another app.",
                hint=f"Order them: {wanted}{without}.",
                id="channels_workers.E005",
            )
        )
    if "channels" in order and order.index("channels") < order.index("channels_workers"):
        messages.append(
            Error(
                "INSTALLED_APPS has channels before channels_workers. `runworker` would be that of "
                "Channels 4, which runs no function consumers.",
                hint="Put channels_workers before channels.",
                id="channels_workers.E006",
            )
        )
    return messages


@register("channels_workers")
def check_runserver(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find other apps whose `runserver` comes first and does not extend ours."""
    configs = list(apps.get_app_configs())
    order = [config.name for config in configs]
    if OWN_APP not in order:
        return []
    before = [config for config in configs[: order.index(OWN_APP)] if _has_runserver(config)]
    names = [config.name for config in before if config.name not in KNOWN_RUNSERVERS]
    if not names or _extends_ours(before[0].name):
        return []
    return [
        Error(
            f"`runserver` would be that of the app {names[0]}, which comes before {OWN_APP} in "
            "INSTALLED_APPS. It serves no sockets and runs no workers.",
            hint=f"Put {OWN_APP} before {', '.join(names)}.",
            id="channels_workers.E013",
        )
    ]


def _has_runserver(config: AppConfig) -> bool:
    return "runserver" in find_commands(str(Path(config.path) / "management"))


def _extends_ours(app: str) -> bool:
    """Return whether the command of *app* extends ours, as WhiteNoise's does before ours."""
    try:
        first, own = (
            import_string(f"{name}.management.commands.runserver.Command")
            for name in (app, OWN_APP)
        )
    except ImportError:
        return False
    return issubclass(first, own)
