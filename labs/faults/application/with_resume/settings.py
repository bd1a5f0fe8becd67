"""Settings of the rooms whose sockets can be resumed."""

from labs.faults.application.settings import *  # noqa: F403

CHANNEL_ROUTING = "labs.faults.application.with_resume.routing.channel_routing"
