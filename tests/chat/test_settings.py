"""The settings as a process with a given environment sees them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

NAMES = [
    *("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASES", "INSTALLED_APPS", "CHAT_RATE_LIMIT"),
    *("CHANNEL_LAYERS", "CHANNEL_ROUTING", "CHANNEL_WORKERS"),
    *("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"),
    *("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "CHAT_GUEST_COOKIE_NAME", "CHANNEL_BUDGET"),
    *("SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY", "SECURE_HSTS_SECONDS"),
    *("SECURE_REFERRER_POLICY", "SIGNUP_RATE_LIMIT", "LOGGING", "SECRET_KEY_FALLBACKS"),
    *("FORCE_SCRIPT_NAME", "STATIC_URL", "SESSION_COOKIE_PATH", "CSRF_COOKIE_PATH"),
]
READ = f"""
import json
from chat_project import settings
print(json.dumps({{name: getattr(settings, name, None) for name in {NAMES!r}}}, default=str))
"""
PRODUCTION = {"DEBUG": "0", "SECRET_KEY": "k" * 40 + "0123456789", "ALLOWED_HOSTS": "chat.example"}


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment() | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read(**env: str) -> dict[str, Any]:
    result = run("-c", READ, env=env)
    assert result.returncode == 0, result.stderr
    settings: dict[str, Any] = json.loads(result.stdout)
    return settings


def refused(**env: str) -> str:
    result = run("-c", READ, env=env)
    assert result.returncode != 0
    return result.stderr.strip().splitlines()[-1]


def test_without_variables_it_is_a_development_setup() -> None:
    settings = read()
    assert settings["DEBUG"] is True
    assert settings["ALLOWED_HOSTS"] == []
    database = settings["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["NAME"] == str(ROOT / "db.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    layer = settings["CHANNEL_LAYERS"]["default"]
    assert layer == {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}
    assert settings["CHAT_RATE_LIMIT"] == [10, 5.0]
    assert settings["CHANNEL_WORKERS"]["HANDSHAKE_TIMEOUT"] == 15.0


def test_the_engine_comes_first() -> None:
    apps = read()["INSTALLED_APPS"]
    assert apps[0] == "channels_workers"
    assert "django.contrib.staticfiles" in apps[2:]


def test_a_redis_url_selects_the_redis_layer() -> None:
    layer = read(REDIS_URL="redis://localhost:7000/2", REDIS_PREFIX="mine")
    assert layer["CHANNEL_LAYERS"]["default"] == {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": ["redis://localhost:7000/2"], "prefix": "mine"},
    }


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        ("redis://one:7000/2, redis://two", ["redis://one:7000/2", "redis://two"]),
        ("redis://:a,b@one,unix:///c,d", ["redis://:a,b@one", "unix:///c,d"]),
        ("a=redis://one,b=redis://two", {"a": "redis://one", "b": "redis://two"}),
        ("a=redis://one", {"a": "redis://one"}),
        (
            "redis://one,rediss://two",
            ["redis://one", {"address": "rediss://two", "ssl_cert_reqs": None}],
        ),
    ],
)
def test_several_redis_urls_are_shards(urls: str, hosts: object) -> None:
    settings = read(REDIS_URL=urls, REDIS_TLS_VERIFY="0")
    assert settings["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"] == hosts


@pytest.mark.parametrize(
    "urls", ["a=redis://one:secret@h,redis://two", "redis://secret,a=redis://two"]
)
def test_either_all_redis_urls_have_names_or_none(urls: str) -> None:
    message = refused(REDIS_URL=urls)
    assert "REDIS_URL must be URLs that all have a name, or none" in message
    assert "secret" not in message.rpartition("ImproperlyConfigured")[2]


@pytest.mark.parametrize(
    ("url", "verify", "host"),
    [
        ("rediss://h", "1", "rediss://h"),
        ("rediss://h", "0", {"address": "rediss://h", "ssl_cert_reqs": None}),
        ("redis://h", "0", "redis://h"),
    ],
)
def test_certificate_checks_are_disabled_only_by_a_setting(
    url: str, verify: str, host: object
) -> None:
    settings = read(REDIS_URL=url, REDIS_TLS_VERIFY=verify)
    assert settings["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"] == [host]


def test_production_needs_a_secret_key() -> None:
    message = refused(DEBUG="0")
    assert "ImproperlyConfigured: SECRET_KEY is not set" in message
    assert "Set the environment variable SECRET_KEY" in message


@pytest.mark.parametrize(
    "key", ["for-development-only", "0123456789" * 4, "k" * 60, "abcd" * 20, " " * 60]
)
def test_production_refuses_a_weak_secret_key(key: str) -> None:
    message = refused(**PRODUCTION | {"SECRET_KEY": key})
    assert "ImproperlyConfigured: SECRET_KEY is " in message
    assert "Set the environment variable SECRET_KEY" in message
    assert key.strip() == "" or key not in message


def test_fallback_keys_are_accepted_while_they_are_listed() -> None:
    older, oldest = (PRODUCTION["SECRET_KEY"] + end for end in "ab")
    assert read(**PRODUCTION)["SECRET_KEY_FALLBACKS"] == []
    found = read(**PRODUCTION, SECRET_KEY_FALLBACKS=f"{older}, {oldest}")
    assert found["SECRET_KEY"] == PRODUCTION["SECRET_KEY"]
    assert found["SECRET_KEY_FALLBACKS"] == [older, oldest]


@pytest.mark.parametrize("key", ["for-development-only", "k" * 60, "0123456789" * 4])
def test_production_refuses_a_weak_fallback_key(key: str) -> None:
    message = refused(**PRODUCTION, SECRET_KEY_FALLBACKS=f"{PRODUCTION['SECRET_KEY']}0,{key}")
    assert "ImproperlyConfigured: SECRET_KEY_FALLBACKS must be keys" in message
    assert key not in message
    assert read(SECRET_KEY_FALLBACKS=key)["SECRET_KEY_FALLBACKS"] == [key], "in development"


@pytest.mark.parametrize("debug", ["False", "no", "0", "off"])
def test_any_false_value_turns_debug_off(debug: str) -> None:
    assert read(**PRODUCTION | {"DEBUG": debug})["DEBUG"] is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("CHAT_RATE_LIMIT", "fast"),
        ("REDIS_URL", "localhost:6379"),
        ("DATABASE_URL", "nonsense"),
        ("HANDSHAKE_TIMEOUT", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("CHAT_HANDLE_LENGTH", "201"),
    ],
)
def test_an_invalid_value_stops_the_start_and_is_named(name: str, value: str) -> None:
    assert f"ImproperlyConfigured: The environment variable {name} must be " in refused(
        **{name: value}
    )


def test_heroku_defaults_to_production() -> None:
    assert "SECRET_KEY is not set" in refused(DYNO="web.1")
    url = "postgres://u:p@host:5432/db"
    settings = read(DYNO="web.1", SECRET_KEY=PRODUCTION["SECRET_KEY"], DATABASE_URL=url)
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == [".herokuapp.com"]
    assert settings["DATABASES"]["default"]["OPTIONS"] == {
        "connect_timeout": 5,
        "sslmode": "require",
    }


def test_production_expects_https_unless_it_is_switched_off() -> None:
    assert read(**PRODUCTION)["SECURE_SSL_REDIRECT"] is True
    plain = read(**PRODUCTION, HTTPS="0")
    assert plain["SECURE_SSL_REDIRECT"] is plain["SESSION_COOKIE_SECURE"] is False


def test_cookies_belong_to_this_host_and_no_script() -> None:
    settings = read(**PRODUCTION)
    assert settings["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert settings["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert settings["CHAT_GUEST_COOKIE_NAME"] == "__Host-chat_guest"
    assert settings["SESSION_COOKIE_HTTPONLY"] is settings["CSRF_COOKIE_HTTPONLY"] is True
    assert settings["SESSION_COOKIE_SECURE"] is settings["CSRF_COOKIE_SECURE"] is True
    assert settings["SECURE_HSTS_SECONDS"] == 30 * 24 * 3600
    assert settings["SECURE_REFERRER_POLICY"] == "same-origin"
    plain = read(**PRODUCTION, HTTPS="0")
    assert plain["SESSION_COOKIE_NAME"] == "sessionid", "browsers take no other over plain http"


def test_https_implies_a_proxy_and_production_limits() -> None:
    workers = read(**PRODUCTION)["CHANNEL_WORKERS"]
    assert (workers["TRUSTED_PROXIES"], workers["CONNECTIONS_PER_ADDRESS"]) == (1, 200)
    workers = read(**PRODUCTION, HTTPS="0", CONNECTIONS_PER_ADDRESS="7")["CHANNEL_WORKERS"]
    assert (workers["TRUSTED_PROXIES"], workers["CONNECTIONS_PER_ADDRESS"]) == (0, 7)
    workers = read()["CHANNEL_WORKERS"]
    assert (workers["TRUSTED_PROXIES"], workers["CONNECTIONS_PER_ADDRESS"]) == (0, 0)
    assert workers["ALLOWED_ORIGINS"] == []


def test_error_texts_are_logged_only_in_development() -> None:
    for env, said in (
        ({}, True),
        (PRODUCTION, False),
        (PRODUCTION | {"LOG_ERROR_TEXTS": "1"}, True),
    ):
        formatters = read(**env)["LOGGING"]["formatters"]
        assert [each["error_texts"] for each in formatters.values()] == [said, said]


def test_the_smallest_heroku_plans_allow_twenty_connections() -> None:
    counts = {"servers": 1, "workers": 1, "threads": 4}
    assert read()["CHANNEL_BUDGET"] == counts | {"redis": 0, "database": 0}
    heroku = {"DYNO": "web.1", "SECRET_KEY": PRODUCTION["SECRET_KEY"], "WORKER_PROCESSES": "3"}
    found = read(**heroku)["CHANNEL_BUDGET"]
    assert found == counts | {"workers": 3, "redis": 20, "database": 20}


def test_the_deployment_check_finds_nothing() -> None:
    arguments = ("manage.py", "check", "--deploy", "--fail-level", "DEBUG")
    result = run(*arguments, env=PRODUCTION | {"REDIS_URL": "redis://localhost:6379"})
    assert result.returncode == 0, result.stderr
    assert "System check identified no issues" in result.stdout + result.stderr


def test_collecting_static_files_needs_no_database_and_no_redis(tmp_path: Path) -> None:
    env = PRODUCTION | {"STATIC_ROOT": str(tmp_path)}
    result = run("manage.py", "collectstatic", "--noinput", env=env)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    script = (tmp_path / manifest["chat/room.js"]).read_text()
    imported = re.findall(r'from "\./([^"]+)"', script)
    assert len(imported) == script.count("\nimport ")
    assert all(f"chat/{name}" in manifest.values() for name in imported)


def test_without_a_prefix() -> None:
    settings = read(**PRODUCTION)
    assert settings["FORCE_SCRIPT_NAME"] is None
    assert settings["STATIC_URL"] == "/static/"
    assert settings["SESSION_COOKIE_PATH"] == settings["CSRF_COOKIE_PATH"] == "/"


@pytest.mark.parametrize(("text", "prefix"), [("/talk", "/talk"), ("/a/b-c/", "/a/b-c")])
def test_with_a_prefix(text: str, prefix: str) -> None:
    settings = read(**PRODUCTION, FORCE_SCRIPT_NAME=text)
    assert settings["FORCE_SCRIPT_NAME"] == prefix
    assert settings["STATIC_URL"] == f"{prefix}/static/"
    assert settings["SESSION_COOKIE_PATH"] == settings["CSRF_COOKIE_PATH"] == prefix
    assert settings["SESSION_COOKIE_NAME"] == "__Secure-sessionid"
    assert settings["CHAT_GUEST_COOKIE_NAME"] == "__Secure-chat_guest"


@pytest.mark.parametrize("text", ["talk", "//talk", "/ta lk", "https://chat.example/talk", "/ü"])
def test_an_invalid_prefix(text: str) -> None:
    assert "FORCE_SCRIPT_NAME must be a path of letters" in refused(FORCE_SCRIPT_NAME=text)


def test_a_worker_does_not_load_what_only_servers_need() -> None:
    code = (
        "import sys; import django; django.setup();"
        "from channels_workers.management.commands import runworker;"
        "from channels_workers.worker.group import worker_router; worker_router();"
        "from channels_workers.registry import get_channel_layer; get_channel_layer();"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "chat_project.settings", "REDIS_URL": "redis://x/0"}
    result = run("-c", code, env=environment)
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.split()
    assert {"channels_redis", "chat"} <= set(loaded)
    assert {"autobahn", "daphne", "OpenSSL", "twisted", "uvicorn"}.isdisjoint(loaded)
