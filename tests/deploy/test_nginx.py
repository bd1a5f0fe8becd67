"""The nginx configuration, with a real nginx, Gunicorn, Daphne, worker and Redis."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labs.harness.processes import Processes
from labs.harness.server import Person
from labs.harness.visitor import Visitor
from tests.deploy.conftest import Site
from tests.deploy.nginx import HOST, Nginx


def assert_they_talk(ann: Person, bob: Person, text: str) -> None:
    """Check that both hear what one of them says."""
    ann.say(text)
    assert [ann.hear()["message"], bob.hear()["message"]] == [text, text]


def next_of(person: Person, kind: str) -> dict[str, Any]:
    """The next frame of this type."""
    while (frame := json.loads(person.socket.recv(60))).get("type") != kind:
        pass
    return dict(frame)


def test_two_people_chat_and_gunicorn_serves_the_pages(site: Site) -> None:
    ann, bob = site.visitor(), site.visitor()
    with ann.join("lobby") as at_ann, bob.join("lobby") as at_bob:
        assert site.nginx.answered_by("GET /lobby/") == site.gunicorn.port
        assert_they_talk(at_ann, at_bob, "hello")

        page = ann.get("/")
        assert page.status == 200
        assert "max-age" in page.headers["Strict-Transport-Security"]
        assert site.nginx.answered_by("GET /") == site.gunicorn.port
        found = re.search(r'"(/static/chat/lobby\.[0-9a-f]+\.js)"', page.body)
        assert found, page.body
        script = ann.get(found[1], Accept_Encoding="identity")
        assert (script.status, script.headers["Cache-Control"]) == (
            200,
            "max-age=315360000, public, immutable",
        )
        assert site.nginx.answered_by(f"GET {found[1]}") == site.gunicorn.port

    assert [site.nginx.answered_by("GET /chat/lobby/")] == [site.daphne.port]


def test_the_log_has_no_query_strings(site: Site) -> None:
    assert site.visitor().get("/?token=s3cret&next=/x").status == 200
    assert site.nginx.answered_by("GET /") == site.gunicorn.port
    assert "s3cret" not in site.nginx.log.read_text()


def test_sockets_survive_gunicorn_and_a_reload_of_nginx(site: Site) -> None:
    ann, bob = site.visitor(), site.visitor()
    with ann.join("lobby") as at_ann, bob.join("lobby") as at_bob:
        site.gunicorn.process.signal(signal.SIGHUP)
        site.gunicorn.process.wait_for_line(r"Worker exiting")
        assert ann.get("/").status == 200
        assert_they_talk(at_ann, at_bob, "after new code of pages")

        assert site.gunicorn.process.terminate() == 0
        assert ann.get("/").status == 502
        assert [ann.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]
        assert_they_talk(at_ann, at_bob, "while there are no pages")
        site.start_gunicorn()
        assert ann.get("/").status == 200
        assert_they_talk(at_ann, at_bob, "after Gunicorn came back")

        site.nginx.reload()
        assert_they_talk(at_ann, at_bob, "after nginx was loaded again")
        with site.visitor().join("lobby") as at_eve:
            assert_they_talk(at_eve, at_ann, "from a new process of nginx to an old one")


def test_the_chat_over_http_goes_to_daphne_too(site: Site) -> None:
    ann, bob = site.visitor(), site.visitor()
    path = "/chat/over-http/"

    def ask(verb: str, **body: Any) -> Any:
        kind = {"Content-Type": "application/json", "Channels-Workers-Transport": verb}
        answer = ann.ask("POST", path, json.dumps(body), {"Origin": ann.origin, **kind})
        assert answer.status == 200, answer
        assert site.nginx.answered_by(f"POST {path}") == site.daphne.port
        return json.loads(answer.body)

    ann.get("/over-http/")
    number = ask("open")["id"]
    with bob.join("over-http") as at_bob:
        said = json.dumps({"handle": "ann", "message": "hi"})
        assert ask("send", id=number, first=1, frames=[said])["received"] == 1
        assert at_bob.hear()["message"] == "hi"
        batch = ask("receive", id=number, after=0, by="poll")
        assert "hi" in [json.loads(frame).get("message") for frame in batch["frames"]]
    ask("close", id=number, code=1000)
    evil = {"Content-Type": "application/json", "Channels-Workers-Transport": "open"}
    refused = ann.ask("POST", path, "{}", {"Origin": "https://evil.example.com", **evil})
    assert refused.status == 403


def test_a_log_out_at_gunicorn_makes_the_socket_at_daphne_anonymous(site: Site) -> None:
    zoe = site.visitor()
    assert zoe.sign_up("Zoe").status == 302
    assert site.nginx.answered_by("POST /accounts/signup/") == site.gunicorn.port
    with zoe.join("lobby") as tab:
        tab.say("hello")
        assert tab.hear()["handle"] == "Zoe"
        assert zoe.post("/accounts/logout/").status == 302
        assert site.nginx.answered_by("POST /accounts/logout/") == site.gunicorn.port
        assert next_of(tab, "account")["account"] is False


# Behaviour of nginx itself, in front of a server that reports what reaches it.


class Telling(BaseHTTPRequestHandler):
    """Answers each request with the headers that it received."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


@pytest.fixture
def told_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def nginx(start_process: Processes, tmp_path: Path, told_port: int) -> Nginx:
    return Nginx(tmp_path / "nginx", start_process, told_port, told_port)


def visitor(nginx: Nginx, address: str = "127.0.0.1") -> Visitor:
    return Visitor(HOST, nginx.port, nginx.certificate, address)


@pytest.mark.parametrize("path", ["/", "/chat/lobby/", "/accounts/login/", "/healthz"])
def test_forged_client_headers_are_replaced(nginx: Nginx, path: str) -> None:
    answer = visitor(nginx, "127.0.0.9").get(
        path,
        X_Forwarded_For="203.0.113.7",
        X_Forwarded_Proto="http",
        X_Forwarded_Host="evil.example.com",
        X_Forwarded_Port="1",
        X_Real_IP="203.0.113.7",
        Forwarded="for=203.0.113.7",
        Daphne_Root_Path="/chat",
        Upgrade="h2c",
    )
    assert json.loads(answer.body) == {
        "Host": HOST,
        "X-Forwarded-For": "127.0.0.9",
        "X-Forwarded-Proto": "https",
        "Connection": "close",
        "Accept-Encoding": "identity",
    }


def test_a_handshake_is_forwarded_as_an_upgrade(nginx: Nginx) -> None:
    told = json.loads(visitor(nginx).get("/chat/lobby/", Upgrade="WebSocket").body)
    assert (told["Upgrade"], told["Connection"]) == ("websocket", "upgrade")


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/admin/login/"])
def test_log_in_forms_are_limited_per_address(nginx: Nginx, path: str) -> None:
    ann, bob = visitor(nginx, "127.0.0.2"), visitor(nginx, "127.0.0.3")
    answers = [ann.post(path).status for _ in range(20)]
    assert answers[:11] == [200] * 11
    assert 429 in answers[11:]
    assert ann.get(path).status == 200
    assert ann.post("/").status == 200
    assert bob.post(path).status == 200


def test_http_redirects_to_https_of_the_correct_name(nginx: Nginx) -> None:
    connection = HTTPConnection("127.0.0.1", nginx.plain_port)
    connection.request("GET", "/lobby/?a=b", headers={"Host": "evil.example.com"})
    with connection.getresponse() as response:
        headers: Message = response.headers
        assert (response.status, headers["Location"]) == (301, f"https://{HOST}/lobby/?a=b")
    connection.close()
