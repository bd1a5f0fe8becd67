"""Reads what goes on from the parts of a store, which locks them."""

from __future__ import annotations

from channels_workers.layers.memory.connections import Connections
from channels_workers.layers.memory.groups import Groups
from channels_workers.layers.memory.inboxes import Inboxes
from channels_workers.layers.memory.letters import Letters
from channels_workers.layers.memory.processes import Processes
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus


def read_status(
    processes: Processes,
    streams: Streams,
    connections: Connections,
    inboxes: Inboxes,
    groups: Groups,
    letters: Letters,
) -> Status:
    """Return what goes on; nobody notes since when messages wait."""
    return Status(
        servers=[
            ServerStatus(
                name,
                about,
                len(connections.of(name)),
                groups.count(name),
                inboxes.length(name),
            )
            for name, about in processes.of_kind("server")
        ],
        workers=[
            WorkerStatus(name, about, len({held.consumer for held in streams.held_by(name)}))
            for name, about in processes.of_kind("worker")
        ],
        channels=[
            ChannelStatus(name, len(stream.waiting), len(stream.pending), None)
            for name, stream in sorted(streams.by_channel.items())
        ],
        dead_letters=len(letters.kept),
    )
