"""Settings, from environment variables only.

The defaults are for development: ``DEBUG`` on, which answers to localhost only, SQLite in
``db.sqlite3``, and the channel layer in memory, so that one process does everything. Production
needs ``DEBUG=0`` and a ``SECRET_KEY``. ``DATABASE_URL`` and ``REDIS_URL`` are the services that
several processes share. The settings open no connection, so ``collectstatic`` runs at build time.
"""

import logging
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from chat_project import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# Heroku sets DYNO. There the default is production, and the router terminates TLS.
ON_HEROKU = bool(environment.text("DYNO"))

# ---------------------------------------------------------------------------------- the basics

DEBUG = environment.flag("DEBUG", default=not ON_HEROKU)

# A fixed key for development: all processes need the same one.
SECRET_KEY = environment.text("SECRET_KEY", "for-development-only" if DEBUG else "")
# Previous keys, still accepted for cookies and sessions. SECRET_KEY signs new ones.
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")


def is_weak(key: str) -> bool:
    """Whether ``check --deploy`` would refuse this key."""
    return len(key) < 50 or len(set(key)) < 5


if not DEBUG and is_weak(SECRET_KEY):
    what_is_wrong = "is too short or too simple" if SECRET_KEY else "is not set"
    raise ImproperlyConfigured(
        f"SECRET_KEY {what_is_wrong}, which production refuses. Set the environment variable "
        "SECRET_KEY to 50 random characters or more, the same for each process. Generate one with "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'. "
        "To develop on this machine set DEBUG=1 instead."
    )
if not DEBUG and any(is_weak(key) for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured(
        "SECRET_KEY_FALLBACKS must be keys of 50 characters or more, comma-separated, but one of "
        "them is too short or too simple. Anybody who guesses it can impersonate users. Remove it. "
        "Keys with a comma are not supported."
    )

# The host names of the site. Pages of other hosts cannot open sockets either.
# Default: localhost with DEBUG, on Heroku the domain of the app.
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", (".herokuapp.com",) if ON_HEROKU else ())
# "/talk" if the site is at https://chat.example.org/talk/, for proxies that keep the prefix and for
# those that strip it.
FORCE_SCRIPT_NAME = environment.prefix("FORCE_SCRIPT_NAME") or None
# Origins ("https://chat.example.org") that may post forms, if a proxy changes the Host header.
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")
# Origins whose pages may open sockets. Default: those of ALLOWED_HOSTS; if that is "*", only the
# host of the socket.
ALLOWED_ORIGINS = environment.words("ALLOWED_ORIGINS")

INSTALLED_APPS = [
    # Before staticfiles, so that its "runserver" wins. That one needs no app "daphne", which would
    # load Twisted and TLS into each process: 0.2 s and 19 MB of every worker.
    "channels_workers",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "chat",
    "chat.accounts",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chat.accounts.middleware.AnswersTooManyAttempts",
]

ROOT_URLCONF = "chat_project.urls"
ASGI_APPLICATION = "chat_project.asgi.application"
WSGI_APPLICATION = "chat_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The default language. Pages use the language that the browser asks for.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ----------------------------------------------------------------- HTTPS: HTTPS=0 for plain http

# On unless DEBUG: http redirects to https, cookies are for TLS only, and browsers use https for
# HSTS_SECONDS. A proxy in front terminates TLS. It must set the header X-Forwarded-Proto, and strip
# it from requests of clients. Without such a proxy set HTTPS=0.
HTTPS = environment.flag("HTTPS", default=not DEBUG)

if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = environment.integer("HSTS_SECONDS", 30 * 24 * 3600)
SECURE_SSL_REDIRECT = HTTPS
# The number of proxies in front: so many entries of X-Forwarded-For, from the right, are trusted.
# With HTTPS there is at least one, which terminates TLS.
TRUSTED_PROXIES = environment.integer("TRUSTED_PROXIES", 1 if HTTPS else 0)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# Browsers accept a "__Host-" cookie only from this host over TLS, so other hosts of the domain
# cannot replace it. Scripts cannot read the cookies, and pages of other sites do not send them.
# Below a path prefix the cookies have that path, which "__Host-" does not allow.
COOKIE_PREFIX = ("__Secure-" if FORCE_SCRIPT_NAME else "__Host-") if HTTPS else ""
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = FORCE_SCRIPT_NAME or "/"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
CHAT_GUEST_COOKIE_NAME = f"{COOKIE_PREFIX}chat_guest"
SESSION_ENGINE = "chat_project.sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Linked sites do not learn the room.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# HSTS for subdomains and preload lists is a decision of the domain's owner, not of an app on one of
# its hosts.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Pages may load from and send to this site only. No inline code or styles, and no frames. 'self'
# includes the site's WebSockets.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# Limits for forms, in bytes and in fields. The chat needs a few KB, the admin one field per
# selected row. Uploaded files are skipped, since nothing reads them.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_HANDLERS = ["chat_project.uploads.SkipsFiles"]

# --------------------------------------------------------------------------------- the accounts

# Log-in and log-out redirect to the page before, else here.
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "lobby"

AUTHENTICATION_BACKENDS = [
    "chat.accounts.backends.LimitedBackend",
    # For the log-in right after the sign-up. It checks no passwords.
    "django.contrib.auth.backends.ModelBackend",
]
# Failed log-ins per period: for one name from one address, and from one address. "0": no limit.
LOGIN_RATE_LIMIT = environment.rate("LOGIN_RATE_LIMIT", "10/600")
LOGIN_ADDRESS_RATE_LIMIT = environment.rate("LOGIN_ADDRESS_RATE_LIMIT", "50/600")
# All log-ins from one address, as a rate with a burst: see CHAT_ADDRESS_RATE_LIMIT.
LOGIN_PACE = environment.rate("LOGIN_PACE", "300/600")
# All attempts to sign up from one address.
SIGNUP_RATE_LIMIT = environment.rate("SIGNUP_RATE_LIMIT", "60/3600")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "chat.accounts.passwords.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
    )
]

