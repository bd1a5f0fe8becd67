"""Moves one Python file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from channels_workers_upgrade.apps import rewrite_apps, taken_out
from channels_workers_upgrade.entry import FILE, rewrite_entry
from channels_workers_upgrade.files import application_beside
from channels_workers_upgrade.findings import Finding, placed
from channels_workers_upgrade.imports import rewrite_imports
from channels_workers_upgrade.leftovers import find_leftovers
from channels_workers_upgrade.routing import move_routing
from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.strings import rewrite_strings
from channels_workers_upgrade.tree import Tree

#: Every file that uses Channels matches; the others are not parsed.
_MARKS = re.compile(
    rb"\bchannels|channel_(layer|names)|CHANNEL|APPS\b|_APPLICATION|daphne|"
    rb"asgi_(redis|ipc|rabbitmq|amqp)|asgiref|__(retries|doomed)__|http\.(request|disconnect)|"
    rb"reply_channel|[\"']path[\"']\]\.decode|receive_many|send_group|group_channels"
)


#: What an entry point has, under whatever name.
_SETS_UP_DJANGO = b"DJANGO_SETTINGS_MODULE"


class Moved(NamedTuple):
    """The new content of a file, and its findings, with line numbers of the new content."""

    content: bytes
    findings: list[Finding]


def move_source(content: bytes, path: Path, settings: Settings) -> Moved:
    """Return the *content* of a file, rewritten as far as possible.

    *settings* collects the settings in it.
    """
    if not _MARKS.search(content):
        return Moved(content, [])
    try:
        module = cst.parse_module(content)
    except (cst.ParserSyntaxError, UnicodeDecodeError, SyntaxError, LookupError) as error:
        return Moved(content, [_unparsed(error)])
    tree = Tree(module)
    if path.name == FILE or _SETS_UP_DJANGO in content:
        tree = tree.of(rewrite_entry(tree))
    tree = tree.of(rewrite_imports(tree))
    with_apps, gone = rewrite_apps(tree)
    tree = tree.of(with_apps)
    tree = tree.of(rewrite_strings(tree))
    tree = tree.of(move_routing(tree, application_beside(path)))
    settings.read(tree, path)
    findings = sorted(placed([*find_leftovers(tree), *taken_out(tree, gone)], tree))
    return Moved(content if tree.module is module else tree.content, findings)


def _unparsed(error: Exception) -> Finding:
    line, message = 1, str(error)
    if isinstance(error, cst.ParserSyntaxError):
        line, message = error.raw_line, error.message
    cure = f"{message} Convert it to Python 3 (with 2to3 of Python 3.12), then repeat the command"
    return Finding(line, "cannot be parsed", cure)
