"""Settings, from environment variables only.

With none set this is a safe place to develop: ``DEBUG`` on (which answers to localhost only),
SQLite in ``db.sqlite3``, and the channel layer in memory, so one process does everything.
Production is ``DEBUG=0`` and a ``SECRET_KEY``; ``DATABASE_URL`` and ``REDIS_URL`` name the services
that several processes share. Nothing here connects to anything, so ``collectstatic`` can run at
build time.
"""

import logging
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from chat_project import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# Heroku sets DYNO in each of its machines: there the default is production, and TLS its router's.
ON_HEROKU = bool(environment.text("DYNO"))

# ---------------------------------------------------------------------------------- the basics

DEBUG = environment.flag("DEBUG", default=not ON_HEROKU)

# One fixed key for development: all processes must agree on it, a random one would differ.
SECRET_KEY = environment.text("SECRET_KEY", "for-development-only" if DEBUG else "")
# Keys of before, while what they signed is to count; what is new is signed with SECRET_KEY.
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")


def is_weak(key: str) -> bool:
    """Whether Django's own check of a deployment would refuse it."""
    return len(key) < 50 or len(set(key)) < 5


if not DEBUG and is_weak(SECRET_KEY):
    what_is_wrong = "is too short, or too simple" if SECRET_KEY else "is not set"
    raise ImproperlyConfigured(
        f"SECRET_KEY {what_is_wrong}, and without DEBUG the project does not start so. Set the "
        "environment variable SECRET_KEY to a random text of 50 characters or more, the same for "
        "each process: "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))' makes one. "
        "To develop on this machine set DEBUG=1 instead."
    )
