"""The address of Redis and its options: those of redis-py that this layer accepts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import redis.exceptions
from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

Host = dict[str, Any]

SCHEMES = ("redis", "rediss", "unix")

#: Options that the layer sets, each with the only accepted value.
FIXED = {"decode_responses": "false", "protocol": "2", "legacy_responses": "true"}
FIXED |= {"encoding": "utf-8"}

#: Options that the layer relies on, so they are refused.
OURS = ("retry", "parser_class", "connection_class", "encoder_class", "command_packer", "ssl")

#: The values for the verification of the certificate, as in redis-py and Python.
VERIFICATION = ("none", "optional", "required")


def split_address(address: str) -> SplitResult | None:
    """Return the parts of *address*; None if a part may belong to an unescaped password."""
    try:
        parts = urlsplit(address)
        is_known = parts.scheme in SCHEMES and parts.port != -1  # it raises for what is no port
    except ValueError:
        return None
    is_sure = "@" not in parts.path + parts.query and not parts.fragment
    return parts if is_known and is_sure else None


def describe(host: Host) -> str:
    """Return *host* for logs and messages, without secrets."""
    if "cluster" in host:
        return "the cluster of " + ", ".join(
            f"{node[0]}:{node[1]}" if isinstance(node, tuple) else "..." for node in host["cluster"]
        )
    if "address" not in host:
        return str(host.get("master_name") or f"{host.get('host')}:{host.get('port')}")
    address = str(host["address"])
    if not set(address) & set("@?#") and "//:" not in address:
        return address
    scheme = address.partition("://")[0]
    parts = split_address(address)
    if parts is None:
        known = f"{scheme}://..." if scheme in SCHEMES else "..."
        return f"{known} (unreadable)"
    secret = "***@" if "@" in parts.netloc else ""
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    path = parts.path if re.fullmatch(r"(/\d+)?", parts.path) or scheme == "unix" else "/..."
    return f"{scheme}://{secret}{name}{port}{path}"


def read_options(host: Host) -> Host:
    """Return *host* with the options of its address, each in its final form.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for an unusable option.
    """
    read = dict(host)
    if "address" in read:
        read = {**_options_of(read), **read, "address": _without_options(read["address"])}
    for name, value in list(read.items()):
        if name in OURS:
            raise _wrong(host, f"sets {name!r}, which the layer itself does; leave it out")
        if name in FIXED:
            if str(value).lower() != FIXED[name]:
                raise _wrong(host, f"sets {name!r}, which is to be {FIXED[name]!r}; leave it out")
            del read[name]
    if "ssl_cert_reqs" in read:
        read["ssl_cert_reqs"] = _verification(host, read["ssl_cert_reqs"])
    return read


def _options_of(host: Host) -> Host:
    """Return the options in the query of an address, each of its type."""
    address = host["address"]
    parts = _check_address(address)
    try:
        known: Host = parse_url(address)  # type: ignore[no-untyped-call]
    except ValueError as error:  # its text has the name of an option, but no value
        found = re.match(r"Invalid value for '(\w+)'", str(error))
        if found is None:
            raise _unreadable(host) from None
        raise _wrong(host, f"gives {found[1]!r} a value that it cannot have") from None
    return {name: known[name] for name in parse_qs(parts.query) if name in known}


def _without_options(address: str) -> str:
    return address.partition("?")[0]


def _check_address(address: Any) -> SplitResult:
    """Return the parts of an address; the error for a wrong one shows no password."""
    parts = split_address(address) if isinstance(address, str) else None
    if parts is None:
        raise _unreadable({"address": address})
    if parts.port == 0:
        raise ImproperlyConfigured(f"{describe({'address': address})!r} names port 0.")
    if parts.scheme != "unix" and not re.fullmatch(r"/?|/\d+", parts.path):
        text = f"{describe({'address': address})!r} names no database"
        raise ImproperlyConfigured(f"{text}: a number is to follow the host, as in /0.")
    return parts


def _unreadable(host: Host) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"The address of Redis must be like redis://host:6379/0 (rediss:// for TLS, "
        f"unix:// for a socket), not {describe(host)!r}. In a password, "
        "write / # ? and @ as %2F %23 %3F and %40."
    )


def _wrong(host: Host, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"CONFIG['hosts'] of CHANNEL_LAYERS, {describe(host)}, {what}.")


def _verification(host: Host, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = value.lower().removeprefix("cert_")
    if name not in VERIFICATION:
        known = ", ".join(VERIFICATION)
        raise _wrong(host, f"gives 'ssl_cert_reqs' a value that is none of {known}")
    return name


def refuse(host: Host, error: Exception) -> ImproperlyConfigured:
    """Return the error for an option of *host* that redis-py refuses, without its value."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if found:
        return _wrong(host, f"sets {found[1]!r}, which redis-py does not know")
    if isinstance(error, redis.exceptions.RedisError):
        return _wrong(
            host, "has options that redis-py refuses; look at those of TLS and of the user"
        )
    return _wrong(host, f"has an option that redis-py cannot use ({type(error).__name__})")
