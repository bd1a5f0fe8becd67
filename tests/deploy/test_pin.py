"""deploy/pin, with a registry that behaves like Docker Hub."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

TOKEN = "for-anybody"
FILES = ("Dockerfile", "compose.yaml", "deploy/pin")


def digest_of(path: str) -> str:
    return f"sha256:{hashlib.sha256(path.encode()).hexdigest()}"


class Registry(BaseHTTPRequestHandler):
    """Requires a token, which it issues, and knows each tag but one."""

    def do_HEAD(self) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            here = f"http://{self.headers['Host']}/token"
            self.answer(401, **{"WWW-Authenticate": f'Bearer realm="{here}",service="a b"'})
        elif self.path.endswith("/gone") or "index" not in self.headers["Accept"]:
            self.answer(404)
        else:
            self.answer(200, **{"Docker-Content-Digest": digest_of(self.path)})

    def do_GET(self) -> None:
        assert self.path == "/token?service=a+b"
        body = json.dumps({"token": TOKEN}).encode()
        self.answer(200, **{"Content-Length": str(len(body))})
        self.wfile.write(body)

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def pin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "deploy" / "pin", *arguments],
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def contents(folder: Path) -> str:
    return "".join((folder / name).read_text() for name in ("Dockerfile", "compose.yaml"))


def test_each_image_gets_the_digest_of_its_tag(copied: Path, registry: str) -> None:
    for _ in range(2):
        result = pin(copied, registry)
        assert result.returncode == 0, result.stderr
    found = re.findall(r"docker\.io/([\w/]+):([\w.-]+)(\S*)", contents(copied))
    assert {name for name, _, _ in found} == {
        "library/python",
        "library/redis",
        "library/postgres",
    }
    for name, tag, digest in found:
        assert digest == f"@{digest_of(f'/v2/{name}/manifests/{tag}')}"


def test_nothing_changes_if_a_tag_is_not_found(copied: Path, registry: str) -> None:
    file = copied / "compose.yaml"
    file.write_text(re.sub(r"(library/postgres):\S+", r"\1:gone", file.read_text()))
    before = contents(copied)
    result = pin(copied, registry)
    assert result.returncode == 1
    assert "The registry was to name a digest for each tag, and did not" in result.stderr
    assert contents(copied) == before
