"""A real Redis server."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import redis

from labs.harness.ports import free_port
from labs.harness.processes import Process


def redis_command() -> str:
    """The path of redis-server. AssertionError tells how to install it."""
    found = shutil.which("redis-server")
    assert found, "There is no redis-server on the PATH. scripts/test installs one."
    return found


class RedisServer:
    """A Redis server on its own port, without persistence.

    After a restart it has the same port and no data. `options` are command line options, such as
    `"--maxmemory", "4mb"`. `env` extends its environment.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.env = env
        self.options = options
        self.port = port or free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Its address for REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_running

    @property
    def process(self) -> Process:
        """The process, for signals. AssertionError if it was never started."""
        assert self._process is not None, "This Redis server was never started."
        return self._process

    def start(self) -> None:
        """Start it and wait until it answers. Does nothing if it runs already."""
        if self.is_running:
            return
        command = [redis_command(), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self.folder), *self.options]
        self._process = Process(
            "redis-server", command, log=self.folder / "redis.log", env=self.env
        )
        try:
            self._process.wait_until_listening(self.port)
        except BaseException:
            self._process.kill()
            raise

    def stop(self) -> None:
        """Stop it and lose its data. Does nothing if it does not run."""
        if self._process is not None:
            self._process.stop()

    def flush(self) -> None:
        """Delete all data."""
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        """A new client. The caller closes it."""
        return redis.Redis(host="127.0.0.1", port=self.port)