# --------------------------------------------------------------------------------- the database

# DATABASE_URL, by default SQLite in the project's directory.
DATABASES: dict[str, dict[str, Any]] = {
    "default": environment.database("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}"),
}
# Seconds for which a thread keeps its connection. 0 closes it after each request or message.
DATABASES["default"]["CONN_MAX_AGE"] = environment.integer("DATABASE_CONN_MAX_AGE", 0)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Readers and the single writer do not block each other.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        # Otherwise a transaction that reads first and writes later fails instead of waiting.
        "transaction_mode": "IMMEDIATE",
        # Seconds to wait for another writer.
        "timeout": 20,
    }
else:
    OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
    if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        # Seconds to wait for a server that drops packets. The default of libpq is minutes.
        OPTIONS.setdefault("connect_timeout", 5)
    if environment.flag("DATABASE_SSL", default=ON_HEROKU):
        OPTIONS.setdefault("sslmode", "require")

# ------------------------------------------------------------------------- channels and workers

# With REDIS_URL the Redis layer, for several processes, otherwise the memory layer. Several URLs,
# with commas, are shards; `a=redis://...,b=redis://...` names them.
REDIS_URL = environment.redis_url("REDIS_URL")
# REDIS_TLS_VERIFY=0 accepts any certificate. Heroku has self-signed ones.
REDIS_TLS_VERIFY = environment.flag("REDIS_TLS_VERIFY", default=True)
# The prefix of all keys in Redis. Two chats in one Redis need different ones.
REDIS_PREFIX = environment.text("REDIS_PREFIX", "chat")


def redis_host(url: str) -> str | dict[str, Any]:
    """The entry of ``hosts``. Only ``rediss://`` URLs have a certificate to verify."""
    if url.startswith("rediss://") and not REDIS_TLS_VERIFY:
        return {"address": url, "ssl_cert_reqs": None}
    return url


def redis_hosts() -> list[Any] | dict[str, Any]:
    """The setting ``hosts``."""
    hosts = {name: redis_host(url) for name, url in environment.redis_urls(REDIS_URL).items()}
    return list(hosts.values()) if "0" in hosts else hosts


CHANNEL_LAYERS: dict[str, dict[str, Any]]
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": redis_hosts(), "prefix": REDIS_PREFIX},
        },
    }
else:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"},
    }

CHANNEL_ROUTING = "chat.routing.channel_routing"

CHANNEL_WORKERS = {
    # Who answers pages: the web processes, or workers.
    "HTTP": environment.choice("HTTP_BY", "interface", ("interface", "workers")),
    "CONNECT": "explicit",
    # Networks that let no WebSocket through get the same sockets over HTTP.
    "FALLBACKS": True,
    # Seconds that a handshake waits for a worker. Workers may start after the web process.
    "HANDSHAKE_TIMEOUT": environment.seconds("HANDSHAKE_TIMEOUT", 15.0),
    "ALLOWED_ORIGINS": ALLOWED_ORIGINS,
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
    # Sockets per client address and interface server. 0 for no limit. A school may share one.
    "CONNECTIONS_PER_ADDRESS": environment.integer("CONNECTIONS_PER_ADDRESS", 0 if DEBUG else 200),
    # Concurrent HTTP requests per client address and interface server.
    "REQUESTS_PER_ADDRESS": environment.integer("REQUESTS_PER_ADDRESS", 0 if DEBUG else 50),
    # Concurrent requests inside Django per interface server. Each may use a database connection.
    "REQUESTS_AT_ONCE": environment.integer("REQUESTS_AT_ONCE", 4, least=1),
    # Log lines of one kind that clients can cause per minute. Developers see all.
    "LOG_LINES_PER_MINUTE": 0 if DEBUG else 20,
    # Rows of @once: one for each message that is said, edited or deleted.
    "ONCE_ROWS": 100_000,
    # Seconds over which a web process closes its sockets after SIGTERM, and after which their
    # clients reconnect.
    "DRAIN_TIME": environment.seconds("DRAIN_TIME", 10.0, may_be_zero=True),
    "RETURN_TIME": environment.seconds("RETURN_TIME", 1.0, may_be_zero=True),
    # Paths for health checks, outside of the URLs. Neither reveals secrets.
    "HEALTH_PATH": "/healthz",
    "READY_PATH": "/readyz",
    # The load of the workers, for autoscalers.
    "LOAD_PATH": environment.text("LOAD_PATH"),
    # The port of metrics of each process, or a range of them, and its address.
    "METRICS_PORT": environment.text("METRICS_PORT"),
    "METRICS_HOST": environment.text("METRICS_HOST", "127.0.0.1"),
}

