"""Both ways to serve the project."""

from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from chat_project import asgi, wsgi


def test_the_asgi_application_also_has_its_name_of_channels_1() -> None:
    assert asgi.channel_layer is asgi.application


@pytest.mark.django_db
def test_wsgi_serves_the_pages() -> None:
    environ: dict[str, Any] = {"PATH_INFO": "/lobby/"}
    setup_testing_defaults(environ)
    environ["HTTP_HOST"] = "testserver"
    statuses: list[str] = []
    body = b"".join(wsgi.application(environ, lambda status, headers: statuses.append(status)))
    assert statuses == ["200 OK"]
    assert b'data-socket="/chat/lobby/"' in body
