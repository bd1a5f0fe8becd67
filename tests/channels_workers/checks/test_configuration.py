import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.test import override_settings
from pytest_django import Settings

from channels_workers.apps import ChannelsWorkersConfig
from channels_workers.checks import once
from channels_workers.checks.configuration import OTHER_BACKENDS
from labs.harness.ports import free_port
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from tests.channels_workers.conftest import MEMORY

REDIS = "channels_workers.layers.redis.RedisChannelLayer"
DJANGOS = ["django.contrib.contenttypes", "django.contrib.auth"]


class ConfigOfTheProject(ChannelsWorkersConfig):
    """The app as a project may install it: through its own class."""

    path = str(Path(__file__).parent)


def problems(databases: Sequence[str] = (), **options: Any) -> list[CheckMessage]:
    """The problems that the checks find. With `databases`, also those of the servers.

    Django 6.1 asks all databases if a tag is given without a database.
    """
    return run_checks(tags=["channels_workers"], databases=databases, **options)


def only_problem(**options: Any) -> tuple[str, str, str]:
    """The id, message and hint of the only problem."""
    [problem] = problems(**options)
    assert isinstance(problem.id, str)
    assert problem.hint, "a problem comes with its cure"
    return problem.id, problem.msg, problem.hint


@pytest.fixture(autouse=True)
def good_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(once, "databases", set())  # of consumers that other tests have imported
    with override_settings(
        CHANNEL_LAYERS={"default": {"BACKEND": MEMORY}},
        CHANNEL_ROUTING={"background": "channels_workers.routing.null_consumer"},
        CHANNEL_WORKERS={},
        INSTALLED_APPS=["channels_workers", *DJANGOS, "django.contrib.staticfiles"],
    ):
        yield


def test_good_settings_have_no_problem() -> None:
    assert problems(databases=["default"]) == []


def test_django_runs_the_checks(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONNECT": "never"}
    with pytest.raises(SystemCheckError, match=r"channels_workers\.E008"):
        call_command("check", stderr=io.StringIO())


# CHANNEL_LAYERS


@pytest.mark.parametrize("layers", [{}, {"other": {"BACKEND": MEMORY}}])
def test_a_missing_default_layer(layers: Any, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = layers
    number, message, hint = only_problem()
    assert (number, message) == (
        "channels_workers.E001",
        "CHANNEL_LAYERS has no 'default' layer.",
    )
    assert MEMORY in hint


def test_a_missing_setting(settings: Settings) -> None:
    del settings.CHANNEL_LAYERS
    assert only_problem()[0] == "channels_workers.E001"


def test_the_routing_key_of_channels_1(settings: Settings) -> None:
    layer = {"BACKEND": MEMORY, "ROUTING": "chat.routing.channel_routing"}
    settings.CHANNEL_LAYERS = {"default": layer}
    number, message, hint = only_problem()
    assert number == "channels_workers.E002"
    assert "CHANNEL_LAYERS['default'] has the key ROUTING" in message
    assert "CHANNEL_ROUTING = 'chat.routing.channel_routing'" in hint


@pytest.mark.parametrize("backend", OTHER_BACKENDS)
def test_backends_of_other_packages(backend: str, settings: Settings) -> None:
    settings.CHANNEL_LAYERS["more"] = {"BACKEND": backend}
    number, message, hint = only_problem()
    assert number == "channels_workers.E003"
    assert f"CHANNEL_LAYERS['more'] has the BACKEND {backend!r}" in message
    assert hint in (f'Use "BACKEND": "{REDIS}"', f'Use "BACKEND": "{MEMORY}"')
    settings.CHANNEL_LAYERS["more"] = {"BACKEND": OTHER_BACKENDS[backend]}
    assert problems() == []


def test_settings_of_channels_1_get_both_hints(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "asgi_redis.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://localhost:6379"]},
            "ROUTING": "chat.routing.channel_routing",
        }
    }
    found = [problem.id for problem in problems(databases=["default"])]
    assert found == ["channels_workers.E002", "channels_workers.E003"]


