"""The page with the state of the layers."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, get_script_prefix, reverse
from django.utils.http import urlencode

from channels_workers.admin import consumers
from channels_workers.admin.look import look, most_important
from channels_workers.admin.pages import LayerPage, layers
from channels_workers.admin.routing import serves_socket
from channels_workers.admin.tables import TABLES
from channels_workers.admin.texts import page_texts
from channels_workers.admin.tokens import make_token
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.shards.report import reports
from channels_workers.management.report import lines, shard_line
from channels_workers.routing import get_router

#: The tables that are shown only where the site has such rows.
OPTIONAL = {"shards", "stored"}


class StatusAdmin(LayerPage):
    """The state of the layers: processes, channels, and what is wrong."""

    def get_urls(self) -> list[URLPattern]:
        """Return the page, and its state as JSON for pages whose socket cannot open."""
        return [
            self.pattern("", self.status, "changelist"),
            self.pattern("state/", self.state, "state"),
        ]

    def status(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page with the state of now; 503 if the layer does not answer."""
        alias = self.alias(request)
        state = look(alias)
        name = self.admin_site.name
        url = reverse("admin:channels_workers_status_state", current_app=name)
        prefix = get_script_prefix().rstrip("/")
        is_routed = is_live()
        config = {
            "state": state,
            "token": make_token(request.user, alias),
            "socket": f"{prefix}{consumers.PATH}" if is_routed else "",
            "poll": f"{url}?{urlencode({'layer': alias})}",
            "texts": page_texts(),
        }
        is_away, has_stored = "unavailable" in state, bool(state.get("stored"))
        return self.page(
            request,
            "status",
            503 if is_away else 200,
            config=config,
            lines=[] if is_away else _lines(alias),
            is_local=layers()[alias].local_only,
            is_routed=is_routed,
            has_stored=has_stored,
            tables=[
                table for table in TABLES if table.rows not in OPTIONAL or state.get(table.rows)
            ],
            dead_letters=self._dead_letters(request),
        )

    def state(self, request: HttpRequest) -> HttpResponseBase:
        """Return the state, and a new token for the socket."""
        alias = self.alias(request)
        state = look(alias)
        answer = {"state": state, "token": make_token(request.user, alias)}
        return JsonResponse(answer, status=503 if "unavailable" in state else 200)

    def _dead_letters(self, request: HttpRequest) -> str:
        """Return the URL of the dead letters; empty for those who may not see them."""
        if not request.user.has_perm("channels_workers.view_deadletter"):
            return ""
        name = "admin:channels_workers_deadletter_changelist"
        return reverse(name, current_app=self.admin_site.name)

    def unavailable(self, request: HttpRequest) -> HttpResponseBase:
        """Do what the page does by itself."""
        raise AssertionError("look() says so in the state.")


def _lines(alias: str) -> list[str]:
    """Return what ``channelstatus`` prints, for browsers without scripts."""
    try:
        layer = layers()[alias]
        found = [*lines(most_important(layer.admin.status())), *map(shard_line, reports(layer))]
        return [printable(line, 500) for line in found]
    except LayerUnavailable:
        return []


def is_live() -> bool:
    """Say whether the routing of the project serves the socket of the page."""
    try:
        return serves_socket(get_router())
    except (ImproperlyConfigured, ValueError):  # which a check reports
        return False
