"""Tables in the pages agree with the code. If a test fails, update the page."""

import ast
import importlib
import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from pytest_django import Settings

from channels_workers.bearer.configuration import JwtSettings, TokenSettings
from channels_workers.checks.deployment import Budget, read_budget
from channels_workers.client.options import DEFAULTS as CLIENT_DEFAULTS
from channels_workers.conf import Configuration
from channels_workers.interface import close_codes
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.base import FORMAT_VERSION, WorkerLayer
from channels_workers.layers.channel_layer import ChannelLayer
from channels_workers.layers.kept import LayerKept
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.relays import LayerRelays
from channels_workers.logs import fields as log_fields
from channels_workers.tasks.options import Options
from channels_workers_upgrade.files import (
    PAGES,
    SCRIPTS,
    is_declaring,
    is_procfile,
    is_requirements,
)
from channels_workers_upgrade.names import SECTIONS
from channels_workers_upgrade.packages import FORM, LEAST
from channels_workers_upgrade.processes import OLD_OPTIONS
from chat.frames import Frame, parse
from labs.faults.cases.tasks import SEND_AGAIN
from labs.faults.registry import FAULTS, LONG
from labs.faults.table import COLUMNS
from labs.genuine.comparison.differences import DIFFERENCES
from labs.genuine.comparison.repertoire import applications
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from labs.harness.requirements import locked
from tests.channels_workers.test_imports import ROWS
from tests.docs.names import written_row
from tests.docs.pages import Page, code, first_codes, page

LUA = ROOT / "channels_workers" / "layers" / "redis" / "lua"
SETTINGS = ROOT / "chat_project" / "settings.py"


def defaults_in(rows: list[list[str]]) -> dict[str, Any]:
    """The first column's name and the second's value, a Python literal."""
    return {code(row[0])[0]: ast.literal_eval(code(row[1])[0]) for row in rows}


# reference/


def test_channel_workers() -> None:
    rows = page("reference/settings").tables("workers")
    written = defaults_in(rows)
    assert len(written) == len(rows)
    assert written == {field.name: field.default for field in fields(Configuration)}


def test_settings_of_tokens() -> None:
    for name, kind in (("tokens", TokenSettings), ("jwt", JwtSettings)):
        written = defaults_in(page("reference/settings").table(name))
        assert written == {field.name: field.default for field in fields(kind)}


def test_options_of_tasks() -> None:
    written = defaults_in(page("reference/settings").table("tasks"))
    assert written == {field.name: field.default for field in fields(Options)}


def test_options_of_the_python_client() -> None:
    written = defaults_in(page("reference/python/client").table("client-options"))
    assert written == CLIENT_DEFAULTS


def test_config_of_the_layers() -> None:
    taken: dict[str, Any] = {}
    for layer in (RedisChannelLayer, InMemoryChannelLayer, ChannelLayer):
        for name, parameter in inspect.signature(layer.__init__).parameters.items():
            if name not in ("self", "store") and parameter.kind is not parameter.VAR_KEYWORD:
                taken[name] = parameter.default
    assert defaults_in(page("reference/settings").table("config")) == taken


def test_documented_forms_of_hosts_are_accepted() -> None:
    text = page("reference/settings").text.partition("### Forms of hosts")[2]
    lines = text.partition("```python\n")[2].partition("```")[0].splitlines()
    assert len(lines) > 3
    for line in lines:
        RedisChannelLayer(hosts=ast.literal_eval(line))


def test_the_budget_has_existing_keys(settings: Settings) -> None:
    block = next(
        one for one in page("reference/settings").blocks if one.text.startswith("CHANNEL_BUDGET = ")
    )
    settings.CHANNEL_BUDGET = ast.literal_eval(block.text.partition(" = ")[2])
    assert set(settings.CHANNEL_BUDGET) == {field.name for field in fields(Budget)}
    assert read_budget() is not None


