"""Static files from workers, for development. The names are those of Channels 1.1.8."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlparse

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandlerMixin
from django.http import Http404
from django.http.response import HttpResponseBase
from django.views.debug import technical_404_response

from channels_workers.handler import AsgiHandler, ViewConsumer

__all__ = ["StaticFilesConsumer", "StaticFilesHandler", "default_http_consumer"]


class StaticFilesHandler(StaticFilesHandlerMixin, AsgiHandler):
    """Serves what is below ``STATIC_URL``, and the views everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = urlparse(self.get_base_url())

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the middleware of the views."""
        AsgiHandler.load_middleware(self, is_async)

    def get_response(self, request: Any) -> HttpResponseBase:
        """Return the static file at the path of *request*, or the response of the views."""
        if self.base_url.netloc or not request.path.startswith(self.base_url.path):
            return AsgiHandler.get_response(self, request)
        try:
            response: HttpResponseBase = self.serve(request)
        except Http404 as error:
            if not settings.DEBUG:
                return AsgiHandler.get_response(self, request)
            response = technical_404_response(request, error)
        return response


class StaticFilesConsumer(ViewConsumer):
    """A :class:`~channels_workers.handler.ViewConsumer` that also serves static files."""

    handler_class: ClassVar[type[AsgiHandler]] = StaticFilesHandler


def default_http_consumer() -> ViewConsumer:
    """Return the consumer of the requests that no route takes."""
    if settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
        return StaticFilesConsumer()
    return ViewConsumer()
