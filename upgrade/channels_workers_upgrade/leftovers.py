"""Finds what is left of Channels 1.1.8 in a Python file: names that the engine lacks."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from channels_workers_upgrade.apps import DAPHNE
from channels_workers_upgrade.bindings import bindings, source_module
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.lookup import find_beginning, is_old_module, new_module
from channels_workers_upgrade.patterns import Patterns
from channels_workers_upgrade.renames import NEW, OLD, Rename
from channels_workers_upgrade.sends import find_sends
from channels_workers_upgrade.strings import DOTTED, channels_of, text_of

_MODULE_GONE = 'the engine has nothing of this module; see the names in "Come from Channels 1.x"'
_MAYBE_APP = f'if this is a list of apps, write "{NEW}", "{DAPHNE}"; otherwise leave it'

#: Modules of other packages of 2017, which cannot be installed beside the engine.
_LAYERS_OF_THEN = (
    "asgi_redis",
    "asgi_ipc",
    "asgi_rabbitmq",
    "asgiref.base_layer",
    "asgiref.conformance",
    "asgiref.inmemory",
)
_LAYERS_HERE = "use the layers in channels_workers.layers.redis and channels_workers.layers.memory"


class Leftovers(cst.CSTVisitor):
    """Collects a finding for each import and use that could not be rewritten."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self.channel_names: set[cst.CSTNode] = set()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        """Check each imported name."""
        module = source_module(node)
        if isinstance(node.names, cst.ImportStar):
            self._add_module(node, module)
        else:
            for alias in node.names:
                path = f"{module}.{alias.evaluated_name}"
                self._add_name(alias, path)
                self._add_module(alias, path)
        return False

    def visit_Import(self, node: cst.Import) -> bool:
        """Check each imported module."""
        for alias in node.names:
            self._add_module(alias, alias.evaluated_name)
        return False

    def visit_Call(self, node: cst.Call) -> None:
        """Remember the strings that name channels."""
        self.channel_names.update(channels_of(node))

    def visit_Expr(self, node: cst.Expr) -> bool:
        """Skip docstrings."""
        return not isinstance(node.value, cst.BaseString)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Check dotted paths."""
        self._add_text(node, text_of(node))

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> bool:
        """Check dotted paths in adjacent strings."""
        text = node.evaluated_value
        self._add_text(node, text if isinstance(text, str) else "")
        return text is None

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        """Check dotted paths in f-strings without fields."""
        texts = [part.value for part in node.parts if isinstance(part, cst.FormattedStringText)]
        if len(texts) == len(node.parts):
            self._add_text(node, "".join(texts))

    def visit_List(self, node: cst.List) -> None:
        """Check what may be a list of apps."""
        self._add_apps(node)

    def visit_Tuple(self, node: cst.Tuple) -> None:
        """Check what may be a list of apps."""
        self._add_apps(node)

    def _add_apps(self, node: cst.List | cst.Tuple) -> None:
        texts = [text_of(element.value) for element in node.elements]
        for element, text in zip(node.elements, texts, strict=True):
            if text == OLD and NEW not in texts and element.value not in self.channel_names:
                self.report(element, f'"{OLD}" in a list', _MAYBE_APP)

    def _add_text(self, node: cst.BaseString, text: str) -> None:
        """Add a finding for a dotted path that still names something of 1.1.8."""
        if not DOTTED.fullmatch(text) or node in self.channel_names:
            return
        self._add_name(node, text)
        self._add_module(node, text)
        found = find_beginning(text)
        if found and found.rename.is_same:
            self.report(node, f'"{text}"', f'write "{_joined(found.rename.target, found.rest)}"')
        elif not found and (here := new_module(text)):
            self.report(node, f'"{text}"', f'write "{here}"')

    def _add_module(self, node: cst.CSTNode, module: str) -> None:
        if is_old_module(module) and not new_module(module) and module != "channels.utils":
            self.report(node, f"`{module}`", _MODULE_GONE)
        if f"{module}.".startswith(tuple(f"{name}." for name in _LAYERS_OF_THEN)):
            self.report(node, f"`{module}`", _LAYERS_HERE)

    def _add_name(self, node: cst.CSTNode, path: str) -> None:
        found = find_beginning(path)
        if found and not found.rename.is_same:
            self.report(node, f"`{found.name}`", reason(found.rename))

    def report(self, node: cst.CSTNode, what: str, cure: str) -> None:
        """Add a finding at the line of *node*."""
        line = self.get_metadata(PositionProvider, node).start.line
        self.findings.append(Finding(line, what, cure))


def _joined(name: str, rest: str) -> str:
    return f"{name}.{rest}" if rest else name


def reason(rename: Rename) -> str:
    """Return the report's text for a name of 1.1.8 that could not be rewritten."""
    return f"{rename.status.value}: {rename.remark}"


def find_leftovers(module: cst.Module) -> list[Finding]:
    """Return all findings and notes about 1.1.8 in *module*."""
    wrapper = MetadataWrapper(module)
    visitor, patterns = Leftovers(), Patterns()
    wrapper.visit(visitor)
    wrapper.visit(patterns)
    positions = wrapper.resolve(PositionProvider)
    for binding in bindings(wrapper):
        for use in binding.uses:
            found = find_beginning(use.path)
            if found:
                line = positions[use.node].start.line
                visitor.findings.append(Finding(line, f"`{found.name}`", _of_use(found.rename)))
    return sorted({*visitor.findings, *patterns.findings, *find_sends(wrapper)})


def _of_use(rename: Rename) -> str:
    """Return the report's text for a use that was left as it is."""
    if rename.is_same:
        return f"write {rename.target}: it was left alone, since the module is also used as a value"
    return reason(rename)