def test_close_codes() -> None:
    codes = {
        (str(value), name)
        for name, value in vars(close_codes).items()
        if name.isupper() and isinstance(value, int) and 3000 <= value <= 4999
    }
    assert {
        (row[0], code(row[1])[0]) for row in page("reference/close-codes").table("codes")
    } == codes


def test_system_checks() -> None:
    names = [
        "admin",
        "apps",
        "configuration",
        "consumers",
        "deployment",
        "envelope",
        "metrics",
        "once",
        "relay",
        "routes",
        "routing",
        "tokens",
    ]
    files = [ROOT / "channels_workers" / "checks" / f"{name}.py" for name in names]
    files.append(ROOT / "channels_workers" / "tasks" / "backend.py")
    source = "".join(file.read_text() for file in files)
    ids = re.findall(r'"(channels_workers\.[EWC]\d+)"', source)
    assert first_codes(page("reference/checks").table("checks")) == sorted(set(ids))


def test_versions() -> None:
    needed = {}
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name, operator, rest = re.match(r"([\w-]+)([<>=]+)(.*)", line).groups()  # type: ignore[union-attr]
        needed[name] = operator + rest
    pinned: dict[str, str] = {one.name: one.version for one in locked(ROOT / "requirements.in")}
    rows = {
        code(row[0])[0]: (code(row[1])[0], code(row[2])[0])
        for row in page("project/versions").table("versions")
    }
    assert rows == {name: (needed[name], pinned[name]) for name in needed}


