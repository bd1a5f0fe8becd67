"""Imports inside the engine go downward, at the top of a file, from the defining module."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import channels_workers

PACKAGE = channels_workers.__name__
ROOT = Path(channels_workers.__file__).parent

#: From the top: a module imports from its own row and those below it.
ROWS = [
    [""],  # the package itself, which projects import
    ["admin", "apps", "asyncapi", "checks", "management"],
    ["tasks"],
    ["asgi", "interface.application", "places", "test"],
    ["worker"],
    ["worker.group"],
    ["worker.lane", "worker.watch"],
    ["worker.seated"],
    ["worker.heartbeat", "worker.relief", "worker.thread"],
    ["worker.batch"],
    ["worker.in_flight"],
    ["worker.retry_queue"],
    ["worker.runs"],
    ["worker.commit", "worker.delays", "worker.dispatch", "worker.pulling", "worker.reaper"],
    ["envelope"],
    ["worker.retries"],
    [
        *("worker.event_loop", "worker.hints", "worker.identity", "worker.isolation"),
        *("worker.log_fields", "worker.pace", "worker.seats"),
    ],
    ["binding"],
    ["generic", "interface", "jwt", "schemas", "security", "tokens"],
    ["exporter"],
    ["metrics"],
    ["auth", "once"],
    ["sessions"],
    ["decorators", "routing", "session_stores"],
    ["staticfiles"],
    ["handler"],
    ["http"],
    ["tracing"],
    ["middleware"],
    ["message"],
    ["channel", "delay"],
    ["relay"],
    ["bad_replies", "outbox", "registry", "unheard"],
    ["effects"],
    ["layers.memory", "layers.redis"],
    ["layers.shards", "layers.shards.interface", "layers.shards.layer"],
    [
        "layers.shards.admin",
        "layers.shards.clock",
        "layers.shards.home",
        "layers.shards.kept",
        "layers.shards.relays",
        "layers.shards.report",
    ],
    ["layers", "layers.base"],
    [
        *("layers.channel_layer", "layers.admin", "layers.relays", "layers.shards.puller"),
        "layers.shards.states",
    ],
    ["layers.server", "layers.shards.base", "layers.status"],
    [
        *(
            "layers.shards.asking",
            "layers.aside",
            "layers.clock",
            "layers.kept",
            "layers.mailboxes",
            "layers.positions",
        ),
        "layers.shards.heard",
    ],
    ["tracing.hooks"],
    [
        *("layers.codec", "layers.history", "layers.liveness", "layers.shards.names"),
        *("layers.shards.types", "layers.types"),
    ],
    ["interface.script_name", "transient"],
    ["client"],
    [
        *(
            "backoff",
            "bearer",
            "concurrency",
            "conf",
            "conf_values",
            "exceptions",
            "flow",
            "log_limits",
        ),
        *("logs.filters", "processes", "signals"),
    ],
    ["recorder"],
    ["metrics.instruments"],
    ["metrics.interface", "metrics.layer", "metrics.tasks", "metrics.worker"],
    ["metrics.computed", "metrics.labels"],
    [
        *("context", "databases", "declarations", "django_parts", "interface.close_codes"),
        *("interface.resume.wire", "interface.types", "jitter", "logs", "migrations", "models"),
        "tables",
    ],
    ["scaffold", "upgrade"],  # independent: delegates to another distribution
]

#: Django registers system checks when the apps are ready.
INSIDE_FUNCTIONS = {
    ("apps", f"checks.{name}")
    for name in (
        *(
            "admin",
            "apps",
            "configuration",
            "consumers",
            "deployment",
            "envelope",
            "metrics",
            "once",
        ),
        *("relay", "routes", "routing", "tokens"),
    )
}
INSIDE_FUNCTIONS.add(("apps", "admin.sites"))
#: Models are loaded after the packages of apps.
INSIDE_FUNCTIONS |= {
    ("tasks.apps", "tasks.dropped"),
    ("tasks.apps", "tasks.keeper"),
    ("tasks.apps", "tasks.run"),
    ("tasks.backend", "tasks.rows"),
    ("tasks.backend", "tasks.transactions"),
}
#: The package of an extra may be missing, and the error names the extra.
INSIDE_FUNCTIONS |= {("client", "client.client"), ("jwt", "jwt.validator")}
INSIDE_FUNCTIONS |= {
    ("checks.envelope", "schemas.json_schema"),
    ("envelope.streams", "schemas.errors"),
    ("envelope.streams", "schemas.reading"),
    ("envelope.strict_json", "schemas.writing"),
}
INSIDE_FUNCTIONS.add(("management.commands.asyncapi", "asyncapi.output"))
INSIDE_FUNCTIONS |= {("exporter", f"metrics.{name}") for name in ("beginning", "server", "stored")}


class Import(NamedTuple):
    """`from module import name`, both without the package name."""

    importer: str
    module: str
    name: str
    is_at_top: bool

    def __str__(self) -> str:
        return f"{self.importer or PACKAGE} imports {self.name or 'all'} from {self.module or '.'}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of each module. Type-checking imports count like any other."""
    return {module_name(path): parsed(path.read_text()) for path in ROOT.rglob("*.py")}


