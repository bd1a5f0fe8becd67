"""One slot of a cluster: its connections go to the node that owns the slot.

The pools are those of redis-py for Sentinel, which ask for the address of the server each time they
open a connection. Here the nodes of the cluster are asked, for the owner of one slot.

A new owner has another run id, which our scripts take for a loss of data. After a slot move
nothing is lost: the node whose run id is in the key ``run`` is still a primary, and has given the
slot away.
So before a connection goes to a new owner, the key gets the run id of that. A failover makes
the former owner a replica, or finds it dead: the key stays, and all processes register again. Until
then our scripts do nothing at the new owner, so what came before the change is complete there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.exceptions
import redis.sentinel
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import ConstantBackoff, NoBackoff
from redis.connection import parse_url
from redis.crc import key_slot
from redis.retry import Retry

from channels_workers.layers.redis import wire
from channels_workers.logs import described

#: How often, and how long after each other (s), a command goes to the owner anew while other nodes
#: have not heard yet that the slot has moved.
TRIES, PAUSE = 40, 0.025

logger = logging.getLogger(__name__)

Host = dict[str, Any]
Address = tuple[str, int]

#: What a node says that does not own the slot, without having begun the command.
_NOT_HERE = (redis.exceptions.MovedError, redis.exceptions.AskError, redis.exceptions.TryAgainError)


NOBODY = "No node of the cluster answers and knows who owns"

_ERRORS = (redis.exceptions.RedisError, OSError)


class SlotMoved(redis.exceptions.ConnectionError):
    """The slot is at another node; the command was not begun."""


class SlotUnserved(redis.exceptions.ConnectionError):
    """No node that answers knows the owner of the slot."""


def tag(prefix: str) -> str:
    """Return *prefix* as a hash tag, so that all keys with it are in one slot."""
    return "{" + prefix + "}"


def read_cluster(host: Host) -> Host:
    """Return *host*, whose ``cluster`` lists URLs of nodes, with the options of the first URL.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for anything else.
    """
    nodes = host["cluster"]
    if not isinstance(nodes, list | tuple) or not nodes:
        raise ImproperlyConfigured(
            "'cluster' in CONFIG['hosts'] of CHANNEL_LAYERS must be a list of addresses of nodes, "
            f"such as ['redis://10.0.0.1:6379'], not {type(nodes).__name__}."
        )
    read = [_read_node(node) for node in nodes]
    options = {name: value for name, value in read[0].items() if name not in ("host", "port")}
    is_secure = options.pop("connection_class", None) is not None
    if {"connection_class" in node for node in read} != {is_secure}:
        raise ImproperlyConfigured(
            "'cluster' in CONFIG['hosts'] of CHANNEL_LAYERS mixes redis:// and rediss://; all its "
            "nodes are reached alike."
        )
    addresses = [(node["host"], node.get("port", 6379)) for node in read]
    return {**options, **host, "cluster": addresses, "is_secure": is_secure}


def _read_node(node: Any) -> Host:
    try:
        found: Host = parse_url(node)  # type: ignore[no-untyped-call]
    except (AttributeError, TypeError, ValueError):
        found = {}
    if "host" not in found or found.get("db", 0) != 0:
        raise ImproperlyConfigured(
            "Each address in 'cluster' of CONFIG['hosts'] of CHANNEL_LAYERS must be like "
            "redis://host:6379 or rediss://user:password@host:6379 (a cluster has no database but "
            "0). In a password, write / # ? and @ as %2F %23 %3F and %40."
        )
    return found


def _slots(node: redis.Redis) -> Any:
    node.set_response_callback("CLUSTER SLOTS", wire.as_it_is)
    return node.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]


def _address_of(primary: Any, asked: Address) -> Address:
    host, port, *_ = primary
    return (host or b"").decode() or asked[0], int(port)  # empty: as it was asked


class Nodes:
    """The known nodes of a cluster, as what a pool for Sentinel takes for the Sentinels.

    Threads may ask at the same time.
    """

    def __init__(self, addresses: list[Address], run_key: str, options: Host) -> None:
        self.run_key = run_key
        self.slot = key_slot(run_key.encode())
        self.owner: Address | None = None  # the last one that was found
        self.options = options
        self._configured = addresses
        self.addresses = list(addresses)

    def _owner_in(self, found: Any, asked: Address) -> Address | None:
        """Return the owner of the slot in a reply to ``CLUSTER SLOTS``."""
        for first, last, primary, *_ in found:
            if first <= self.slot <= last:
                return _address_of(primary, asked)
        return None

    def _note(self, asked: Address, found: Any) -> Address | None:
        """Note the nodes in a reply to ``CLUSTER SLOTS``; return the owner of the slot."""
        owner = self._owner_in(found, asked)
        if owner is not None:  # ask who answered first, the next time
            named = [_address_of(node, asked) for _, _, *nodes in found for node in nodes]
            self.addresses = list(dict.fromkeys([asked, *named, *self._configured]))
        return owner

    def _node(self, address: Address) -> redis.Redis:
        return redis.Redis(host=address[0], port=address[1], **self.options)

    def discover_master(self, name: str) -> Address:
        """Return the address of the owner of the slot."""
        why = ""
        for address in list(self.addresses):
            try:
                with self._node(address) as node:
                    found = _slots(node)
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
                why = f" ({described(error)})"
                continue
            if (owner := self._note(address, found)) is not None:
                if owner != self.owner:
                    self._note_move(owner)
                    self.owner = owner
                return owner
        raise SlotUnserved(f"{NOBODY} slot {self.slot}{why}.")

    def _note_move(self, owner: Address) -> None:
        """Give the key ``run`` the run id of *owner*, if the slot came there without a loss."""
        try:
            with self._node(owner) as node:
                here: Any = node.info("server")
                known: Any = node.get(self.run_key)
                if not known or known.decode() == here["run_id"]:
                    return
                if self._has_given_away(known.decode(), owner):
                    node.execute_command("SET", self.run_key, here["run_id"], "IFEQ", known)
        except _ERRORS as error:  # the scripts then take it for a loss, which is safe
            logger.debug("Whether slot %s was moved is unknown: %s", self.slot, error)

    def _has_given_away(self, run: str, owner: Address) -> bool:
        """Return whether the node with the run id *run* is a primary, and names *owner* itself.

        A primary that others have replaced, and that does not know it yet, names itself.
        """
        for address in list(self.addresses):
            try:
                with self._node(address) as node:
                    found: Any = node.info()
                    if found["run_id"] == run:
                        named = self._owner_in(_slots(node), address)
                        return bool(found["role"] == "master" and named == owner)
            except _ERRORS:
                continue
        return False


class AsyncNodes:
    """*nodes*, asked for an event loop, in a thread."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def discover_master(self, name: str) -> Address:
        """Return the address of the owner of the slot."""
        return await asyncio.to_thread(self._nodes.discover_master, name)


