"""Finds sends that go out at another time than in Channels 1.1.8, and connects without answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.strings import called_name, text_of
from channels_workers_upgrade.tree import Tree, children

_AT_ONCE = (
    "it now goes out at once, not after the view and its transaction as in 1.1.8: "
    "use transaction.on_commit(lambda: ...) if a consumer reads rows written before it"
)
_ANSWER = (
    'if it is a consumer of websocket.connect, send {"accept": True} to the reply channel, or set '
    'CHANNEL_WORKERS = {"CONNECT": "accept"}; otherwise the handshake is refused after a time-out'
)
_CONNECT = re.compile(r"(^|_)(connect|connected|on_connect)($|_)|(^|_)ws_add$")
_OF_VIEWS = ("View", "ViewSet")


class _Call(NamedTuple):
    """A call ``target.name(...)``."""

    node: cst.Call
    target: cst.BaseExpression
    name: str


def find_sends(tree: Tree) -> Iterator[Remark]:
    """Yield notes about sends in views and receivers of signals."""
    for function in tree.all(cst.FunctionDef):
        place = _place(function, _class_around(function, tree))
        for call in _calls(function.body) if place else ():
            if call.name == "send" and called_name(call.target) in {"Channel", "Group"}:
                what = f"`{called_name(call.target)}(...).send` in {place}"
                yield Remark(call.node, what, _AT_ONCE, is_note=True)


def find_connects(tree: Tree) -> Iterator[Remark]:
    """Yield a note for each function named as a connect consumer that never answers."""
    for function in tree.all(cst.FunctionDef):
        name = function.name.value
        names = _parameters(function)
        is_connect = _CONNECT.search(name) and "message" in names[:2] and "multiplexer" not in names
        if is_connect and not any(map(_may_answer, _inside(function.body))):
            yield Remark(function.name, f"`{name}` does not answer", _ANSWER, is_note=True)


def _may_answer(node: cst.CSTNode) -> bool:
    """Whether a node accepts or refuses a socket, or leaves that to another function."""
    match node:
        case cst.Raise() | cst.Attribute(attr=cst.Name("accept" | "close")):
            return True
        case cst.Attribute(attr=cst.Name("send"), value=target):
            return _name(target) in {"self", "reply_channel"}
        case cst.Arg(value=cst.Name("message")):
            return True
    return text_of(node) in {"accept", "close"}


def _parameters(function: cst.FunctionDef) -> list[str]:
    return [parameter.name.value for parameter in function.params.params]


def _inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in children(node):
        yield from _inside(child)


def _class_around(function: cst.FunctionDef, tree: Tree) -> cst.ClassDef | None:
    around = tree.ancestors(function)
    return next((node for node in around if isinstance(node, cst.ClassDef)), None)


def _calls(node: cst.CSTNode) -> Iterator[_Call]:
    """Yield the calls of a function, without those of inner functions or after a commit."""
    if isinstance(node, cst.FunctionDef):
        return
    if isinstance(node, cst.Call):
        if called_name(node) == "on_commit":
            return
        if isinstance(node.func, cst.Attribute) and not _is_immediate(node):
            yield _Call(node, node.func.value, node.func.attr.value)
    for child in children(node):
        yield from _calls(child)


def _is_immediate(call: cst.Call) -> bool:
    return any(item.keyword and item.keyword.value == "immediately" for item in call.args)


def _place(function: cst.FunctionDef, owner: cst.ClassDef | None) -> str:
    """Return what kind of function *function* is; "" for a consumer, or if unknown."""
    names = _parameters(function)
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
