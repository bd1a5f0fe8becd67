"""Tells which Python files may use Channels, before they are parsed."""

import re

#: Every file that uses Channels matches; the others are not parsed.
MARKS = re.compile(
    rb"\bchannels|channel_(layer|names)|CHANNEL|APPS\b|_APPLICATION|daphne|"
    rb"asgi_(redis|ipc|rabbitmq|amqp)|asgiref|__(retries|doomed)__|http\.(request|disconnect)|"
    rb"reply_channel|[\"']path[\"']\]\.decode|receive_many|send_group|group_channels"
)
