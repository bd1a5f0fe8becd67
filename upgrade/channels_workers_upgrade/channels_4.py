"""The names of Channels 4, which may be imported beside this package."""

#: Modules that Channels 1.1.8 did not have. Their names are not checked.
MODULES = {
    *("channels.consumer", "channels.db", "channels.layers", "channels.middleware"),
    *("channels.generic.http", "channels.generic.websocket", "channels.security.websocket"),
    *("channels.testing", "channels.testing.application", "channels.testing.http"),
    *("channels.testing.live", "channels.testing.websocket"),
}

#: The names of modules that both have, without those that 1.1.8 had too.
NAMES = {
    "channels.auth": "get_user login logout UserLazyObject AuthMiddleware AuthMiddlewareStack",
    "channels.exceptions": "InvalidChannelLayerError AcceptConnection ChannelFull MessageTooLarge "
    "StopConsumer",
    "channels.management.commands.runworker": "logger",
    "channels.routing": "get_default_application ProtocolTypeRouter URLRouter ChannelNameRouter",
    "channels.sessions": "CookieMiddleware InstanceSessionWrapper SessionMiddleware "
    "SessionMiddlewareStack",
    "channels.utils": "await_many_dispatch",
}


def is_of_4(path: str) -> bool:
    """Return whether a dotted path names a module of Channels 4, or something in one."""
    module, _, name = path.rpartition(".")
    return path in MODULES or module in MODULES or name in NAMES.get(module, "").split()
