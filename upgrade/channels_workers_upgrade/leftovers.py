"""Finds what is left of Channels 1.1.8 in a Python file: names that the engine lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from channels_workers_upgrade.beside import PACKAGES
from channels_workers_upgrade.bindings import bindings, has_star, source_module
from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.lookup import find_beginning, is_known, is_old_module, new_module
from channels_workers_upgrade.paths import find_decoded_paths
from channels_workers_upgrade.patterns import find_again, find_patterns
from channels_workers_upgrade.renames import NEW, OLD, Rename
from channels_workers_upgrade.sends import find_connects, find_sends
from channels_workers_upgrade.strings import (
    DOTTED,
    called,
    called_name,
    channel_names,
    is_docstring,
    text_of,
)
from channels_workers_upgrade.tree import Placed, Tree, last_name

_MODULE_GONE = 'the engine has nothing of this module; see the names in "Come from Channels 1.x"'
_UNKNOWN = "not a name of {}: import it from where it is defined, or remove it"
_MAYBE_APP = f'if this is a list of apps, write "{NEW}"; otherwise leave it'

_PATH = re.compile(r"\w+(\.\w+)+")

#: Modules of other packages of 2017, which cannot be installed beside the engine.
_LAYERS_OF_THEN = (
    "asgi_redis",
    "asgi_ipc",
    "asgi_rabbitmq",
    "asgi_amqp",
    "asgiref.base_layer",
    "asgiref.conformance",
    "asgiref.inmemory",
)
_LAYERS_HERE = "use the layers in channels_workers.layers.redis and channels_workers.layers.memory"


def find_leftovers(tree: Tree) -> Iterator[Remark]:
    """Yield all findings and notes about 1.1.8 in a file."""
    yield from _in_imports(tree)
    yield from _in_uses(tree)
    yield from _in_strings(tree)
    yield from find_patterns(tree)
    yield from find_decoded_paths(tree)
    yield from find_again(tree)
    yield from find_sends(tree)
    yield from find_connects(tree)


def _in_imports(tree: Tree) -> Iterator[Remark]:
    for node in tree.all(ast.Import):
        for alias in node.names:
            yield from _of_module(alias, alias.name)
            yield from _of_nothing(alias, alias.name)
    for imported in tree.all(ast.ImportFrom):
        module = source_module(imported)
        if has_star(imported):
            yield from _of_module(imported, module)
            yield from _of_nothing(imported, module)
            continue
        for alias in imported.names:
            path = f"{module}.{alias.name}"
            yield from _of_name(alias, path)
            yield from _of_module(alias, path)
            yield from _of_nothing(alias, path)


def _in_uses(tree: Tree) -> Iterator[Remark]:
    for binding in bindings(tree):
        for use in binding.uses:
            if found := find_beginning(use.path):
                yield Remark(use.node, f"`{found.name}`", _of_use(found.rename))


def _in_strings(tree: Tree) -> Iterator[Remark]:
    """Yield findings for dotted paths, and for what may be a list of apps."""
    channels = channel_names(tree)
    patched = {node for call in tree.all(ast.Call) for node in _patched(call)}
    for node, text in _texts(tree):
        if DOTTED.fullmatch(text) and node not in channels:
            yield from _of_text(node, text)
        if node in patched and _PATH.fullmatch(text):
            yield from _of_nothing(node, text)
            if _is_of_then(text):
                yield Remark(node, f"`{text}`", _LAYERS_HERE)
    lists: list[ast.List | ast.Tuple] = [*tree.all(ast.List), *tree.all(ast.Tuple)]
    for items in lists:
        if called(items, tree.parents) != "join" and not _is_of_setup(items, tree):
            yield from _of_apps(items, channels)


def _patched(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the targets of ``mock.patch(...)``, ``patch.multiple(...)`` or pytest's ``setattr``."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if {called_name(call), last_name(owner)} & {"patch", "setattr"}:
        yield from call.args[:1]
        yield from (item.value for item in call.keywords if item.arg == "target")


def _texts(tree: Tree) -> Iterator[tuple[ast.expr, str]]:
    """Yield each string with its text; docstrings do not count, and f-strings without fields do."""
    for node in tree.all(ast.Constant):
        if not is_docstring(node, tree):
            yield node, text_of(node)
    for formatted in tree.all(ast.JoinedStr):
        texts = [text_of(part) for part in formatted.values]
        if all(texts):
            yield formatted, "".join(texts)


def _is_of_setup(items: ast.expr, tree: Tree) -> bool:
    """Whether it is an argument in setup.py, where the package is required."""
    return any(called_name(outer) == "setup" for outer in tree.ancestors(items))


def _of_apps(items: ast.List | ast.Tuple, channels: set[ast.AST]) -> Iterator[Remark]:
    texts = [text_of(element) for element in items.elts]
    for element, text in zip(items.elts, texts, strict=True):
        if text == OLD and NEW not in texts and element not in channels:
            yield Remark(element, f'"{OLD}" in a list', _MAYBE_APP)


def _of_text(node: ast.expr, text: str) -> Iterator[Remark]:
    """Yield a finding for a dotted path that still names something of 1.1.8."""
    yield from _of_name(node, text)
    yield from _of_module(node, text)
    found = find_beginning(text)
    if found and found.rename.is_same:
        yield Remark(node, f'"{text}"', f'write "{_joined(found.rename.target, found.rest)}"')
    elif not found and (here := new_module(text)):
        yield Remark(node, f'"{text}"', f'write "{here}"')


def _of_module(node: Placed, module: str) -> Iterator[Remark]:
    if is_old_module(module) and not new_module(module) and module != "channels.utils":
        yield Remark(node, f"`{module}`", _MODULE_GONE)
    if _is_of_then(module):
        yield Remark(node, f"`{module}`", _LAYERS_HERE)


def _is_of_then(path: str) -> bool:
    return f"{path}.".startswith(tuple(f"{name}." for name in _LAYERS_OF_THEN))


def _of_nothing(node: Placed, path: str) -> Iterator[Remark]:
    if not is_known(path) and not _is_of_then(path):
        package = PACKAGES[path.partition(".")[0]]
        yield Remark(node, f"`{path}`", _UNKNOWN.format(package))


def _of_name(node: Placed, path: str) -> Iterator[Remark]:
    found = find_beginning(path)
    if found and not found.rename.is_same:
        yield Remark(node, f"`{found.name}`", reason(found.rename))


def _joined(name: str, rest: str) -> str:
    return f"{name}.{rest}" if rest else name


def reason(rename: Rename) -> str:
    """Return the report's text for a name of 1.1.8 that could not be rewritten."""
    return f"{rename.status.value}: {rename.remark}"


def _of_use(rename: Rename) -> str:
    """Return the report's text for a use that was left as it is."""
    if rename.is_same:
        return f"write {rename.target}: it was left alone, since the module is also used as a value"
    return reason(rename)