@pytest.mark.parametrize(
    ("command", "heading"),
    [
        ("runworker", 0),
        ("runserver", 1),
        ("channelstatus", 2),
        ("shards", 3),
        ("tasks", 4),
        ("asyncapi", 5),
        ("startworkers", 6),
    ],
)
def test_options_exist(command: str, heading: int) -> None:
    app = "channels_workers.tasks" if command == "tasks" else "channels_workers"
    module = importlib.import_module(f"{app}.management.commands.{command}")
    parser = module.Command().create_parser("manage.py", command)
    text = page("reference/commands").text
    tables = re.findall(r"\| option \| meaning \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text)
    options = re.findall(r"`(--?[\w-]+)", tables[heading])
    assert options
    for option in options:
        assert option in parser.format_help()
    if command == "runworker":
        own = {"--threads", "--only-channels", "--exclude-channels", "--layer"}
        own |= {"--processes", "--reload", "--metrics-port"}
        assert own <= set(options)


# reference/redis.md, explanation/architecture.md and project/developing.md


def test_keys_in_redis() -> None:
    source = "".join(file.read_text() for file in LUA.rglob("*.lua"))
    names = {*re.findall(r'prefix \.\. "(\w+)', source), "shard_states"}  # no script has that
    rows = page("reference/redis").table("keys")
    assert {name.partition(":")[0] for name in first_codes(rows)} == names
    assert f"`chat:{FORMAT_VERSION}:`" in page("reference/redis").text


def test_scripts() -> None:
    rows = page("reference/redis").table("scripts")
    names = [name for row in rows for name in code(row[0])]
    assert sorted(names) == sorted(str(file.relative_to(LUA)) for file in LUA.rglob("*.lua"))


def test_order_of_modules() -> None:
    written = page("project/developing").marked("block", "modules").splitlines()
    assert written == [", ".join(name or "channels_workers" for name in row) for row in ROWS]


SIDES = (WorkerLayer, LayerAdmin, LayerKept, LayerRelays)


def test_methods_of_the_contract_exist() -> None:
    section = (
        page("explanation/architecture").text.partition("| face | for |")[2].partition("\n\n")[0]
    )
    for row in section.splitlines()[2:]:
        for name in code(row.split("|")[3]):
            assert any(callable(getattr(side, name, None)) for side in SIDES), name


# how-to/deploy-server.md, chat/running.md, reference/limits.md and reference/log-events.md


def test_environment_variables() -> None:
    source = SETTINGS.read_text()
    read = re.findall(r"environment\.\w+\(\s*\"([A-Z_]+)\"", source)
    procfile = re.findall(r"\$\{?([A-Z_]+)", " ".join(read_procfile().values()))
    written = first_codes([[row[0]] for row in page("chat/running").table("environment")])
    assert len(written) == len(set(written))
    assert set(written) == {*read, *procfile}


@pytest.mark.parametrize("call", re.findall(r"environment\.\w+\([^\n]+", SETTINGS.read_text()))
def test_defaults_of_environment_variables(call: str) -> None:
    found = re.match(r'environment\.\w+\("(\w+)", ("[\w/]+"|[\d.]+)[,)]', call)
    if found is None:
        return
    default = str(ast.literal_eval(found[2]))
    row = next(
        row for row in page("chat/running").table("environment") if row[0] == f"`{found[1]}`"
    )
    assert row[1] == default


def test_the_web_command_is_that_of_the_procfile() -> None:
    assert page("how-to/deploy-server").marked("command", "web").strip() == read_procfile()["web"]
    section = page("how-to/deploy-server").section("Daphne's options, and why")
    for option in re.findall(r" (--?[a-z][\w-]*)", read_procfile()["web"]):
        if option != "-p":
            assert f"* `{option}" in section


def test_limits_name_existing_settings() -> None:
    section = page("reference/limits").section("Limits")
    names = {field.name for field in (*fields(Configuration), *fields(TokenSettings))}
    written = {name for row in section.splitlines() for name in code(row) if name.isupper()}
    chat = {name for name in written if name.startswith("CHAT_")}
    others = {"CHANNEL_WORKERS", "CHANNEL_TOKENS", "CHANNEL_LAYERS", "CONFIG"}
    assert written - chat - others <= names
    for name in chat:
        assert name in SETTINGS.read_text()


def log_calls() -> list[ast.Call]:
    """Each log call of the engine and the chat."""
    files = [
        file for folder in ("channels_workers", "chat") for file in (ROOT / folder).rglob("*.py")
    ]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    methods = ("info", "warning", "error", "exception", "log")
    return [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in methods
        and ast.unparse(call.func.value).endswith("logger")
    ]


def test_each_log_line_has_its_fields() -> None:
    calls = log_calls()
    assert len(calls) > 40
    for call in calls:
        assert "extra" in {keyword.arg for keyword in call.keywords}, ast.unparse(call)


def test_fields_of_the_log() -> None:
    assert first_codes(page("reference/log-events").table("log-fields")) == [
        *inspect.signature(log_fields).parameters
    ]


def test_events_of_the_log() -> None:
    makers = r'\b\w*fields\(\s*"(\w+)"'
    files = [
        file for folder in ("channels_workers", "chat") for file in (ROOT / folder).rglob("*.py")
    ]
    used = {event for file in files for event in re.findall(makers, file.read_text())}
    written = first_codes(page("reference/log-events").tables("log-events"))
    assert len(written) == len(set(written))
    assert set(written) == used


# explanation/guarantees.md and project/fault-runs.md


def test_each_fault_demonstrates_a_promise() -> None:
    written = page("explanation/guarantees").text.partition("## What is not promised")[0]
    assert {fault.name for fault in FAULTS} <= set(code(written))


def test_the_table_of_a_fault_run() -> None:
    runs = page("project/fault-runs")
    kinds = ("once", "tasks", "history", "resume", "shards")
    names = ("faults", *(f"faults-{kind}" for kind in kinds))
    rows = [row for name in names for row in runs.table(name)]
    assert [code(row[0])[0] for row in rows] == [fault.name for fault in FAULTS]
    assert {row[-1] for row in rows} == {"ok"}


def test_the_fault_run_sends_tasks_again_as_documented() -> None:
    text = page("reference/tasks").text
    assert all(f"manage.py {' '.join(command)}\n" in text for command in SEND_AGAIN)


def test_the_columns_of_a_fault_run() -> None:
    names = [column.name for column in COLUMNS]
    assert f"<!-- table: faults -->\n| {' | '.join(names)} |\n" in page("project/fault-runs").text
    assert [row[0] for row in page("project/fault-runs").table("columns")] == names


def test_the_descriptions_of_faults() -> None:
    rows = [[f"`{fault.name}`", fault.description] for fault in (*FAULTS, *LONG)]
    assert page("project/fault-runs").table("descriptions") == rows


# chat/socket.md


def test_error_codes_of_the_chat() -> None:
    source = "".join(file.read_text() for file in ROOT.glob("chat/*.py"))
    used = set(re.findall(r'(?:FrameError|_refuse)\(\s*"(\w+)"', source))
    assert set(first_codes(page("chat/socket").table("errors"))) == used


def test_frames_that_the_chat_accepts() -> None:
    taken = [parse(text) for text in first_codes(page("chat/socket").table("frames"))]
    assert {type(frame) for frame in taken} == set(get_args(Frame))


# project/developing.md


def test_every_folder_has_a_row() -> None:
    written = first_codes(page("project/developing").table("layout"))
    for name in written:
        assert (ROOT / name).exists(), name
    folders = {
        f"{folder.relative_to(ROOT)}/"
        for pattern in ("*", "channels_workers/*", "channels_workers/layers/*", "labs/*")
        for folder in ROOT.glob(pattern)
        if (folder / "__init__.py").exists()
    }
    assert folders <= set(written)


def test_every_test_folder_has_a_row() -> None:
    section = page("project/developing").section("The tests")
    for folder in Path(ROOT / "tests").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`tests/{folder.name}/`" in section


# how-to/from-channels-1.md and the pages of reference/ beside it


@pytest.mark.parametrize("section", SECTIONS)
def test_the_new_place_of_each_name_of_1_x(section: str) -> None:
    rows = [written_row(row) for row in SECTIONS[section]]
    assert page("reference/channels-1-names").table(section) == rows
    assert f"\n## {section}\n" in page("reference/channels-1-names").text


def test_removed_options_of_daphne() -> None:
    section = page("how-to/from-channels-1").section("6. Change the processes")
    gone = next(line for line in section.splitlines() if line.startswith("* Daphne's `--"))
    assert code(gone) == list(OLD_OPTIONS)


def test_files_that_the_command_reads() -> None:
    packages, procfiles, scripts, pages = (
        code(row[0]) for row in page("reference/upgrade-command").table("files")
    )
    named = [Path(name.replace("*", "-dev")) for name in packages]
    assert all(is_requirements(path) or is_declaring(path) for path in named)
    assert all(is_procfile(Path(name.replace("*", "dev"))) for name in procfiles)
    assert scripts == list(SCRIPTS)
    assert pages == list(PAGES)


def test_pins_that_the_command_reports() -> None:
    section = page("reference/upgrade-command").section("What it only reports")
    written = dict(re.findall(r"`([\w-]+)`\s+below\s+(\d+(?:\.\d+)*)", section))
    least = {name: ".".join(map(str, version)) for name, version in LEAST.items()}
    assert {name.lower() for name in written} == {*least} - {"channels", "daphne", "django"}
    assert all(least[name.lower()] == version for name, version in written.items())
    assert FORM in page("how-to/from-channels-1").section("5. Change the requirements")


def test_compared_applications() -> None:
    rows = [[f"`{one.name}`", one.shows] for one in applications()]
    assert Page(ROOT / "labs" / "genuine" / "README.md").table("applications") == rows
    assert all(shows for _, shows in rows)


def test_deliberate_differences() -> None:
    rows = [[f"`{one.name}`", one.genuine, one.ours, one.reason] for one in DIFFERENCES]
    assert page("reference/channels-1-differences").table("differences") == rows


def test_the_readme_of_the_comparison_has_the_correct_count() -> None:
    found = list(applications())
    text = " ".join((ROOT / "labs" / "genuine" / "README.md").read_text().split())
    packages = {one.package for one in found}
    assert f"{len(found)} applications in {len(packages)} folders" in text
    for folder in (ROOT / "labs" / "genuine" / "applications").glob("*/__init__.py"):
        assert f"| `{folder.parent.name}/` |" in text
    for one in found:
        assert f"`{one.name}`" in text