if not DEBUG and any(is_weak(key) for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured(
        "SECRET_KEY_FALLBACKS must be keys that SECRET_KEY had before, of 50 characters or more, "
        "with commas between, but one of them is too short, or too simple: whoever guesses it can "
        "pretend to be others. Take it out; a key that has a comma in it cannot be kept."
    )

# The names under which the site is reached. Pages of other names may open no socket either.
# Unset, DEBUG allows localhost; on Heroku it is the domain that each app gets.
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", (".herokuapp.com",) if ON_HEROKU else ())
# "/talk" where the site is below https://chat.example.org/talk/, for a proxy that keeps that prefix
# and for one that takes it off.
FORCE_SCRIPT_NAME = environment.prefix("FORCE_SCRIPT_NAME") or None
# Origins ("https://chat.example.org") that may post forms, for a proxy that changes the Host.
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")
# Origins whose pages may open sockets; unset, those of ALLOWED_HOSTS, and where that is "*", only
# the one at which the socket is opened.
ALLOWED_ORIGINS = environment.words("ALLOWED_ORIGINS")

INSTALLED_APPS = [
    # The first two bring a "runserver" each, and the first app wins; both before staticfiles.
    "channels_workers",
    "daphne",
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

# The language of a page is what its visitor's browser asks for, this one if there is none.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ----------------------------------------------------------------- HTTPS: HTTPS=0 for plain http

# On unless DEBUG: http is redirected to https, cookies are sent over TLS only, and browsers are
# told to come by https for HSTS_SECONDS. TLS ends at a proxy in front, which must set (and must
# strip from what clients send) the header X-Forwarded-Proto. Behind no such proxy set HTTPS=0.
HTTPS = environment.flag("HTTPS", default=not DEBUG)

if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = environment.integer("HSTS_SECONDS", 30 * 24 * 3600)
SECURE_SSL_REDIRECT = HTTPS
# How many proxies stand in front: of X-Forwarded-For so many entries from the right are believed.
# Whoever has HTTPS has one, which ends it.
TRUSTED_PROXIES = environment.integer("TRUSTED_PROXIES", 1 if HTTPS else 0)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# With such a name a browser takes a cookie from this host alone, over TLS: no other host of the
# domain can put its own in place. Scripts see neither; other sites' pages do not send them.
# Below a prefix cookies are for what is there; browsers take no "__Host-" with a path.
COOKIE_PREFIX = ("__Secure-" if FORCE_SCRIPT_NAME else "__Host-") if HTTPS else ""
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = FORCE_SCRIPT_NAME or "/"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
CHAT_GUEST_COOKIE_NAME = f"{COOKIE_PREFIX}chat_guest"
SESSION_ENGINE = "chat_project.sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Where a link leads to does not learn from which room.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Whether HSTS covers subdomains and goes into browsers' preload lists is for the owner of the
# domain to decide, not for an app on one name of it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# What pages may load, send to and be shown in: this site alone, no code and no style in the page
# itself, and no frame. Browsers count the site's own WebSockets to 'self'.
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

# What a form may send (bytes), and in how many fields: those of the chat need a few KB, those of
# the admin one field for each row that is selected. Nobody reads a file, so it is kept nowhere.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_HANDLERS = ["chat_project.uploads.SkipsFiles"]

# --------------------------------------------------------------------------------- the accounts

# After a log-in, and after a log-out, one is led back to where one came from; else here.
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "lobby"

AUTHENTICATION_BACKENDS = [
    "chat.accounts.backends.LimitedBackend",
    # For the log-ins of those who have just signed up; it is not asked for passwords.
    "django.contrib.auth.backends.ModelBackend",
]
# Failed log-ins in seconds: under one name from one address, and from one address. "0": no limit.
LOGIN_RATE_LIMIT = environment.rate("LOGIN_RATE_LIMIT", "10/600")
LOGIN_ADDRESS_RATE_LIMIT = environment.rate("LOGIN_ADDRESS_RATE_LIMIT", "50/600")
# Log-ins from one address, good and bad ones, as a pace: see CHAT_ADDRESS_RATE_LIMIT.
LOGIN_PACE = environment.rate("LOGIN_PACE", "300/600")
# Forms for a new account, good and bad ones, from one address.
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
# Seconds that a thread keeps its connection; 0 closes it after each request or message.
DATABASES["default"]["CONN_MAX_AGE"] = environment.integer("DATABASE_CONN_MAX_AGE", 0)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Readers and the one writer at a time do not stop each other.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        # A transaction that reads first and writes later could not wait for another's write.
        "transaction_mode": "IMMEDIATE",
        # Seconds to wait for another's write.
        "timeout": 20,
    }
else:
    OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
    if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        # A server that drops packets is given up after so many seconds; libpq waits for minutes.
        OPTIONS.setdefault("connect_timeout", 5)
    if environment.flag("DATABASE_SSL", default=ON_HEROKU):
        OPTIONS.setdefault("sslmode", "require")

# ------------------------------------------------------------------------- channels and workers

# With REDIS_URL the layer that several processes share, without it the one in memory.
REDIS_URL = environment.redis_url("REDIS_URL")
# REDIS_TLS_VERIFY=0 accepts any certificate, which hosts with self-signed ones (Heroku) need.
REDIS_TLS_VERIFY = environment.flag("REDIS_TLS_VERIFY", default=True)
# Each key in Redis begins with it; two chats in one Redis need two of them.
REDIS_PREFIX = environment.text("REDIS_PREFIX", "chat")


def redis_host() -> str | dict[str, Any]:
    """The entry of ``hosts``; only a ``rediss://`` URL has a certificate to be checked."""
    if REDIS_URL.startswith("rediss://") and not REDIS_TLS_VERIFY:
        return {"address": REDIS_URL, "ssl_cert_reqs": None}
    return REDIS_URL


CHANNEL_LAYERS: dict[str, dict[str, Any]]
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [redis_host()], "prefix": REDIS_PREFIX},
        },
    }
else:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"},
    }

CHANNEL_ROUTING = "chat.routing.channel_routing"

CHANNEL_WORKERS = {
    "HTTP": "interface",
    "CONNECT": "explicit",
    # Seconds that a handshake waits for a worker's answer; workers may boot after the web.
    "HANDSHAKE_TIMEOUT": environment.seconds("HANDSHAKE_TIMEOUT", 15.0),
    "ALLOWED_ORIGINS": ALLOWED_ORIGINS,
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
    # Sockets of one address at each interface server, 0 for no limit: a school may share one.
    "CONNECTIONS_PER_ADDRESS": environment.integer("CONNECTIONS_PER_ADDRESS", 0 if DEBUG else 200),
    # HTTP requests of one address that each interface server answers at the same moment.
    "REQUESTS_PER_ADDRESS": environment.integer("REQUESTS_PER_ADDRESS", 0 if DEBUG else 50),
    # Requests inside Django at once, in each interface server: each may have a database connection.
    "REQUESTS_AT_ONCE": environment.integer("REQUESTS_AT_ONCE", 4, least=1),
    # Lines of one kind that clients can cause in a minute; a developer wants to see all.
    "LOG_LINES_PER_MINUTE": 0 if DEBUG else 20,
    # Seconds over which a web process that gets SIGTERM closes its sockets, and after which each
    # of their clients is told to come back.
    "DRAIN_TIME": environment.seconds("DRAIN_TIME", 10.0, may_be_zero=True),
    "RETURN_TIME": environment.seconds("RETURN_TIME", 1.0, may_be_zero=True),
    # What probers ask, outside of the urls; neither says anything that is secret.
    "HEALTH_PATH": "/healthz",
    "READY_PATH": "/readyz",
}

