"""Imports inside the engine run downward, at the top of a file, from where a name is defined."""

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

#: From the top: a module imports from its own row and from those below, never from above.
ROWS = [
    [""],  # the package itself, the door for projects
    ["apps", "checks", "management"],
    ["asgi", "interface.application", "places", "test"],
    ["worker"],
    ["worker.group"],
    ["worker.heartbeat", "worker.relief", "worker.thread"],
    ["worker.batch"],
    ["worker.in_flight"],
    ["worker.retry_queue"],
    ["worker.commit", "worker.dispatch", "worker.reaper"],
    ["worker.retries"],
    ["worker.event_loop", "worker.identity", "worker.isolation", "worker.log_fields"],
    ["generic", "interface", "security"],
    ["auth"],
    ["sessions"],
    ["decorators", "routing", "session_stores"],
    ["message"],
    ["channel"],
    ["outbox", "registry"],
    ["layers.memory", "layers.redis"],
    ["layers", "layers.base"],
    ["layers.channel_layer", "layers.admin"],
    ["layers.server", "layers.status"],
    ["layers.aside", "layers.mailboxes"],
    ["layers.codec", "layers.liveness", "layers.types"],
    ["transient"],
    ["backoff", "concurrency", "conf", "exceptions", "log_limits", "signals"],
    ["interface.types", "logs"],
    ["upgrade"],  # stands alone: it hands over to another distribution
]

#: A system check is registered when the apps are ready, as Django wants it.
INSIDE_FUNCTIONS = {("apps", f"checks.{name}") for name in ("apps", "configuration", "deployment")}


class Import(NamedTuple):
    """`from module import name`; both without the name of the package."""

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
    """Each module's syntax; imports for type checkers alone count as any other."""
    return {module_name(path): parsed(path.read_text()) for path in ROOT.rglob("*.py")}


def parsed(text: str) -> ast.Module:
    tree = ast.parse(text)
    tree.body = [inner for node in tree.body for inner in without_type_checking(node)]
    return tree


def without_type_checking(node: ast.stmt) -> list[ast.stmt]:
    """What stands under `if TYPE_CHECKING:`, and under its `else:`; any other node as it is."""
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
    """The number of the row, from the top, that names the module or a package it is in."""
    names = [(name, number) for number, row in enumerate(ROWS) for name in row]
    fitting = [
        (len(name), number)
        for name, number in names
        if module == name or (name and module.startswith(f"{name}."))
    ]
    assert fitting, f"{module} stands in no row of the order of modules"
    return max(fitting)[1]


def defined_in(module: str) -> set[str]:
    """The names that *module* defines, or takes from another package to give them on."""
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


def test_the_walk_finds_the_modules_and_their_imports() -> None:
    assert {"", "apps", "layers.redis.session", "management.commands.runworker"} <= set(trees())
    assert Import("channel", "outbox", "carry_out", True) in all_imports()
    assert Import("layers.redis.session", "layers.redis.requests", "", True) in all_imports()
    assert Import("apps", "checks.apps", "", False) in all_imports()


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_imports_for_type_checkers_are_found(condition: str) -> None:
    tree = parsed(f"if {condition}:\n    from {PACKAGE}.worker.group import WorkerGroup\n")
    [found] = tree.body
    assert isinstance(found, ast.ImportFrom)


@pytest.mark.parametrize("module", sorted(trees()))
def test_a_module_has_a_place_in_the_order(module: str) -> None:
    row_of(module)


def test_what_the_order_names_is_there() -> None:
    assert {name for row in ROWS for name in row} <= set(trees())


def test_imports_run_downward() -> None:
    upward = (item for item in all_imports() if row_of(item.importer) > row_of(item.module))
    assert wrong(upward) == []


def test_imports_form_no_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in trees()}
    for found in all_imports():
        graph[found.importer].add(found.module)
    assert set(TopologicalSorter(graph).static_order()) == set(trees())


def test_imports_stand_at_the_top_of_the_file() -> None:
    inside = (item for item in all_imports() if not item.is_at_top)
    assert wrong(item for item in inside if item[:2] not in INSIDE_FUNCTIONS) == []


def test_a_name_is_imported_from_the_module_that_defines_it() -> None:
    named = (item for item in all_imports() if item.name)
    assert wrong(item for item in named if item.name not in defined_in(item.module)) == []


def test_nobody_inside_comes_through_the_door() -> None:
    assert wrong(item for item in all_imports() if item.module == "") == []
