"""Finds sends that go out at another time than in Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.strings import called_name

_AT_ONCE = (
    "it now goes out at once, not after the view and its transaction as in 1.1.8: "
    "use transaction.on_commit(lambda: ...) if a consumer reads rows written before it"
)
_BEFORE = {
    "add": "the new member no longer gets this, as it did in 1.1.8: put the add first if it should",
    "discard": "the leaving member now gets this, unlike in 1.1.8: put the discard first "
    "if it should not",
}
_OF_VIEWS = ("View", "ViewSet")


class _Call(NamedTuple):
    """A call ``target.name(...)``."""

    node: cst.Call
    target: cst.BaseExpression
    name: str


def find_sends(wrapper: MetadataWrapper) -> list[Finding]:
    """Return notes about sends in views and receivers, and about sends before a join or leave."""
    visitor = _Functions()
    wrapper.visit(visitor)
    return visitor.findings


class _Functions(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self.classes: list[cst.ClassDef] = []

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.classes.append(node)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self.classes.pop()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        body = _Body()
        node.body.visit(body)
        place = _place(node, self.classes[-1] if self.classes else None)
        for call in body.calls if place else ():
            if call.name == "send" and called_name(call.target) in {"Channel", "Group"}:
                self._note(call, f"`{called_name(call.target)}(...).send` in {place}", _AT_ONCE)
        for send, other in _before(body.calls):
            self._note(send, f"a send to a group before `.{other.name}`", _BEFORE[other.name])

    def _note(self, call: _Call, what: str, cure: str) -> None:
        line = self.get_metadata(PositionProvider, call.node).start.line
        self.findings.append(Finding(line, what, cure, is_note=True))


class _Body(cst.CSTVisitor):
    """Collects the calls of a function, without those of inner functions or after a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False

    def visit_Call(self, node: cst.Call) -> bool:
        if called_name(node) == "on_commit":
            return False
        if isinstance(node.func, cst.Attribute) and not _is_immediate(node):
            self.calls.append(_Call(node, node.func.value, node.func.attr.value))
        return True


def _is_immediate(call: cst.Call) -> bool:
    return any(item.keyword and item.keyword.value == "immediately" for item in call.args)


def _before(calls: list[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Yield each send to a group with the next join or leave of that group."""
    for index, send in enumerate(calls):
        if send.name != "send" or not _is_group(send.target):
            continue
        later = (call for call in calls[index + 1 :] if call.name in _BEFORE)
        found = next((call for call in later if call.target.deep_equals(send.target)), None)
        if found:
            yield send, found


def _is_group(node: cst.BaseExpression) -> bool:
    """Whether an expression looks like a group: ``Group(x)``, ``room.websocket_group``."""
    name = node.attr if isinstance(node, cst.Attribute) else node
    if isinstance(node, cst.Call):
        return called_name(node) == "Group"
    return isinstance(name, cst.Name) and "group" in name.value.lower()


def _place(function: cst.FunctionDef, owner: cst.ClassDef | None) -> str:
    """Return what kind of function *function* is; "" for a consumer, or if unknown."""
    names = [parameter.name.value for parameter in function.params.params]
    bases = [_name(base.value) for base in owner.bases] if owner else []
    decorators = [_name(item.decorator) for item in function.decorators]
    if names[:1] == ["sender"] or names[:2] == ["self", "sender"] or "receiver" in decorators:
        return "a receiver of a signal"
    if "request" in names[:2] or any(base.endswith(_OF_VIEWS) for base in bases):
        return "a view"
    if "Model" in bases and function.name.value in {"save", "delete"}:
        return f"`{function.name.value}` of a model"
    return ""


def _name(node: cst.BaseExpression) -> str:
    while isinstance(node, cst.Call):
        node = node.func
    last = node.attr if isinstance(node, cst.Attribute) else node
    return last.value if isinstance(last, cst.Name) else ""
