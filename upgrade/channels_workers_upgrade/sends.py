"""Finds sends that go out at another time than in Channels 1.1.8, and connects without answer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.strings import called_name, text_of
from channels_workers_upgrade.tree import Tree, children, last_name

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_AT_ONCE = (
    "it now goes out at once, not after the view and its transaction as in 1.1.8: "
    "use transaction.on_commit(lambda: ..., robust=True) if a consumer reads rows written before it"
)
_ANSWER = (
    'if it is a consumer of websocket.connect, send {"accept": True} to the reply channel, or set '
    'CHANNEL_WORKERS = {"CONNECT": "accept"}; otherwise the handshake is refused after a time-out'
)
_CONNECT = re.compile(r"(^|_)(connect|connected|on_connect)($|_)|(^|_)ws_add$")
_FUNCTIONS: tuple[type[_Function], ...] = (ast.FunctionDef, ast.AsyncFunctionDef)
_OF_VIEWS = ("View", "ViewSet")


class _Call(NamedTuple):
    """A call ``target.name(...)``."""

    node: ast.Call
    target: ast.expr
    name: str


def find_sends(tree: Tree) -> Iterator[Remark]:
    """Yield notes about sends in views and receivers of signals."""
    for function in tree.all(*_FUNCTIONS):
        place = _place(function, _class_around(function, tree))
        for call in _calls_in(function) if place else ():
            if call.name == "send" and called_name(call.target) in {"Channel", "Group"}:
                what = f"`{called_name(call.target)}(...).send` in {place}"
                yield Remark(call.node, what, _AT_ONCE, is_note=True)


def find_connects(tree: Tree) -> Iterator[Remark]:
    """Yield a note for each function named as a connect consumer that never answers."""
    for function in tree.all(*_FUNCTIONS):
        name = function.name
        names = _parameters(function)
        is_connect = _CONNECT.search(name) and "message" in names[:2] and "multiplexer" not in names
        if is_connect and not any(map(_may_answer, _inside(function))):
            yield Remark(function, f"`{name}` does not answer", _ANSWER, is_note=True)


def _may_answer(node: ast.AST) -> bool:
    """Whether a node accepts or refuses a socket, or leaves that to another function."""
    match node:
        case ast.Raise() | ast.Attribute(attr="accept" | "close"):
            return True
        case ast.Attribute(attr="send", value=target):
            return _name(target) in {"self", "reply_channel"}
        case ast.Call(args=args, keywords=keywords):
            given = [*args, *(item.value for item in keywords)]
            return any(isinstance(item, ast.Name) and item.id == "message" for item in given)
    return text_of(node) in {"accept", "close"}


def _parameters(function: _Function) -> list[str]:
    return [parameter.arg for parameter in [*function.args.posonlyargs, *function.args.args]]


def _inside(function: _Function) -> Iterator[ast.AST]:
    """Yield all nodes in the body of a function."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)


def _class_around(function: _Function, tree: Tree) -> ast.ClassDef | None:
    around = tree.ancestors(function)
    return next((node for node in around if isinstance(node, ast.ClassDef)), None)


def _calls_in(function: _Function) -> Iterator[_Call]:
    """Yield the calls in a function, without those of inner functions or after a commit."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Function) or called_name(node) == "on_commit":
            continue
        match node:
            case ast.Call(func=ast.Attribute(value=target, attr=name)) if not _is_immediate(node):
                yield _Call(node, target, name)
        waiting += children(node)


def _is_immediate(call: ast.Call) -> bool:
    return any(item.arg == "immediately" for item in call.keywords)


def _place(function: _Function, owner: ast.ClassDef | None) -> str:
    """Return what kind of function *function* is; "" for a consumer, or if unknown."""
    names = _parameters(function)
    bases = [_name(base) for base in owner.bases] if owner else []
    decorators = [_name(item) for item in function.decorator_list]
    if names[:1] == ["sender"] or names[:2] == ["self", "sender"] or "receiver" in decorators:
        return "a receiver of a signal"
    if "request" in names[:2] or any(base.endswith(_OF_VIEWS) for base in bases):
        return "a view"
    if "Model" in bases and function.name in {"save", "delete"}:
        return f"`{function.name}` of a model"
    return ""


def _name(node: ast.expr) -> str:
    while isinstance(node, ast.Call):
        node = node.func
    return last_name(node)
