"""The protocol ``channels-workers.v1``: requests, replies, confirmed messages and groups."""

from channels_workers.envelope.consumers import EnvelopeConsumer
from channels_workers.envelope.decorators import envelope
from channels_workers.envelope.frames import Envelope
from channels_workers.envelope.handling import DEFERRED
from channels_workers.envelope.refused import Refused
from channels_workers.envelope.sending import (
    accept,
    agroup_send,
    asend,
    content_of,
    group_send,
    refuse,
    reply,
    send,
)
from channels_workers.envelope.streams import Stream, stream

__all__ = [
    "DEFERRED",
    "Envelope",
    "EnvelopeConsumer",
    "Refused",
    "Stream",
    "accept",
    "agroup_send",
    "asend",
    "content_of",
    "envelope",
    "group_send",
    "refuse",
    "reply",
    "send",
    "stream",
]
