"""The tables of the status page. Its script fills them from the state."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy


class Column(NamedTuple):
    """The values of *field* in the rows.

    *shown_as* is how the script shows a value: ``number``, ``count``, ``seconds``, ``duration``, or
    ``state``, that of a shard.
    *tag* names the field that marks a value as wrong.
    """

    field: str
    label: Promise
    shown_as: str = ""
    tag: str = ""


class Table(NamedTuple):
    """The list *rows* of the state."""

    rows: str
    caption: Promise
    columns: tuple[Column, ...]


TABLES = (
    Table(
        "shards",
        pgettext_lazy("channels_workers", "Shards"),
        (
            Column("name", pgettext_lazy("channels_workers", "Shard")),
            Column("address", pgettext_lazy("channels_workers", "Address")),
            Column("state", pgettext_lazy("channels_workers", "State"), "state", "away"),
            Column("connections", pgettext_lazy("channels_workers", "Connections"), "number"),
            Column("waiting", pgettext_lazy("channels_workers", "Messages"), "number"),
            Column("log_entries", pgettext_lazy("channels_workers", "Log"), "number"),
            Column("behind", pgettext_lazy("channels_workers", "Others are behind"), "number"),
        ),
    ),
    Table(
        "servers",
        pgettext_lazy("channels_workers", "Interface servers"),
        (
            Column("id", pgettext_lazy("channels_workers", "Server")),
            Column("place", pgettext_lazy("channels_workers", "Host and process")),
            Column("release", pgettext_lazy("channels_workers", "Release")),
            Column("since", pgettext_lazy("channels_workers", "Up for"), "duration"),
            Column("connections", pgettext_lazy("channels_workers", "Connections"), "number"),
            Column("groups", pgettext_lazy("channels_workers", "Groups"), "number"),
            Column("inbox", pgettext_lazy("channels_workers", "Inbox"), "number", "lagging"),
        ),
    ),
    Table(
        "workers",
        pgettext_lazy("channels_workers", "Workers"),
        (
            Column("id", pgettext_lazy("channels_workers", "Worker")),
            Column("place", pgettext_lazy("channels_workers", "Host and process")),
            Column("release", pgettext_lazy("channels_workers", "Release")),
            Column("since", pgettext_lazy("channels_workers", "Up for"), "duration"),
            Column("channels", pgettext_lazy("channels_workers", "Channels"), "number"),
            Column("threads", pgettext_lazy("channels_workers", "Threads"), "number"),
            Column("busy", pgettext_lazy("channels_workers", "Busy threads"), "number"),
        ),
    ),
    Table(
        "running",
        pgettext_lazy(
            "channels_workers", "Consumers that run for more than a second, the oldest first"
        ),
        (
            Column("consumer", pgettext_lazy("channels_workers", "Consumer")),
            Column("channel", pgettext_lazy("channels_workers", "Channel")),
            Column("message", pgettext_lazy("channels_workers", "Message")),
            Column("worker", pgettext_lazy("channels_workers", "Worker")),
            Column("thread", pgettext_lazy("channels_workers", "Thread"), "number"),
            Column("since", pgettext_lazy("channels_workers", "Runs for"), "duration", "slow"),
        ),
    ),
    Table(
        "channels",
        pgettext_lazy("channels_workers", "Channels"),
        (
            Column("name", pgettext_lazy("channels_workers", "Channel")),
            Column("waiting", pgettext_lazy("channels_workers", "Waiting"), "number"),
            Column("in_flight", pgettext_lazy("channels_workers", "In flight"), "number"),
            Column("oldest", pgettext_lazy("channels_workers", "Oldest"), "seconds"),
            Column(
                "workers",
                pgettext_lazy("channels_workers", "Workers that listen"),
                "number",
                "unheard",
            ),
        ),
    ),
    Table(
        "stored",
        pgettext_lazy("channels_workers", "Sends stored in databases"),
        (
            Column("database", pgettext_lazy("channels_workers", "Database")),
            Column("count", pgettext_lazy("channels_workers", "Waiting"), "count"),
            Column("oldest", pgettext_lazy("channels_workers", "Oldest"), "seconds"),
        ),
    ),
    Table(
        "versions",
        pgettext_lazy("channels_workers", "Versions"),
        (
            Column("release", pgettext_lazy("channels_workers", "Release")),
            Column("versions", pgettext_lazy("channels_workers", "Runs on")),
            Column("processes", pgettext_lazy("channels_workers", "Processes"), "number"),
        ),
    ),
)