@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"BACKEND": "no.such.Layer"},
        {"BACKEND": REDIS, "CONFIG": {"hosts": ["http://localhost"]}},
        {"BACKEND": REDIS, "CONFIG": {"hosts": ["redis://one", "redis://one:6379/0"]}},
        {"BACKEND": REDIS, "CONFIG": {"hosts": {"not a name": "redis://one"}}},
        {"BACKEND": REDIS, "CONFIG": {"host": ["redis://one"]}},
        {"BACKEND": MEMORY, "CONFIG": {"capacity": 5, "unknown": 1}},
        {"BACKEND": "channels_workers.routing.Router"},
    ],
)
def test_a_layer_that_cannot_be_created(layer: Any, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": layer}
    number, message, hint = only_problem()
    assert number == "channels_workers.E004"
    assert message.startswith("CHANNEL_LAYERS['default'] cannot be used: ")
    assert hint == "Correct its BACKEND and CONFIG."


def test_a_backend_that_does_not_exist_is_reported(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer"}}
    assert only_problem()[1].endswith("for default: No module named 'no'")
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_workers.layers.redis.Layer"}}
    assert 'does not define a "Layer" attribute' in only_problem()[1]


def test_a_missing_dependency_of_a_backend_is_reported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layer_of_ours.py").write_text(
        "try:\n"
        "    import a_package_of_nobody.part\n"
        "except ImportError as error:\n"
        "    raise ImportError('The fast parser cannot be used') from error\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "layer_of_ours.Layer"}}
    _, message, hint = only_problem()
    assert message.endswith(
        "specified for default: The fast parser cannot be used: "
        "No module named 'a_package_of_nobody'"
    )
    assert "Install the package of 'a_package_of_nobody'" in hint


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import django
from django.conf import settings
from django.core.checks import run_checks
settings.configure(
    INSTALLED_APPS=["channels_workers"], CHANNEL_ROUTING=[],
    CHANNEL_LAYERS={{"default": {{"BACKEND": "{backend}", "CONFIG": {config}}}}},
)
django.setup()
for problem in run_checks(tags=["channels_workers"]):
    print(problem)
"""


def problems_without(missing: str, config: object, backend: str = REDIS) -> str:
    """What the checks find without the module *missing*."""
    text = WITHOUT.format(missing={missing}, backend=backend, config=config)
    command = [sys.executable, "-W", "ignore", "-c", text]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_without_hiredis_cause_and_remedy_are_reported() -> None:
    said = problems_without("hiredis", {"hosts": ["redis://localhost"]})
    assert "cannot be used: Cannot import BACKEND" in said
    assert "specified for default: No module named 'hiredis'" in said
    assert "Install the package of 'hiredis'" in said


@pytest.mark.parametrize("backend", [REDIS, MEMORY])
def test_keys_without_cryptography(backend: str) -> None:
    said = problems_without("cryptography", {"symmetric_encryption_keys": ["secret"]}, backend)
    assert "channels_workers.E004" in said
    assert "HINT: Install cryptography, or remove symmetric_encryption_keys" in said
    assert "E004" not in problems_without("cryptography", {}, backend)


# ALLOWED_ORIGINS


@pytest.mark.parametrize(
    "entry",
    ["https://b\u00fccher.example", "https://*.example.com", "chat.example.com:8000", "null:"],
)
def test_an_origin_that_no_browser_sends(entry: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://chat.example.com", entry]}
    number, message, _ = only_problem()
    assert number == "channels_workers.E015"
    assert message.startswith(f"CHANNEL_WORKERS['ALLOWED_ORIGINS'] cannot be used: {entry!r} is no")


@pytest.mark.parametrize(
    "entry", ["*", ".example.com", "[::1]", "https://a.example:444", "app://x/"]
)
def test_origins_that_browsers_send(entry: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"ALLOWED_ORIGINS": [entry]}
    assert problems() == []


# INSTALLED_APPS

RIGHT_ORDER = ["channels_workers", "daphne", "django.contrib.staticfiles"]


@pytest.mark.parametrize(
    "wrong_order",
    [
        ["daphne", "channels_workers", "django.contrib.staticfiles"],
        ["django.contrib.staticfiles", "channels_workers", "daphne"],
        ["daphne.apps.DaphneConfig", "channels_workers", "django.contrib.staticfiles"],
    ],
)
def test_an_app_order_that_hides_our_runserver(wrong_order: list[str], settings: Settings) -> None:
    settings.INSTALLED_APPS = [*DJANGOS, *wrong_order]
    number, message, hint = only_problem()
    assert number == "channels_workers.E005"
    assert "`runserver` would be that of another app" in message
    assert hint == (
        f"Order them: {', '.join(RIGHT_ORDER)}. Or remove daphne: channels_workers does not need "
        "that app."
    )


def test_static_files_before_ours_without_daphne(settings: Settings) -> None:
    settings.INSTALLED_APPS = [*DJANGOS, "django.contrib.staticfiles", "channels_workers"]
    number, _, hint = only_problem()
    assert number == "channels_workers.E005"
    assert hint == "Order them: channels_workers, django.contrib.staticfiles."


@pytest.mark.parametrize(
    "apps",
    [
        ["channels_workers"],
        ["channels_workers", "channels", "daphne", "django.contrib.staticfiles"],
        ["channels_workers", "django.contrib.staticfiles", "daphne"],  # daphne.E001 refuses it
        ["channels_workers", *DJANGOS, "django.contrib.staticfiles"],
        [f"{__name__}.ConfigOfTheProject", "daphne", "channels"],
    ],
)
def test_a_correct_app_order(apps: list[str], settings: Settings) -> None:
    settings.INSTALLED_APPS = apps
    assert problems() == []


def test_channels_before_ours_hides_our_runworker(settings: Settings) -> None:
    settings.INSTALLED_APPS = ["channels", *RIGHT_ORDER]
    number, message, hint = only_problem()
    assert number == "channels_workers.E006"
    assert "`runworker` would be that of Channels 4" in message
    assert hint == "Put channels_workers before channels."


# CHANNEL_ROUTING


@pytest.mark.parametrize(
    "routing",
    [
        "no.such.routing",
        {"background": "no.such.consumer"},
        {"background": 5},
        5,
        ["websocket.connect"],
    ],
)
def test_an_unusable_routing(routing: Any, settings: Settings) -> None:
    settings.CHANNEL_ROUTING = routing
    number, message, _ = only_problem()
    assert number == "channels_workers.E007"
    assert message.startswith("The channel routing cannot be used: ")


@pytest.mark.parametrize(
    ("http", "is_idle"),
    [
        ("interface", True),
        ({"/": "interface", "/a": "interface"}, True),
        ("workers", False),
        ({"/": "interface", "/poll/": "workers"}, False),
    ],
)
def test_routes_for_requests_that_no_worker_gets(
    http: Any, is_idle: bool, settings: Settings
) -> None:
    settings.CHANNEL_ROUTING = {"http.request": print}
    settings.CHANNEL_WORKERS = {"HTTP": http}
    if is_idle:
        number, message, hint = only_problem()
        assert number == "channels_workers.W008"
        assert "never get a message" in message
        assert '"HTTP": "workers"' in hint
    else:
        assert problems() == []


def test_routes_for_requests_beside_a_wrong_setting(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = {"http.request": print}
    settings.CHANNEL_WORKERS = {"HTTP": "nobody"}
    number, message, _ = only_problem()
    assert number == "channels_workers.E008"
    assert "HTTP" in message


BINDING = """
from channels_workers import route_class
from channels_workers.binding.websockets import WebsocketBinding
from channels_workers.generic.websockets import WebsocketDemultiplexer


class Abstract(WebsocketBinding):
    model = None


class GroupBinding(Abstract):
    model = "auth.Group"
    stream = "groups"
    fields = ["name"]

    @classmethod
    def group_names(cls, instance):
        return []


class Live(WebsocketDemultiplexer):
    consumers = {"groups": GroupBinding.consumer}


routing = [route_class(Live)]
urlpatterns = []
"""


@pytest.mark.parametrize("is_in_urls", [True, False])
def test_a_binding_that_views_do_not_import(
    is_in_urls: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    registered: None,
) -> None:
    name = f"bound_{is_in_urls}".lower()
    (tmp_path / f"{name}.py").write_text(BINDING)
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHANNEL_ROUTING = f"{name}.routing"
    if is_in_urls:
        settings.ROOT_URLCONF = name
        assert problems() == []
    else:
        number, message, hint = only_problem()
        assert number == "channels_workers.W009"
        assert f"{name}.GroupBinding" in message
        assert f"Import {name} in the ready()" in hint


def test_more_responses_than_an_inbox_may_hold(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": "workers", "REQUESTS_WAITING": 1025}
    number, message, hint = only_problem()
    assert number == "channels_workers.W010"
    assert "with 67,174,400 bytes at once" in message
    assert hint == "Lower REQUESTS_WAITING to 1,024, or raise INBOX_BYTES to 134,348,800."
    for change in (
        {"HTTP": "interface"},
        {"REQUESTS_WAITING": 1024},
        {"INBOX_BYTES": 134_348_800},
    ):
        settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, **change}
        assert problems() == []
        settings.CHANNEL_WORKERS = {"HTTP": "workers", "REQUESTS_WAITING": 1025}


def test_an_invalid_regular_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    lines = "from channels_workers import route", "routing = [route('a', len, path='(')]"
    (tmp_path / "broken_routing.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHANNEL_ROUTING = "broken_routing.routing"
    number, message, _ = only_problem()
    assert number == "channels_workers.E007"
    assert "Filter for path on the route of a" in message


def test_a_missing_routing(settings: Settings) -> None:
    del settings.CHANNEL_ROUTING
    assert "CHANNEL_ROUTING is missing" in only_problem()[1]


# CHANNEL_WORKERS


@pytest.mark.parametrize("value", [{"CONNECT": "never"}, {"UNKNOWN": 1}, {"FRAME_SIZE": 0}, []])
def test_an_unusable_configuration(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = value
    number, message, hint = only_problem()
    assert number == "channels_workers.E008"
    assert message.startswith("CHANNEL_WORKERS")
    assert hint == "Correct CHANNEL_WORKERS."


# CHANNEL_SESSION_ENGINE


@pytest.mark.parametrize("name", ["db", "cache", "cached_db", "file"])
def test_a_session_engine_of_django_is_accepted(name: str, settings: Settings) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    assert problems() == []


@pytest.mark.parametrize(
    "engine", ["django.contrib.sessions.backends.signed_cookies", "no.such.engine", 5]
)
def test_an_unusable_session_engine(engine: Any, settings: Settings) -> None:
    settings.CHANNEL_SESSION_ENGINE = engine
    number, message, hint = only_problem()
    assert number == "channels_workers.E011"
    assert message.startswith("CHANNEL_SESSION_ENGINE cannot be used: ")
    assert "Remove it, and" in hint


# Deployment


def test_deploying_on_the_memory_layer() -> None:
    number, message, hint = only_problem(include_deployment_checks=True)
    assert number == "channels_workers.W001"
    assert message == "CHANNEL_LAYERS['default'] lives in one process. `runworker` cannot serve it."
    assert hint == f'Use "BACKEND": "{REDIS}"'


def test_deploying_on_redis(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS}}
    assert problems(include_deployment_checks=True) == []


# Servers, checked by `check --database`


def use_redis(settings: Settings, url: str) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": {"hosts": [url]}}}


def test_a_suitable_server(redis_server: RedisServer, settings: Settings) -> None:
    use_redis(settings, redis_server.url)
    assert problems(databases=["default"]) == []


def test_a_cluster(redis_cluster: RedisServer, settings: Settings) -> None:
    use_redis(settings, redis_cluster.url)
    number, message, hint = only_problem(databases=["default"])
    assert number == "channels_workers.E009"
    assert f"The Redis at {redis_cluster.url} is a cluster." in message
    assert "version 6.2 or later, or a Sentinel pair, but no cluster" in hint


def test_a_server_that_does_not_answer(settings: Settings) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    use_redis(settings, url)
    number, message, hint = only_problem(databases=["default"])
    assert number == "channels_workers.W002"
    assert f"Redis at {url} does not answer" in message
    assert "Sockets and workers wait for it" in hint


@pytest.mark.parametrize("path", ["99", "0?password=s3cret"])
def test_a_server_that_refuses_us(path: str, redis_server: RedisServer, settings: Settings) -> None:
    use_redis(settings, f"{redis_server.url.removesuffix('0')}{path}")
    number, message, hint = only_problem(databases=["default"])
    assert number == "channels_workers.E016"
    assert "refuses us" in message
    assert "s3cret" not in message + hint


def test_runworker_exits_with_one_line_when_it_is_refused(
    redis_server: RedisServer, settings: Settings
) -> None:
    use_redis(settings, redis_server.url.removesuffix("0") + "99")
    with pytest.raises(CommandError) as caught:
        call_command("runworker")
    assert str(caught.value).startswith("channels_workers.E016: The server of CHANNEL_LAYERS")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["runworker", "channelstatus", "deadletters"])
def test_an_unsupported_option_ends_a_command(command: str, settings: Settings) -> None:
    use_redis(settings, "redis://example.com/0?protocol=3")
    with pytest.raises(CommandError, match="'protocol', which is to be '2'"):
        call_command(command)


def test_servers_are_not_contacted_unless_requested(settings: Settings) -> None:
    use_redis(settings, f"redis://127.0.0.1:{free_port()}/0")
    assert "channels_workers.W002" not in [problem.id for problem in run_checks()]


# Another app's runserver


def app_with_runserver(folder: Path, name: str, body: str) -> str:
    """An app on the path with its own `runserver`."""
    commands = folder / name / "management" / "commands"
    commands.mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    (commands / "runserver.py").write_text(body)
    return name


@pytest.fixture
def other_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(str(tmp_path))
    body = "from django.core.management.commands.runserver import Command"
    return app_with_runserver(tmp_path, "brings_runserver", body)


def test_another_apps_runserver_before_ours(other_app: str, settings: Settings) -> None:
    settings.INSTALLED_APPS = [*DJANGOS, other_app, *RIGHT_ORDER]
    number, message, hint = only_problem()
    assert number == "channels_workers.E013"
    assert f"`runserver` would be that of the app {other_app}" in message
    assert hint == f"Put channels_workers before {other_app}."
    settings.INSTALLED_APPS = [*DJANGOS, *RIGHT_ORDER, other_app]
    assert problems() == []


def test_only_the_first_of_several_apps_is_named(other_app: str, settings: Settings) -> None:
    names = [other_app, "whitenoise.runserver_nostatic"]
    settings.INSTALLED_APPS = [*DJANGOS, *names, *RIGHT_ORDER]
    assert only_problem()[2] == f"Put channels_workers before {', '.join(names)}."


RUNSERVER_HELP = """
import sys
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=sys.argv[1:],
    ASGI_APPLICATION="tests.examples.conftest.application",
    CHANNEL_ROUTING=[],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}},
)
import django
django.setup()
from django.core.checks import run_checks
from django.core.management import get_commands, load_command_class
from channels_workers.management.commands.runserver import Command
command = load_command_class(get_commands()["runserver"], "runserver")
found = run_checks(tags=["channels_workers"])
print(isinstance(command, Command), sorted(check.id for check in found))
"""


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (["whitenoise.runserver_nostatic", "channels_workers", "daphne"], "True []"),
        (["whitenoise.runserver_nostatic", "channels_workers"], "True []"),
        (["channels_workers", "django.contrib.staticfiles"], "True []"),
        (["channels_workers", "daphne", "django.contrib.staticfiles"], "True []"),
        (["channels_workers", "django.contrib.staticfiles", "daphne"], "True []"),
        (["django.contrib.staticfiles", "channels_workers"], "False ['channels_workers.E005']"),
        (["channels_workers", "whitenoise.runserver_nostatic", "daphne"], "True []"),
        (
            ["whitenoise.runserver_nostatic", "daphne", "channels_workers"],
            "False ['channels_workers.E005', 'channels_workers.E013']",
        ),
    ],
)
def test_the_check_agrees_with_the_command_that_runs(order: list[str], said: str) -> None:
    """In a separate process: WhiteNoise searches for the next `runserver` only once."""
    command = [sys.executable, "-c", RUNSERVER_HELP, *order, *DJANGOS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.splitlines() if line.startswith(("True", "False"))]
    assert [line.replace("'channels_workers.E012', ", "") for line in found] == [said]
