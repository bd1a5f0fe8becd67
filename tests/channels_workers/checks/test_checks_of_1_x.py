"""Checks that projects from Channels 1.x meet first: CONFIG and ASGI_APPLICATION."""

import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.channels_workers.checks.test_configuration import (
    DJANGOS,
    REDIS,
    good_settings,
    only_problem,
    problems,
)

__all__ = ["good_settings"]

PLAIN = "from django.core.asgi import get_asgi_application\n"
OURS = "from channels_workers.asgi import get_application\n"


def test_an_unknown_key_is_reported_with_the_known_keys(settings: Settings) -> None:
    config = {"stats_prefix": "x", "capacity": 5, "services": []}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": config}}
    assert only_problem()[1] == (
        "CHANNEL_LAYERS['default'] cannot be used: its CONFIG has 'stats_prefix', 'services'. "
        "Known keys: capacity, channel_capacity, expiry, group_expiry, history, history_bytes, "
        "hosts, lifeline, log_bytes, log_entries, message_size, prefix, symmetric_encryption_keys."
    )


@pytest.mark.parametrize("value", [5, "", "application", "no.such.application"])
def test_no_application(value: object, settings: Settings) -> None:
    settings.ASGI_APPLICATION = value
    number, message, hint = only_problem()
    assert number == "channels_workers.E012"
    assert message.startswith(f"ASGI_APPLICATION is {value!r}, ")
    assert "get_application()" in hint


def test_no_setting(settings: Settings) -> None:
    """Only the app daphne shows that `runserver` is meant to serve sockets."""
    del settings.ASGI_APPLICATION
    assert problems() == []
    settings.INSTALLED_APPS = ["channels_workers", "daphne", *DJANGOS]
    assert only_problem()[0] == "channels_workers.E012"
    settings.ASGI_APPLICATION = None
    assert only_problem()[0] == "channels_workers.E012"


def test_a_parent_that_is_not_a_package(settings: Settings) -> None:
    settings.ASGI_APPLICATION = "ast.asgi.application"
    assert "there is no module ast.asgi" in only_problem()[1]


def test_an_enclosing_package_that_fails_to_import(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site_of_ours").mkdir()
    (tmp_path / "site_of_ours" / "__init__.py").write_text("import a_package_of_nobody\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings.ASGI_APPLICATION = "site_of_ours.asgi.application"
    assert "(No module named 'a_package_of_nobody')" in only_problem()[1]


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    settings.ASGI_APPLICATION = "entry_of_servers.application"
    return tmp_path / "entry_of_servers.py"


@pytest.mark.parametrize(
    "text",
    [
        f"{PLAIN}application = get_asgi_application()\n",
        "import django.core.asgi\napplication = django.core.asgi.get_asgi_application()\n",
    ],
)
def test_djangos_own_application(text: str, entry: Path) -> None:
    entry.write_text(text)
    number, message, hint = only_problem()
    assert number == "channels_workers.W003"
    assert message.endswith("It serves pages but no sockets.")
    assert "application = get_application()" in hint
    assert "entry_of_servers" not in sys.modules


@pytest.mark.parametrize(
    "text",
    [
        f"{OURS}application = get_application()\n",
        f"{PLAIN}application = get_asgi_application()\napplication = wrapped(application)\n",
        f"{PLAIN}application = ProtocolTypeRouter({{'http': get_asgi_application()}})\n",
        f"{PLAIN}django = get_asgi_application()\napplication = Mine(django)\n",
        f"{PLAIN}if True:\n    application = get_asgi_application()\n",
        "from elsewhere import application\n",
        "def application(scope, receive, send): ...\n",
        "application = other = f()\n",
        "import (\n",
        "raise SystemExit('it must not be run')\n",
    ],
)
def test_applications_that_cannot_be_judged_pass(text: str, entry: Path) -> None:
    entry.write_text(text)
    assert problems() == []
    assert "entry_of_servers" not in sys.modules
