"""People on the site, through the router."""

from __future__ import annotations

import re

from websockets.exceptions import InvalidStatus

from labs.rehearsal.guest import Guest, say_and_hear
from labs.rehearsal.router import HOST
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.steps.building import HASHED

#: Headers that a client must not be able to forge.
FORGED = {"X_Forwarded_Proto": "http", "X_Forwarded_For": "203.0.113.7"}

#: How long browsers may cache files with a hash in their name (s).
FOREVER = "max-age=315360000"


class Talk(Step):
    """Two people talk."""

    name = "chat"
    description = "two people talk through the router with TLS, one logged in"

    def play(self, stage: Stage) -> None:
        """Check pages, cookies and headers, sign up, talk, and be refused from another site."""
        ann, bob = Guest(stage.site.router), Guest(stage.site.router)
        self.look_at_pages(stage, ann)
        self.look_at_static_files(stage, ann)
        ann.sign_up("ann")
        cookies = {name: bool(cookie["secure"]) for name, cookie in ann.jar.items()}
        logged_in = any(name.endswith("sessionid") for name in cookies)
        stage.expect(logged_in, f"a session after signing up; cookies: {cookies}")
        stage.note(f"cookies {', '.join(f'`{name}`' for name in sorted(cookies))}, all secure")
        stage.expect(all(cookies.values()), f"cookies for TLS alone, but they are {cookies}")
        with ann.join("lobby") as first, bob.join("lobby") as second:
            frame = say_and_hear(first, [first, second], "hello from ann", "eve")
            stage.expect(frame["handle"] == "ann", f"the account's name, not {frame['handle']!r}")
            say_and_hear(second, [first, second], "hello from bob", "bob")
        stage.note("both heard both")
        try:
            bob.connect("/chat/lobby/", "https://elsewhere.example.com").close()
            stage.expect(False, "a refusal for a page of another site, but it got a socket")
        except InvalidStatus as refused:
            status = refused.response.status_code
            stage.note(f"a page of another site gets {status}")
            stage.expect(status == 403, f"403 for a page of another site, not {status}")
        said = stage.chat.dynos["web"][0].process.output
        stage.expect("127.0.0.1" in said, "the client's address in the log of the web dyno")
        stage.expect("203.0.113.7" not in said, "no forged address in the log of the web dyno")

    @staticmethod
    def look_at_pages(stage: Stage, guest: Guest) -> None:
        """Request pages by http, by https, and by https with forged headers."""
        plain = guest.ask("GET", "/lobby/", plain=True)
        there = plain.headers.get("Location")
        stage.note(f"http: {plain.status} to https")
        stage.expect(
            plain.status == 301 and there == f"https://{HOST}/lobby/",
            f"301 to https://{HOST}/lobby/, not {plain.status} to {there}",
        )
        secure = guest.get("/lobby/", **FORGED)
        lasts = secure.headers.get("Strict-Transport-Security", "")
        stage.note(f"https: {secure.status}, HSTS `{lasts}`, forged headers not believed")
        stage.expect(secure.status == 200, f"a page, whatever a client forges: {secure.status}")
        stage.expect("max-age=" in lasts, f"HSTS, not {lasts!r}")

    @staticmethod
    def look_at_static_files(stage: Stage, guest: Guest) -> None:
        """Fetch what the page loads."""
        page = guest.get("/lobby/").body
        names = re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page)
        for name in names:
            answer = guest.get(name, Accept_Encoding="gzip")
            kept = answer.headers.get("Cache-Control", "")
            packed = answer.headers.get("Content-Encoding", "")
            stage.expect(HASHED.search(name) is not None, f"a hash in {name}")
            stage.expect(packed == "gzip", f"{name} compressed, not {packed!r}")
            stage.expect(FOREVER in kept, f"{name} to be kept for ever, not {kept!r}")
        stage.note(f"{len(names)} static files of the page: hashed, compressed, kept for ever")
        stage.expect(bool(names), "static files in the page, but there is none")


class Idle(Step):
    """What the platform's Redis does to idle connections."""

    name = "idle"
    description = "Redis closes connections that were idle; its time-out is 2 s here, not 300"

    #: How long nobody talks (s). Redis checks connections from time to time.
    SILENCE = 8.0

    def play(self, stage: Stage) -> None:
        """Be silent for longer than the time-out, then continue on the same sockets."""
        ann, bob = Guest(stage.site.router), Guest(stage.site.router)
        with ann.join("quiet") as first, bob.join("quiet") as second:
            say_and_hear(first, [first, second], "before", "carol")
            with stage.site.key_value.client() as client:
                before = stage.site.key_value.connections(client)
                client.config_set("timeout", 2)
                stage.hold(self.SILENCE)
                client.config_set("timeout", 300)
                cut = before - stage.site.key_value.connections(client)
            say_and_hear(first, [first, second], "afterwards", "carol")
        stage.note(
            f"{self.SILENCE:g} s of silence: {len(cut)} of {len(before)} connections were closed"
        )
        stage.note("both sockets are the same, both heard the next message")