def parsed(text: str) -> ast.Module:
    tree = ast.parse(text)
    tree.body = [inner for node in tree.body for inner in without_type_checking(node)]
    return tree


def without_type_checking(node: ast.stmt) -> list[ast.stmt]:
    """The statements under `if TYPE_CHECKING:` and its `else:`. Other nodes are unchanged."""
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return [*node.body, *node.orelse]
    return [node]


def is_inside(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def imports_of(importer: str) -> Iterator[Import]:
    tree = trees()[importer]
    for node in ast.walk(tree):
        at_top = node in tree.body
        if isinstance(node, ast.Import):
            for alias in filter(lambda alias: is_inside(alias.name), node.names):
                yield Import(importer, alias.name[len(PACKAGE) + 1 :], "", at_top)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer} imports relatively, line {node.lineno}"
            if is_inside(node.module or ""):
                yield from imported_names(importer, node, at_top)


def imported_names(importer: str, node: ast.ImportFrom, at_top: bool) -> Iterator[Import]:
    module = (node.module or "")[len(PACKAGE) + 1 :]
    for alias in node.names:
        submodule = f"{module}.{alias.name}".lstrip(".")
        if submodule in trees():
            yield Import(importer, submodule, "", at_top)
        else:
            yield Import(importer, module, alias.name, at_top)


@cache
def all_imports() -> list[Import]:
    return [found for importer in sorted(trees()) for found in imports_of(importer)]


def row_of(module: str) -> int:
    """The index of the row, from the top, that contains the module or its package."""
    names = [(name, number) for number, row in enumerate(ROWS) for name in row]
    fitting = [
        (len(name), number)
        for name, number in names
        if module == name or (name and module.startswith(f"{name}."))
    ]
    assert fitting, f"{module} stands in no row of the order of modules"
    return max(fitting)[1]


def defined_in(module: str) -> set[str]:
    """The names that *module* defines, or re-exports from other packages."""
    names: set[str] = set()
    for node in trees()[module].body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names |= {
                    part.id
                    for target in node.targets
                    for part in ast.walk(target)
                    if isinstance(part, ast.Name)
                }
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ImportFrom(module=str(source)) if not is_inside(source):
                names |= {alias.asname or alias.name for alias in node.names}
    return names


def wrong(imports: Iterable[Import]) -> list[str]:
    return [str(found) for found in imports]


def test_the_walk_finds_modules_and_imports() -> None:
    assert {"", "apps", "layers.redis.session", "management.commands.runworker"} <= set(trees())
    assert Import("channel", "outbox", "carry_out", True) in all_imports()
    assert Import("layers.redis.session", "layers.redis.requests", "", True) in all_imports()
    assert Import("apps", "checks.apps", "", False) in all_imports()


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_type_checking_imports_are_found(condition: str) -> None:
    tree = parsed(f"if {condition}:\n    from {PACKAGE}.worker.group import WorkerGroup\n")
    [found] = tree.body
    assert isinstance(found, ast.ImportFrom)


@pytest.mark.parametrize("module", sorted(trees()))
def test_every_module_is_in_the_order(module: str) -> None:
    row_of(module)


def test_every_entry_of_the_order_exists() -> None:
    assert {name for row in ROWS for name in row} <= set(trees())


def test_imports_go_downward() -> None:
    upward = (item for item in all_imports() if row_of(item.importer) > row_of(item.module))
    assert wrong(upward) == []


def test_there_are_no_circular_imports() -> None:
    graph: dict[str, set[str]] = {module: set() for module in trees()}
    for found in all_imports():
        graph[found.importer].add(found.module)
    assert set(TopologicalSorter(graph).static_order()) == set(trees())


def test_imports_are_at_the_top_of_the_file() -> None:
    inside = (item for item in all_imports() if not item.is_at_top)
    assert wrong(item for item in inside if item[:2] not in INSIDE_FUNCTIONS) == []


def test_names_are_imported_from_the_defining_module() -> None:
    named = (item for item in all_imports() if item.name)
    assert wrong(item for item in named if item.name not in defined_in(item.module)) == []


def test_no_module_imports_from_the_package_root() -> None:
    assert wrong(item for item in all_imports() if item.module == "") == []
