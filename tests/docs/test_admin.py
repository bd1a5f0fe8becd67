"""The page about the admin: its code runs, its permissions are those of the models."""

import re
import sys
import textwrap
from types import ModuleType

import pytest
from django.contrib.auth.models import Permission

from channels_workers.admin.routing import serves_socket
from channels_workers.models import DeadLetter, Status
from channels_workers.routing import Router
from tests.docs.pages import first_codes, page


def run(number: int) -> dict[str, object]:
    names: dict[str, object] = {}
    text = page("how-to/admin").text
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    exec(textwrap.dedent(blocks[number]), names)
    return names


def test_the_routing_of_the_page_serves_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = ModuleType("consumers")
    consumers.ws_connect = lambda message: None  # type: ignore[attr-defined]
    project = ModuleType("mysite")
    project.consumers = consumers  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mysite", project)
    assert serves_socket(Router(run(0)["channel_routing"]))


def test_the_site_of_the_page_has_both_pages() -> None:
    site = run(1)["operations"]
    assert site.is_registered(Status)  # type: ignore[attr-defined]
    assert site.is_registered(DeadLetter)  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_the_permissions_of_the_page_exist() -> None:
    of_pages = Permission.objects.filter(content_type__model__in=["status", "deadletter"])
    found = of_pages.filter(content_type__app_label="channels_workers")
    names = {f"channels_workers.{name}" for name in found.values_list("codename", flat=True)}
    assert set(first_codes(page("how-to/admin").table("permissions"))) == names
