"""What a forked child shares with its parent, in minimal processes.

`tests/processes/test_forks.py` tests consumers that fork.
"""

import subprocess
import sys
import textwrap

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer

#: Parent and child both run `act`, the parent before and after its child. Their output is compared.
FORK = """
    import asyncio, os, sys, threading, warnings
    from asgiref.sync import async_to_sync
    from django.conf import settings

    url, backend = sys.argv[1:]
    layers = "channels_workers.layers."
    config = {{"hosts": url.split(",")}} if backend.startswith("redis") else {{}}
    default = {{"BACKEND": layers + backend, "CONFIG": config}}
    settings.configure(CHANNEL_LAYERS={{"default": default}})

    from channels.layers import get_channel_layer
    from channels_workers import Channel, registry
    from channels_workers.layers.types import Delivery
    from channels_workers.outbox import Outbox

    def act(name):
{act}

    {before}
    sys.stdout.flush()
    warnings.simplefilter("ignore", DeprecationWarning)  # there is one other thread, at times
    if not (child := os.fork()):
        try:
            act("child")
            sys.stdout.flush()
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    act("parent")
"""

REDIS, MEMORY = "redis.RedisChannelLayer", "memory.InMemoryChannelLayer"


#: The warning of the layer in memory, which has no worker here.
NOT_HEARD = "This process sends, and nobody gets it: "


def forked(url: str, act: str, before: str = "act('parent')", backend: str = REDIS) -> list[str]:
    """The lines that parent and child print. AssertionError if they do not exit."""
    body = textwrap.indent(textwrap.dedent(act), " " * 8)
    script = textwrap.dedent(FORK.format(act=body, before=before))
    done = subprocess.run(
        [sys.executable, "-c", script, url, backend],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith(NOT_HEARD)]
    assert (done.returncode, said) == (0, [])
    return done.stdout.splitlines()


def test_a_child_has_its_own_connections(redis_server: RedisServer) -> None:
    """Those of the pool and of its thread, whose id equals that of the parent's thread."""
    found = forked(
        redis_server.url,
        """
        layer = get_channel_layer()
        layer.pull(["work"], name, 0.01)  # the line of this thread
        layer.apply([layer.make_send("work", {"from": name})])
        [line] = layer.streams._pipelines.values()
        print(name, layer.client.redis.client_id(), *line.execute(("CLIENT", "ID")))
        """,
    )
    before, child, after = [line.split() for line in found]
    assert [before[0], child[0]] == ["parent", "child"]
    assert before == after
    assert not {*child} & {*before}
    with redis_server.client() as client:
        assert client.xlen("channels:2:channel:work") == 3


@pytest.mark.parametrize("databases", [[0], [0, 1, 2]], ids=["alone", "shards"])
def test_a_child_registers_as_its_own_server(
    redis_server: RedisServer, databases: list[int]
) -> None:
    before, child, after = forked(
        ",".join(f"{redis_server.url.removesuffix('/0')}/{number}" for number in databases),
        """
        layer = get_channel_layer()

        async def hear():
            channel = await layer.new_channel()
            await layer.send(channel, {"type": "hello"})
            assert (await layer.receive(channel)) == {"type": "hello"}
            return channel.partition("!")[0]

        print(async_to_sync(hear)())
        """,
    )
    assert before == after != child


def test_a_child_does_not_wait_for_a_thread_of_its_parent(redis_server: RedisServer) -> None:
    """The parent's thread was creating the layer during the fork."""
    found = forked(
        redis_server.url,
        """
        print(name, get_channel_layer() is registry.get_channel_layer())
        """,
        """
    held, go_on = threading.Event(), threading.Event()
    def hold():
        with registry.channel_layers.lock:
            held.set()
            go_on.wait(60)
    threading.Thread(target=hold, daemon=True).start()
    held.wait(60)
    os.register_at_fork(after_in_parent=go_on.set)
        """.strip(),
    )
    assert found == ["child True", "parent True"]


def test_a_child_sends_its_messages_instead_of_filling_a_copied_outbox(
    redis_server: RedisServer,
) -> None:
    found = forked(
        redis_server.url,
        """
        with outbox:
            Channel("work").send({"from": name})
        print(name, len(outbox.operations), get_channel_layer().length("work"))
        """,
        "outbox = Outbox(registry.get_channel_layer(), Delivery('work', '', '', '', b''));"
        "act('parent'); outbox.closed = False",
    )
    assert found == ["parent 1 0", "child 1 1", "parent 2 1"]


def test_sending_where_nobody_listens_is_an_error(redis_server: RedisServer) -> None:
    """A memory layer that was in use when its process forked."""
    before, child, after = forked(
        redis_server.url,
        """
        if name == "parent":
            async_to_sync(registry.get_channel_layer().new_channel)()
        Channel("work").send({"from": name})
        print(name, get_channel_layer().length("work"))
        """,
        backend=MEMORY,
    )
    assert (before, after) == ("parent 1", "parent 2")
    assert child.startswith("LayerUnfit This process was forked from one that keeps")
    assert "Send from the parent, or use channels_workers.layers.redis" in child


@pytest.mark.parametrize("before", ["get_channel_layer()", "act('parent')"])
def test_an_unused_memory_layer_starts_afresh_in_a_child(
    before: str, redis_server: RedisServer
) -> None:
    found = forked(
        redis_server.url,
        """
        Channel("work").send({"from": name})
        print(name, get_channel_layer().length("work"))
        """,
        before,
        MEMORY,
    )
    assert found[-2] == "child 1"