# How many processes there are, and how many connections Redis and the database allow, 0 for nobody
# knows: a check warns when they do not fit. The smallest of Heroku allow 20 each.
LEAST_OF_HEROKU = 20 if ON_HEROKU else 0
CHANNEL_BUDGET = {
    "servers": environment.integer("WEB_PROCESSES", 1),
    "workers": environment.integer("WORKER_PROCESSES", 1),
    "threads": environment.integer("WORKER_THREADS", 4, least=1),
    "redis": environment.integer("REDIS_CONNECTIONS", LEAST_OF_HEROKU),
    "database": environment.integer("DATABASE_CONNECTIONS", LEAST_OF_HEROKU),
}

# ------------------------------------------------------------------------------------- the chat

# Messages in seconds per person, "0" for no limit.
CHAT_RATE_LIMIT = environment.rate("CHAT_RATE_LIMIT", "10/5")
# The same for all of one address, or one /64 of IPv6, at all servers: who has no cookie is another
# person on each socket. "300/60" lets 300 through at once and then five a second, for a school may
# share an address. Messages and their changes; sockets that are opened, and questions who is here;
# new rooms.
CHAT_ADDRESS_RATE_LIMIT = environment.rate("CHAT_ADDRESS_RATE_LIMIT", "0" if DEBUG else "300/60")
CHAT_ARRIVAL_RATE_LIMIT = environment.rate("CHAT_ARRIVAL_RATE_LIMIT", "0" if DEBUG else "1200/60")
CHAT_ROOM_RATE_LIMIT = environment.rate("CHAT_ROOM_RATE_LIMIT", "0" if DEBUG else "60/600")
# Seconds after which a room is deleted in which nobody is and nothing was ever said; 0 for never.
CHAT_EMPTY_ROOM_TIME = environment.integer("CHAT_EMPTY_ROOM_TIME", 24 * 3600)
# Characters, after trimming; of the names of new accounts too. The handle's column holds 200.
CHAT_HANDLE_LENGTH = environment.integer("CHAT_HANDLE_LENGTH", 40, least=1, most=200)
CHAT_MESSAGE_LENGTH = environment.integer("CHAT_MESSAGE_LENGTH", 4000, least=1)
# Seconds for which a message may be edited or deleted by who said it.
CHAT_EDIT_TIME = environment.integer("CHAT_EDIT_TIME", 600)
# Bytes of a whole frame in UTF-8; a client that sends more than 256 KiB at once is cut off.
CHAT_FRAME_SIZE = environment.integer("CHAT_FRAME_SIZE", 64 * 1024, 256, 256 * 1024)

# Bytes of an answer of the history, and of the messages in a room's page; at least one message.
CHAT_HISTORY_SIZE = environment.integer("CHAT_HISTORY_SIZE", 256 * 1024, least=1)

# --------------------------------------------------------------------------------- static files

STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
# Where collectstatic puts them.
STATIC_ROOT = environment.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "chat_project.static.HashedStaticFilesStorage",
    },
}
# Under DEBUG files are served as they lie in the apps; otherwise as collectstatic gathered them.
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# -------------------------------------------------------------------------------------- logging

LOG_LEVEL = environment.choice(
    "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
)
# A text in each line for people, or an object of JSON for programs.
LOG_FORMAT = environment.choice("LOG_FORMAT", "text", ("text", "json"))
logging.captureWarnings(LOG_FORMAT == "json")
# Whether lines about errors that were raised say the texts of these, which may quote messages.
LOG_ERROR_TEXTS = environment.flag("LOG_ERROR_TEXTS", default=DEBUG)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "chat_project.logs.TextFormatter", "error_texts": LOG_ERROR_TEXTS},
        "json": {"()": "chat_project.logs.LineOfJsonFormatter", "error_texts": LOG_ERROR_TEXTS},
    },
    "filters": {"no_sockets": {"()": "chat_project.logs.NoSockets"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "level": LOG_LEVEL},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Their own handlers would show each line a second time, or in another form.
        "django": {"handlers": []},
        "uvicorn": {"handlers": [], "propagate": True},
        # A line for each request is for the proxy to write.
        "uvicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
        # So are its lines for each socket, which have the query of its address.
        "uvicorn.error": {"level": "INFO", "filters": ["no_sockets"]},
        # Their lines for developers quote frames and queries.
        **{name: {"level": "INFO"} for name in ("websockets", "django.db")},
    },
}
