"""The files that hosting platforms read: app.json, Procfile, runtime.txt."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from labs.harness.processes import clean_environment
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from tests.docs.pages import code, page

APP_KEYS = {
    "name": str,
    "description": str,
    "keywords": list,
    "website": str,
    "repository": str,
    "logo": str,
    "success_url": str,
    "scripts": dict,
    "env": dict,
    "formation": dict,
    "addons": list,
    "buildpacks": list,
    "environments": dict,
    "stack": str,
}
ENV_KEYS = {"description", "value", "required", "generator"}
SCRIPTS = {"postdeploy", "pr-predestroy"}
# Dyno sizes that allow several dynos of a process type, and those that do not.
SIZES = {
    **dict.fromkeys(("eco", "basic"), 1),
    **dict.fromkeys(("standard-1x", "standard-2x"), 100),
    **dict.fromkeys((f"performance-{kind}" for kind in ("m", "l", "l-ram", "xl", "2xl")), 100),
}
ENDED_PLANS = ("hobby", "free", "dev")
OTHER_DEPENDENCY_FILES = ("uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock", ".python-version")
SUPPORTED_PYTHON = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture
def app() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
    return content


def config_vars(app: dict[str, Any]) -> dict[str, str]:
    """The config vars of a new app: those of app.json and of its add-ons."""
    given = {name: entry.get("value", "0123456789abcdef" * 4) for name, entry in app["env"].items()}
    return given | {
        "DYNO": "web.1",
        "DATABASE_URL": "postgres://chat:secret@database.example.com:5432/chat",
        "REDIS_URL": "rediss://:secret@redis.example.com:6380",
    }


def run_python(code: str, env: dict[str, str]) -> str:
    """The output of `code` in a fresh interpreter."""
    command = [sys.executable, "-c", code]
    env = clean_environment() | env
    result = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_app_json_has_only_known_keys(app: dict[str, Any]) -> None:
    for key, value in app.items():
        assert key in APP_KEYS
        assert isinstance(value, APP_KEYS[key])
    assert app["name"]
    assert app["description"]


def test_config_vars_have_known_keys_and_a_description(app: dict[str, Any]) -> None:
    for name, entry in app["env"].items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        assert set(entry) <= ENV_KEYS
        assert entry["description"]
        assert isinstance(entry.get("value", ""), str)
        assert isinstance(entry.get("required", True), bool)
        assert ("value" in entry) != ("generator" in entry), f"{name} would be asked for"


def test_the_secret_key_is_generated_by_the_platform(app: dict[str, Any]) -> None:
    assert app["env"]["SECRET_KEY"]["generator"] == "secret"


def test_each_config_var_is_used_by_the_settings_or_the_procfile(app: dict[str, Any]) -> None:
    settings = (ROOT / "chat_project" / "settings.py").read_text()
    for name in app["env"]:
        assert f'"{name}"' in settings or f"${{{name}:-" in (ROOT / "Procfile").read_text(), name


def test_the_formation_has_web_and_worker_of_sizes_that_can_scale(
    app: dict[str, Any],
) -> None:
    assert set(app["formation"]) == {"web", "worker"}
    for process_type, entry in app["formation"].items():
        assert process_type in read_procfile()
        assert set(entry) == {"quantity", "size"}
        assert type(entry["quantity"]) is int
        assert 1 <= entry["quantity"] <= SIZES[entry["size"]]


def test_addons_are_a_database_and_a_redis(app: dict[str, Any]) -> None:
    assert app["addons"] == ["heroku-postgresql:essential-0", "heroku-redis:mini"]
    for addon in app["addons"]:
        assert not any(plan in addon for plan in ENDED_PLANS)


def test_the_buildpack_is_pythons(app: dict[str, Any]) -> None:
    assert app["buildpacks"] == [{"url": "heroku/python"}]


def test_scripts_have_only_known_names(app: dict[str, Any]) -> None:
    for name, command in app.get("scripts", {}).items():
        assert name in SCRIPTS
        assert isinstance(command, str)


def test_a_fresh_deployment_opens_an_existing_page(app: dict[str, Any]) -> None:
    path = urlsplit(app["success_url"])
    assert (path.scheme, path.netloc) == ("", "")
    assert resolve(path.path).view_name != "chat.views.not_found"


def test_keywords_are_words(app: dict[str, Any]) -> None:
    assert app["keywords"]
    assert all(re.fullmatch(r"[\w-]+", word) for word in app["keywords"])


def test_values_are_those_of_production_or_the_defaults(app: dict[str, Any]) -> None:
    """Unchanged values must not differ from the documented ones."""
    rows = {code(row[0])[0]: row[1] for row in page("chat/running").table("environment")}
    for name, entry in app["env"].items():
        assert name in rows, f"docs/chat/running.md does not say what {name} means"
        if not entry.get("required", True):
            assert entry["value"] == rows[name], f"{name} in app.json and in docs/chat/running.md"


def test_settings_of_a_new_app(app: dict[str, Any]) -> None:
    code = """if True:
        import django
        django.setup()
        from django.conf import settings
        host = settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0]
        print(settings.DEBUG, settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT)
        print(host["address"], host["ssl_cert_reqs"])
        print(settings.DATABASES["default"]["ENGINE"])
        print(settings.DATABASES["default"]["OPTIONS"]["sslmode"])
    """
    env = config_vars(app) | {"DJANGO_SETTINGS_MODULE": "chat_project.settings"}
    assert run_python(code, env).splitlines() == [
        "False ['.herokuapp.com'] True",
        "rediss://:secret@redis.example.com:6380 None",
        "django.db.backends.postgresql",
        "require",
    ]


def test_collecting_static_files_needs_no_database_and_no_redis(
    app: dict[str, Any], tmp_path: Path
) -> None:
    code = f"""if True:
        import django
        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        settings.STATIC_ROOT = {str(tmp_path)!r}
        call_command("collectstatic", interactive=False, verbosity=0)
    """
    env = config_vars(app) | {"DJANGO_SETTINGS_MODULE": "chat_project.settings"}
    del env["DATABASE_URL"], env["REDIS_URL"]
    run_python(code, env)
    assert (tmp_path / "staticfiles.json").exists()


def test_procfile_has_release_web_and_worker() -> None:
    assert list(read_procfile()) == ["release", "web", "worker"]


def test_web_listens_on_the_given_port_and_keeps_live_sockets_open() -> None:
    web = read_procfile()["web"].split()
    assert web[0] == "daphne"
    assert web[-1] == "chat_project.asgi:application"
    assert web[web.index("-p") + 1] == "$PORT"
    assert web[web.index("-b") + 1] == "${BIND:-0.0.0.0}", "a router is on another machine"
    assert web[web.index("--websocket_timeout") + 1] == "-1"
    assert int(web[web.index("--websocket_connect_timeout") + 1]) > 15
    assert "--proxy-headers" not in web, "it believes what clients write"


def test_the_runtime_is_a_supported_python() -> None:
    version = re.fullmatch(r"python-(\d+\.\d+)\n", (ROOT / "runtime.txt").read_text())
    assert version
    assert version[1] in SUPPORTED_PYTHON


def test_the_repository_has_one_dependency_file_and_no_virtual_environment() -> None:
    for name in OTHER_DEPENDENCY_FILES:
        assert not (ROOT / name).exists(), f"{name} breaks the build"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/.venv/" in ignored
    assert os.access(ROOT / "requirements.txt", os.R_OK)
