"""``python -m labs.harness.crowd PLAN SOCKET TRANSCRIPT`` runs a crowd.

It reads commands from a Unix socket, one JSON object per line, and answers with its status.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from labs.harness.crowd.crowd import Crowd
from labs.harness.crowd.plan import Plan


async def main(plan: Plan, address: str, transcript: Path) -> None:
    """Run until the command ``leave``, then write the transcript."""
    crowd = Crowd(plan)
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            command = json.loads(line)
            answer = await crowd.obey(command)
            if command["do"] == "leave":
                crowd.transcript().write(transcript)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if command["do"] == "leave":
                left.set()
        writer.close()

    async with await asyncio.start_unix_server(serve, address):
        print("The load listens.", flush=True)
        await left.wait()


if __name__ == "__main__":
    wanted = Plan.load(sys.argv[1])
    if wanted.authority:
        os.environ["SSL_CERT_FILE"] = wanted.authority
    asyncio.run(main(wanted, sys.argv[2], Path(sys.argv[3])))