class _BlockingFollows(redis.sentinel.SentinelManagedConnection):
    _has_moved = False  # redis-py repeats a command at the address that it knows

    def send_packed_command(self, *args: Any, **options: Any) -> Any:
        if self._has_moved:
            self._has_moved = False
            self.connect()  # type: ignore[no-untyped-call]
        return super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except _NOT_HERE as error:
            self.disconnect()  # type: ignore[no-untyped-call]
            self._has_moved = True
            raise SlotMoved(str(error)) from None


class _SecureBlockingFollows(_BlockingFollows, redis.SSLConnection):
    pass


class _AsyncFollows(redis.asyncio.sentinel.SentinelManagedConnection):
    _has_moved = False

    async def send_packed_command(self, *args: Any, **options: Any) -> Any:
        if self._has_moved:
            self._has_moved = False
            await self.connect()  # type: ignore[no-untyped-call]
        return await super().send_packed_command(*args, **options)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except _NOT_HERE as error:
            await self.disconnect()
            self._has_moved = True
            raise SlotMoved(str(error)) from None


class _SecureAsyncFollows(_AsyncFollows, redis.asyncio.SSLConnection):
    pass


def _split(options: Host) -> tuple[list[Address], str, bool, Host, Host]:
    """Return nodes, a key in the slot, whether by TLS, options of the pool and of questions."""
    own = dict(options)
    addresses, is_secure = own.pop("cluster"), own.pop("is_secure")
    run_key = own.pop("run_key", "")
    own.pop("slots_stay", None)
    asking = {**own, "ssl": True} if is_secure else dict(own)
    return addresses, run_key, is_secure, own, asking


def blocking_cluster_pool(options: Host) -> redis.ConnectionPool:
    """Return a pool for threads, whose connections go to the owner of the slot."""
    addresses, run_key, is_secure, own, asking = _split(options)
    own["retry"] = Retry(ConstantBackoff(PAUSE), TRIES, supported_errors=(SlotMoved,))
    kind = _SecureBlockingFollows if is_secure else _BlockingFollows
    nodes = Nodes(addresses, run_key, asking)
    return redis.sentinel.SentinelConnectionPool("slot", nodes, connection_class=kind, **own)  # type: ignore[no-untyped-call]


def async_cluster_pool(options: Host) -> redis.asyncio.ConnectionPool:
    """Return a pool for an event loop, whose connections go to the owner of the slot."""
    addresses, run_key, is_secure, own, asking = _split(options)
    own["retry"] = redis.asyncio.retry.Retry(
        ConstantBackoff(PAUSE), TRIES, supported_errors=(SlotMoved,)
    )
    kind = _SecureAsyncFollows if is_secure else _AsyncFollows
    asking["retry"] = Retry(NoBackoff(), 0)  # threads ask
    nodes: Any = AsyncNodes(Nodes(addresses, run_key, asking))
    return redis.asyncio.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
        "slot", nodes, connection_class=kind, **own
    )