# The numbers of processes, and of connections that Redis and the database allow; 0 if unknown. A
# check warns if they do not fit. The smallest plans of Heroku allow 20 each.
LEAST_OF_HEROKU = 20 if ON_HEROKU else 0
CHANNEL_BUDGET = {
    "servers": environment.integer("WEB_PROCESSES", 1),
    "workers": environment.integer("WORKER_PROCESSES", 1),
    "threads": environment.integer("WORKER_THREADS", 4, least=1),
    "redis": environment.integer("REDIS_CONNECTIONS", LEAST_OF_HEROKU),
    "database": environment.integer("DATABASE_CONNECTIONS", LEAST_OF_HEROKU),
}

# ------------------------------------------------------------------------------------- the chat

# Messages per period and person. "0" for no limit.
CHAT_RATE_LIMIT = environment.rate("CHAT_RATE_LIMIT", "10/5")
# The same per client address, or per /64 network of IPv6, across all servers: a client without
# cookies is a new person on each socket. "300/60" allows a burst of 300, then five a second, since
# a school may share an address. In order: messages and their changes; new sockets, and questions
# who is here; new rooms.
CHAT_ADDRESS_RATE_LIMIT = environment.rate("CHAT_ADDRESS_RATE_LIMIT", "0" if DEBUG else "300/60")
CHAT_ARRIVAL_RATE_LIMIT = environment.rate("CHAT_ARRIVAL_RATE_LIMIT", "0" if DEBUG else "1200/60")
CHAT_ROOM_RATE_LIMIT = environment.rate("CHAT_ROOM_RATE_LIMIT", "0" if DEBUG else "60/600")
# Seconds after which a room without people and messages is deleted. 0 for never.
CHAT_EMPTY_ROOM_TIME = environment.integer("CHAT_EMPTY_ROOM_TIME", 24 * 3600)
# In characters, after trimming. Also for names of new accounts. The column for handles has 200.
CHAT_HANDLE_LENGTH = environment.integer("CHAT_HANDLE_LENGTH", 40, least=1, most=200)
CHAT_MESSAGE_LENGTH = environment.integer("CHAT_MESSAGE_LENGTH", 4000, least=1)
# Seconds for which authors may edit or delete a message.
CHAT_EDIT_TIME = environment.integer("CHAT_EDIT_TIME", 600)
# Bytes of a frame in UTF-8. A frame of more than 256 KiB closes the socket.
CHAT_FRAME_SIZE = environment.integer("CHAT_FRAME_SIZE", 64 * 1024, 256, 256 * 1024)

# Bytes of an answer of the history, and of the messages in a page. One message always fits.
CHAT_HISTORY_SIZE = environment.integer("CHAT_HISTORY_SIZE", 256 * 1024, least=1)

# --------------------------------------------------------------------------------- static files

STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
# The target of collectstatic.
STATIC_ROOT = environment.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "chat_project.static.HashedStaticFilesStorage",
    },
}
# DEBUG serves the files of the apps, production those that collectstatic gathered.
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# -------------------------------------------------------------------------------------- logging

LOG_LEVEL = environment.choice(
    "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
)
# Text for people, or a JSON object per line for programs.
LOG_FORMAT = environment.choice("LOG_FORMAT", "text", ("text", "json"))
logging.captureWarnings(LOG_FORMAT == "json")
# Whether the log has the messages of exceptions, which may quote private data.
LOG_ERROR_TEXTS = environment.flag("LOG_ERROR_TEXTS", default=DEBUG)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "channels_workers.logs.text.TextFormatter",
            "error_texts": LOG_ERROR_TEXTS,
        },
        "json": {
            "()": "channels_workers.logs.json.JsonFormatter",
            "error_texts": LOG_ERROR_TEXTS,
        },
    },
    "filters": {
        "current_message": {"()": "channels_workers.logs.filters.CurrentMessage"},
        "no_secrets": {"()": "channels_workers.logs.filters.NoSecrets"},
        "no_sockets": {"()": "channels_workers.logs.filters.NoSockets"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "level": LOG_LEVEL,
            "filters": ["current_message", "no_secrets"],
        },
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Their own handlers would log each line twice, or in another format.
        "django": {"handlers": []},
        "uvicorn": {"handlers": [], "propagate": True},
        # The proxy logs requests.
        "uvicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
        # The same for lines about sockets, which contain the query string.
        "uvicorn.error": {"level": "INFO", "filters": ["no_sockets"]},
        # Their debug lines quote frames and queries.
        **{name: {"level": "INFO"} for name in ("websockets", "django.db")},
    },
}
