import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import path
from pytest_django import Settings

from channels_workers.admin.sites import register
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import DeadLetter, Status
from labs.harness.processes import clean_environment

WITHOUT_ADMIN = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["channels_workers"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}},
    CHANNEL_ROUTING="channels_workers.admin.routing.channel_routing",
)
import django
django.setup()
from django.core.checks import run_checks
from channels_workers.routing import get_router
assert "websocket.connect" in get_router().channels
print([each.id for each in run_checks()])
print([name for name in sys.modules if name.startswith("django.contrib.admin")])
"""


def test_without_the_admin_nothing_of_it_is_imported() -> None:
    command = (sys.executable, "-W", "error", "-c", WITHOUT_ADMIN)
    env = {**clean_environment(), "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    found = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert found.stdout.splitlines() == ["['channels_workers.W018']", "[]"], found.stderr


@pytest.fixture
def own_site(settings: Settings, memory_layer: InMemoryChannelLayer) -> AdminSite:
    """A site of the project, which serves its pages below /ops/."""
    site = AdminSite(name="ops")
    register(site)
    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("ops/", site.urls)]
    settings.ROOT_URLCONF = urls
    return site


@pytest.mark.django_db
def test_another_site_has_the_pages(own_site: AdminSite) -> None:
    client = Browser()
    client.force_login(User.objects.create_superuser("root"))
    status = client.get("/ops/channels_workers/status/")
    assert status.status_code == 200
    text = status.content.decode()
    assert "/ops/channels_workers/status/state/?layer=default" in text
    assert 'href="/ops/channels_workers/deadletter/"' in text
    letters = client.get("/ops/channels_workers/deadletter/?before=nonsense")
    assert letters["Location"] == "/ops/channels_workers/deadletter/"


def test_pages_are_registered_once(own_site: AdminSite) -> None:
    class Own(type(own_site.get_model_admin(Status))):  # type: ignore[misc]
        pass

    own_site.unregister(Status)
    own_site.register(Status, Own)
    register(own_site)
    assert type(own_site.get_model_admin(Status)) is Own
    assert own_site.is_registered(DeadLetter)
