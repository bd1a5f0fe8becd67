"""The names of Channels 4, asgiref 3 and Daphne 4, which may be imported beside the engine."""

#: Modules of Channels 4 that 1.1.8 did not have. Their names are not checked.
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

#: The packages whose names 1.x projects import too, and their versions.
PACKAGES = {"channels": "Channels 1.1.8 or 4", "asgiref": "asgiref 3", "daphne": "Daphne 4"}

#: The names of each of their modules; "*" for any.
OF_PACKAGES = {
    "asgiref": "",
    "asgiref.compatibility": "is_double_callable double_to_single_callable "
    "guarantee_single_callable",
    "asgiref.current_thread_executor": "CurrentThreadExecutor",
    "asgiref.local": "Local",
    "asgiref.server": "logger StatelessServer",
    "asgiref.sync": "iscoroutinefunction markcoroutinefunction AsyncSingleThreadContext "
    "ThreadSensitiveContext AsyncToSync SyncToAsync async_to_sync sync_to_async",
    "asgiref.testing": "ApplicationCommunicator",
    "asgiref.timeout": "timeout",
    "asgiref.typing": "*",
    "asgiref.wsgi": "WsgiToAsgi WsgiToAsgiInstance",
    "daphne": "",
    "daphne.__main__": "CommandLineInterface",
    "daphne.access": "AccessLogGenerator",
    "daphne.apps": "DaphneConfig",
    "daphne.checks": "check_daphne_installed",
    "daphne.cli": "logger DEFAULT_HOST DEFAULT_PORT CommandLineInterface AccessLogGenerator "
    "Server build_endpoint_description_strings import_by_path",
    "daphne.endpoints": "build_endpoint_description_strings",
    "daphne.http_protocol": "logger WebRequest HTTPFactory parse_x_forwarded_for",
    "daphne.management": "",
    "daphne.management.commands": "",
    "daphne.management.commands.runserver": "logger get_default_application Command",
    "daphne.server": "twisted_loop current_reactor logger Server HTTPFactory WebSocketFactory",
    "daphne.testing": "BaseDaphneTestingInstance DaphneTestingInstance DaphneProcess "
    "TestApplication",
    "daphne.utils": "HEADER_NAME_RE INVALID_HEADER_VALUE_BYTES import_by_path header_value "
    "parse_x_forwarded_for",
    "daphne.ws_protocol": "logger WebSocketProtocol WebSocketFactory",
}


def is_of_4(path: str) -> bool:
    """Return whether a dotted path names a module of Channels 4, or something in one."""
    module, _, name = path.rpartition(".")
    return path in MODULES or module in MODULES or name in NAMES.get(module, "").split()


def is_beside(path: str) -> bool:
    """Return whether a dotted path names something of asgiref 3 or Daphne 4.

    Attributes may follow a name, and names with underscores are not checked.
    """
    module, names = path, ""
    while module not in OF_PACKAGES and module:
        module, _, name = module.rpartition(".")
        names = f"{name}.{names}"
    first = names.partition(".")[0]
    has_any = OF_PACKAGES.get(module) == "*" or first.startswith("_")
    return not names or has_any or first in OF_PACKAGES.get(module, "").split()
