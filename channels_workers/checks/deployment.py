"""System checks of what shows in production only: connections, origins, proxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from channels_workers.conf import configuration

#: Connections to Redis of an interface server, one of them for its views; and of a worker beside
#: those of its threads.
OF_SERVER, OF_WORKER = 4, 2

#: Settings that count by the address of a client.
PER_ADDRESS = ("CONNECTIONS_PER_ADDRESS", "REQUESTS_PER_ADDRESS")


@dataclass(frozen=True)
class Budget:
    """The setting ``CHANNEL_BUDGET``: how many processes there are, and how many connections.

    *servers* and *workers* of *threads* each; *redis* and *database* are the connections that
    these allow, 0 for what nobody knows.
    """

    servers: int = 1
    workers: int = 1
    threads: int = 1
    redis: int = 0
    database: int = 0

    @property
    def redis_needed(self) -> int:
        """Return how many connections to Redis there are at most."""
        return self.servers * OF_SERVER + self.workers * (self.threads + OF_WORKER)

    def database_needed(self, at_once: int) -> int:
        """Return how many connections to the database there are at most.

        Without coroutines of workers; *at_once* requests are inside Django in each server.
        """
        return self.servers * at_once + self.workers * self.threads


def read_budget() -> Budget | None:
    """Return ``CHANNEL_BUDGET``, None without it; ImproperlyConfigured for what it cannot be."""
    given = getattr(settings, "CHANNEL_BUDGET", None)
    if given is None:
        return None
    names = [field.name for field in fields(Budget)]
    if not isinstance(given, dict) or not set(given) <= set(names):
        raise ImproperlyConfigured(
            f"CHANNEL_BUDGET must be a dict with some of the keys {', '.join(names)}, "
            f"not {given!r}."
        )
    if wrong := [key for key, value in given.items() if type(value) is not int or value < 0]:
        raise ImproperlyConfigured(
            f"CHANNEL_BUDGET[{wrong[0]!r}] must be a whole number of at least 0, "
            f"not {given[wrong[0]]!r}."
        )
    return Budget(**given)


@register("channels_workers")
def check_budget(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Look whether the processes get by with the connections that there are."""
    try:
        budget = read_budget()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Correct CHANNEL_BUDGET.", id="channels_workers.E014")]
    return list(_over(budget)) if budget else []


def _over(budget: Budget) -> Iterator[CheckMessage]:
    counts = asdict(budget)
    if budget.redis and budget.redis_needed > budget.redis:
        yield checks.Warning(
            f"Redis allows {budget.redis} connections, and up to {budget.redis_needed} are needed: "
            + "{servers} interface servers with {0} each, {workers} workers with {threads} threads "
            "+ {1}.".format(OF_SERVER, OF_WORKER, **counts),
            hint="Start fewer workers, or give them fewer threads (--threads); or take a larger "
            'Redis, and say so in CHANNEL_BUDGET["redis"].',
            id="channels_workers.W005",
        )
    yield from _over_database(budget)


def _over_database(budget: Budget) -> Iterator[CheckMessage]:
    at_once = _configured("REQUESTS_AT_ONCE")
    needed = budget.database_needed(at_once or 0)
    if at_once is None or not budget.database or (at_once and needed <= budget.database):
        return
    needs = f"{needed} are needed" if at_once else "there is no bound to those that are needed"
    yield checks.Warning(
        f"The database allows {budget.database} connections, and {needs}: {budget.servers} "
        f"interface servers with {at_once or 'any number of'} requests inside Django each "
        f"(REQUESTS_AT_ONCE), {budget.workers} workers with {budget.threads} threads.",
        hint='Set CHANNEL_WORKERS["REQUESTS_AT_ONCE"] to less; or start fewer workers, or give '
        "them fewer threads (--threads); or put a pooler in front, or take a larger database, and "
        'say so in CHANNEL_BUDGET["database"].',
        id="channels_workers.W006",
    )


@register("channels_workers", deploy=True)
def check_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a site where pages of all others may open sockets."""
    if "*" not in settings.ALLOWED_HOSTS or _configured("ALLOWED_ORIGINS"):
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS allows every host, and CHANNEL_WORKERS has no ALLOWED_ORIGINS: with "
            "`allowed_hosts_only` pages of every site may open sockets in the name of whoever "
            "looks at them.",
            hint='CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://chat.example.com"]}, and '
            "`configured_origins_only` at each websocket.connect consumer. Or name the hosts in "
            "ALLOWED_HOSTS.",
            id="channels_workers.W004",
        )
    ]


@register("channels_workers", deploy=True)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a limit for addresses where all clients have that of the proxy."""
    has_proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) is not None
    limits = [name for name in PER_ADDRESS if _configured(name)]
    if not has_proxy or _configured("TRUSTED_PROXIES") or not limits:
        return []
    return [
        checks.Warning(
            "SECURE_PROXY_SSL_HEADER says that a proxy stands in front, and CHANNEL_WORKERS has "
            f"{' and '.join(limits)} and no TRUSTED_PROXIES: all clients count as one address, "
            "that of the proxy.",
            hint='CHANNEL_WORKERS = {"TRUSTED_PROXIES": 1}, or as many as there are, where each '
            "adds whom it was asked by to X-Forwarded-For.",
            id="channels_workers.W007",
        )
    ]


def _configured(name: str) -> Any:
    try:
        return getattr(configuration(), name)
    except ImproperlyConfigured:  # another check says so
        return None
