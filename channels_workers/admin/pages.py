"""What the pages have in common: permissions, their layer, and one that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

View = Callable[..., HttpResponseBase]


def layers() -> dict[str, WorkerLayer]:
    """Return the layers that feed workers, by alias, the default one first."""
    found: dict[str, WorkerLayer] = {}
    known = getattr(settings, "CHANNEL_LAYERS", {})
    for alias in sorted(known, key=lambda name: (name != DEFAULT_CHANNEL_LAYER, name)):
        try:
            found[alias] = get_channel_layer(alias)
        except ImproperlyConfigured:  # a layer of Channels 4, or one that a check reports
            continue
    return found


class LayerPage(AnyModelAdmin):
    """Pages about a layer. Their model has permissions, but no rows.

    ``?layer=`` is the alias of the layer.
    """

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the user has the permission to view these pages."""
        return self.has(request, "view")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say the same, for the index of the admin."""
        return self.has(request, "view")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a row."""
        return False

    def has(self, request: HttpRequest, action: str) -> bool:
        """Say whether the user has the permission for *action*."""
        return request.user.has_perm(f"{self.opts.app_label}.{action}_{self.opts.model_name}")

    def require(self, request: HttpRequest, action: str) -> None:
        """Raise PermissionDenied unless the user has the permission for *action*."""
        if not self.has(request, action):
            raise PermissionDenied

    def pattern(self, route: str, view: View, name: str) -> URLPattern:
        """Return a URL of the site, with its login, for those who may view these pages."""

        @wraps(view)
        def checked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            self.require(request, "view")
            request.current_app = self.admin_site.name
            try:
                return view(request, **kwargs)
            except LayerUnavailable:
                return self.unavailable(request)

        full = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(checked), name=full)

    def alias(self, request: HttpRequest) -> str:
        """Return the alias of the layer that *request* is about; 404 if there is none."""
        alias: str = request.GET.get("layer", DEFAULT_CHANNEL_LAYER)
        if alias not in layers():
            raise Http404("There is no such layer, or it does not feed workers.")
        return alias

    def page(
        self, request: HttpRequest, template: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """Return a page of the admin with *context*."""
        known = list(layers())
        alias = request.GET.get("layer", DEFAULT_CHANNEL_LAYER)
        is_default = alias == DEFAULT_CHANNEL_LAYER
        every = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "layer": alias,
            "layer_query": "" if is_default else f"?{urlencode({'layer': alias})}",
            "layers": known if len(known) > 1 else [],
            **context,
        }
        return TemplateResponse(request, f"channels_workers/{template}.html", every, status=status)

    def unavailable(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page that says that the layer does not answer."""
        response = self.page(request, "unavailable", status=503)
        response["Retry-After"] = "5"
        return response
