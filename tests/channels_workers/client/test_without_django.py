"""The client in a process without Django."""

import subprocess
import sys

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

PROGRAM = """
import sys

class NoDjango:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "channels", "asgiref", "redis", "msgpack"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, NoDjango())

import asyncio, json
from websockets.asyncio.server import serve
from channels_workers.client import Client, Connection

async def serve_one(socket):
    async for text in socket:
        frame = json.loads(text)
        await socket.send(json.dumps({"type": "reply", "id": frame["id"], "payload": "pong"}))

async def main():
    async with serve(serve_one, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}/") as client:
            print(await client.request("ping"))

asyncio.run(main())
"""


def test_it_needs_no_django() -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (0, "pong\n"), result.stderr
