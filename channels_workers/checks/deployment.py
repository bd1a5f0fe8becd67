"""System checks for production: connections, origins, proxies, logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from channels_workers.conf import configuration, http_by_interface
from channels_workers.interface.descriptors import open_files

#: Connections to Redis of an interface server, one of them for its views, and those of a worker
#: beside one per thread; one of each is its lifeline.
OF_SERVER, OF_WORKER = 5, 3

#: Settings that count per client address.
PER_ADDRESS = ("CONNECTIONS_PER_ADDRESS", "REQUESTS_PER_ADDRESS")


@dataclass(frozen=True)
class Budget:
    """The setting ``CHANNEL_BUDGET``: the numbers of processes and of allowed connections.

    Each of *workers* has *threads*. *redis* and *database* are the connections that these
    servers allow, 0 if that is not known.
    """

    servers: int = 1
    workers: int = 1
    threads: int = 1
    redis: int = 0
    database: int = 0

    @property
    def redis_needed(self) -> int:
        """Return how many connections to Redis the processes need at most."""
        return self.servers * OF_SERVER + self.workers * (self.threads + OF_WORKER)

    def database_needed(self, at_once: int) -> int:
        """Return how many connections to the database the processes need at most.

        Coroutines of workers are not counted. Each server has *at_once* requests inside Django.
        """
        return self.servers * at_once + self.workers * self.threads


def read_budget() -> Budget | None:
    """Return ``CHANNEL_BUDGET``, or None without it. ImproperlyConfigured for invalid values."""
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
    """Check that Redis and the database allow as many connections as the processes need."""
    try:
        budget = read_budget()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Correct CHANNEL_BUDGET.", id="channels_workers.E014")]
    return list(_over(budget)) if budget else []


def _over(budget: Budget) -> Iterator[CheckMessage]:
    counts = asdict(budget)
    if budget.redis and budget.redis_needed > budget.redis:
        yield checks.Warning(
            f"Redis allows {budget.redis} connections, but up to {budget.redis_needed} are needed: "
            + "{servers} interface servers with {0} each, {workers} workers with {threads} threads "
            "+ {1}.".format(OF_SERVER, OF_WORKER, **counts),
            hint="Start fewer workers, give them fewer threads (--threads), or get a larger Redis "
            'and raise CHANNEL_BUDGET["redis"].',
            id="channels_workers.W005",
        )
    yield from _over_database(budget)


def _over_database(budget: Budget) -> Iterator[CheckMessage]:
    at_once = _configured("REQUESTS_AT_ONCE")
    if at_once is None or not budget.database:
        return
    if http_by_interface():
        needed, is_bounded = budget.database_needed(at_once), bool(at_once)
        inside = f"{at_once or 'any number of'} requests inside Django each (REQUESTS_AT_ONCE)"
        cure = 'Lower CHANNEL_WORKERS["REQUESTS_AT_ONCE"], start fewer workers'
    else:
        needed, is_bounded = budget.database_needed(0), True
        inside, cure = "none, as workers answer HTTP", "Start fewer workers"
    if is_bounded and needed <= budget.database:
        return
    needs = f"{needed} are needed" if is_bounded else "any number may be needed"
    yield checks.Warning(
        f"The database allows {budget.database} connections, but {needs}: {budget.servers} "
        f"interface servers with {inside}, {budget.workers} workers with {budget.threads} threads.",
        hint=f"{cure}, or give them fewer threads (--threads). Or use a connection pooler or a "
        'larger database, and raise CHANNEL_BUDGET["database"].',
        id="channels_workers.W006",
    )


@register("channels_workers", deploy=True)
def check_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if pages of every other site may open sockets."""
    if "*" not in settings.ALLOWED_HOSTS or _configured("ALLOWED_ORIGINS"):
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS allows every host, and CHANNEL_WORKERS has no ALLOWED_ORIGINS. With "
            "`allowed_hosts_only` pages of every site may open sockets in the name of their "
            "visitors.",
            hint='CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://chat.example.com"]}, and '
            "`configured_origins_only` on each websocket.connect consumer. Or list your hosts in "
            "ALLOWED_HOSTS.",
            id="channels_workers.W004",
        )
    ]


@register("channels_workers", deploy=True)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a limit per address if all clients have the address of the proxy."""
    has_proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) is not None
    limits = [name for name in PER_ADDRESS if _configured(name)]
    if not has_proxy or _configured("TRUSTED_PROXIES") or not limits:
        return []
    return [
        checks.Warning(
            "SECURE_PROXY_SSL_HEADER implies a proxy, but CHANNEL_WORKERS has "
            f"{' and '.join(limits)} and no TRUSTED_PROXIES. So all clients count as one address, "
            "that of the proxy.",
            hint='CHANNEL_WORKERS = {"TRUSTED_PROXIES": 1}, or the number of your proxies. Each '
            "must append its client's address to X-Forwarded-For.",
            id="channels_workers.W007",
        )
    ]


@register("channels_workers", deploy=True)
def check_logging(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if no handler gets the warnings of the engine."""
    logger = logging.getLogger("channels_workers")
    if _is_heard(logger, logging.WARNING):
        return []
    return [
        checks.Warning(
            f"No handler in LOGGING gets the events of the logger {logger.name}. Python prints "
            "their warnings and errors to stderr without level, logger and fields, if at all, and "
            "drops the rest.",
            hint='Give the root logger, or "channels_workers", a handler in LOGGING. '
            "docs/how-to/logs.md has one to copy.",
            id="channels_workers.W014",
        )
    ]


def _is_heard(logger: logging.Logger, level: int) -> bool:
    """Return whether a handler gets the lines of *level* of *logger*."""
    if logger.disabled or not logger.isEnabledFor(level):
        return False
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if handler.level <= level and not isinstance(handler, logging.NullHandler):
                return True
        above = above.parent if above.propagate else None
    return False


def _configured(name: str) -> Any:
    try:
        return getattr(configuration(), name)
    except ImproperlyConfigured:  # which another check reports
        return None


@register("channels_workers")
def check_handshakes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Compare the handshakes under way with the sockets that a process may have open."""
    try:
        limit = configuration().HANDSHAKES_AT_ONCE
    except ImproperlyConfigured:  # which another check reports
        return []
    files = open_files()
    if limit < files:
        return []
    return [
        checks.Warning(
            f"HANDSHAKES_AT_ONCE allows {limit:,} handshakes under way, and a process here may "
            f"have {files:,} files open. A server would fail before it refuses any.",
            hint="Lower HANDSHAKES_AT_ONCE, or raise the limit of open files: ulimit -Hn, "
            "LimitNOFILE of systemd, or --ulimit nofile of Docker.",
            id="channels_workers.W025",
        )
    ]
