"""Conversations with pages that workers answer: consumers of http.request, and views."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.conversations.login import account
from labs.genuine.comparison.steps import (
    Close,
    Connect,
    Conversation,
    Get,
    Leave,
    Post,
    Put,
    Request,
    Step,
    Text,
    Upload,
    Wait,
)

FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def send_form(client: str, path: str, **fields: str) -> Request:
    """Return the request that sends a form."""
    return Request(client, path, "POST", FORM, urlencode(fields).encode())


# HEAD is only for answers of one message: Daphne 1.4.2 sends the later ones although there is no
# body, which `head-of-a-long-answer` shows. Twisted refuses a form that it cannot parse, so there
# is none.

CONSUMERS_ANSWER: Conversation = (
    Request("ann", "/answers/cookies/"),
    Request("ann", "/answers/chunks/"),
    Request("ann", "/answers/cookies/", "HEAD"),
    Request("ann", "/answers/status/201/"),
    Request("ann", "/answers/status/404/"),
    Request("ann", "/answers/status/503/"),
    Request("ann", "/answers/at-once/", "POST"),
    Request("ann", "/answers/at-once/"),
    Request("ann", "/answers/nowhere/"),
)

WHAT_CONSUMERS_SEE: Conversation = (
    Request("ann", "/answers/keys/"),
    Request("ann", "/answers/keys/a%20b/%C3%BC/?a=1&b=%20&a=2"),
    Request("ann", "/answers/keys/", "POST", (("X-A", "1"), ("x-b", "two"), ("X-A", "3")), b"body"),
    Request("ann", "/answers/keys/", "DELETE"),
    Request("ann", "/answers/keys/", "PATCH", (), b"\x00\xff"),
    Request("ann", "/answers/request/", "GET", (("Cookie", "a=1; b=2"),)),
    Request("ann", "/answers/request/sub/?x=1&x=2&y="),
    send_form("ann", "/answers/request/?x=1", text="Grüße 👋🏽"),
)

ANOTHER_ANSWERS: Conversation = (
    Request("ann", "/answers/later/?one"),
    Request("bob", "/answers/later/"),
    Request("ann", "/answers/later/?two"),
)

SESSIONS_OF_VIEWS: Conversation = (
    Request("ann", "/answers/session/"),
    Request("ann", "/answers/user/"),
    Request("ann", "/count/"),
    Request("ann", "/answers/session/"),
    Request("ann", "/count/"),
    Request("ann", "/answers/session/"),
    Request("bob", "/count/"),
    *account("bob", "bob"),
    Request("bob", "/answers/user/"),
    Post("bob", "/logout/"),
    Request("bob", "/answers/user/"),
    Get("bob", "/colour/"),
)

VIEWS_ANSWER: Conversation = (
    Request("ann", "/show/"),
    Request("ann", "/show/?a=1&b=%C3%BC&a=2", "GET", (("X-A", "1"), ("X-A", "2"), ("X-B", "ü"))),
    Request("ann", "/show/", "HEAD"),
    Request("ann", "/show/", "OPTIONS"),
    Request("ann", "/views/a%20b,%20%C3%BC/"),
    Request("ann", "/moved/"),
    Request("ann", "/empty/"),
    Request("ann", "/unchanged/"),
    Request("ann", "/only-read/"),
    Request("ann", "/only-read/", "OPTIONS"),
    Request("ann", "/forbidden/"),
    Request("ann", "/missing/"),
    Request("ann", "/nowhere/"),
    Request("ann", "/mistake/"),
    Request("ann", "/mistake/", "HEAD"),
    Request("ann", "/guarded/"),
    send_form("ann", "/guarded/"),
    Request("ann", "/show/", "GET", (("Host", "other.example"),)),
)

FORMS: Conversation = (
    send_form("ann", "/notes/", text="Grüße & more = 👋🏽"),
    Request("ann", "/notes/"),
    send_form("bob", "/notes/"),
    Request("bob", "/notes/", "HEAD"),
    Request("bob", "/notes/", "POST", FORM, b"text=%FF&text=second"),
    Request("bob", "/notes/"),
    Request("bob", "/notes/", "POST", (("Content-Type", "text/plain"),), b"text=not+a+form"),
)

UPLOADS: Conversation = (
    Upload("ann", "/upload/", 10, "small"),
    Upload("ann", "/upload/", 64 * 1024, "at a limit"),
    Upload("ann", "/upload/", 300_000, "Grüße"),
    Upload("ann", "/upload/", 3_000_000, "larger than Django's memory"),
    Upload("bob", "/upload/", 0, "empty"),
    send_form("bob", "/upload/", title="no file"),
    Put("bob", "/raw/", 0),
    Put("bob", "/raw/", 65_536),
    Put("bob", "/raw/", 65_537),
    Put("bob", "/raw/", 1_500_000),
    Put("bob", "/raw/?pieces", 1_500_000),
    Put("bob", "/raw/", 2_500_000),
    Put("bob", "/raw/?pieces", 3_000_000),
    Put("bob", "/answers/keys/", 100),
)

LONG_ANSWERS: Conversation = (
    Request("ann", "/stream/0/"),
    Request("ann", "/stream/1/"),
    Request("ann", "/stream/200/"),
    Request("ann", "/stream/0/", "HEAD"),
    Request("ann", "/big/0/"),
    Request("ann", "/big/16/"),
    Request("ann", "/big/17/"),
    Request("ann", "/big/200/"),
    Request("ann", "/big/30/", "HEAD"),
    Request("ann", "/file/"),
    Request("ann", "/show/"),
)

CONDITIONS: Conversation = (
    Request("ann", "/edition/"),
    Request("ann", "/edition/", "GET", (("If-None-Match", '"edition-1"'),)),
    Request("ann", "/edition/", "GET", (("If-None-Match", '"edition-0"'),)),
    Request("ann", "/edition/", "HEAD", (("If-None-Match", "*"),)),
    Request("ann", "/edition/", "PUT", (("If-Match", '"edition-0"'),)),
    Request("ann", "/dated/"),
    Request("ann", "/dated/", "GET", (("If-Modified-Since", "Sat, 01 Apr 2017 00:00:00 GMT"),)),
    Request("ann", "/dated/", "GET", (("If-Modified-Since", "Fri, 31 Mar 2017 00:00:00 GMT"),)),
)

COOKIES: Conversation = (
    Request("ann", "/cookies/"),
    send_form("ann", "/cookies/", colour="green"),
    Request("ann", "/cookies/"),
    Request("ann", "/answers/cookies/"),
    Request("ann", "/cookies/"),
    send_form("ann", "/cookies/", colour='"a; b"'),
    Request("ann", "/cookies/"),
)

STATIC_FILES: Conversation = (
    Request("ann", "/static/pages/page.css"),
    Request("ann", "/static/pages/page.css", "HEAD"),
    Request(
        "ann",
        "/static/pages/page.css",
        "GET",
        (("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),),
    ),
    Request("ann", "/static/pages/none.css"),
)

LONG_POLLS: Conversation = (
    Connect("cem", "/"),
    Wait("ann", "/topics/wait/tea/"),
    Wait("bob", "/topics/wait/tea/"),
    Text("cem", "coffee: nobody waits"),
    Text("cem", "tea: Grüße 👋🏽"),
    Text("cem", "tea: nobody waits any more"),
    Wait("ann", "/topics/wait/tea/"),
    Wait("bob", "/topics/wait/coffee/"),
    Leave("ann"),
    Text("cem", "tea: ann left"),
    Text("cem", "coffee: bob did not"),
)

FOLLOWING: Conversation = (
    Connect("cem", "/follow/"),
    Wait("ann", "/topics/follow/tea/"),
    Text("cem", "tea+: one, "),
    Wait("bob", "/topics/follow/tea/"),
    Text("cem", "tea+: two, "),
    Text("cem", "tea: three"),
    Wait("ann", "/topics/follow/tea/"),
    Text("cem", "tea+: one, "),
    Leave("ann"),
    Text("cem", "tea: nobody follows"),
)

#: Sends of a view wait until it returns, and its transaction is over.
VIEWS_SEND: Conversation = (
    Connect("cem", "/"),
    send_form("ann", "/store/", text="one"),
    send_form("ann", "/store/", text="two", fail="yes"),
    Request("ann", "/notes/"),
    Close("cem"),
    send_form("ann", "/store/", text="three"),
)

topics = st.sampled_from(("tea", "coffee"))
waits: st.SearchStrategy[Step] = st.builds(
    lambda client, topic: Wait(client, f"/topics/wait/{topic}/"), parts.clients, topics
)
leaves: st.SearchStrategy[Step] = st.builds(Leave, parts.clients)
requests: st.SearchStrategy[Step] = st.builds(
    Request,
    parts.clients,
    st.sampled_from(
        (
            *("/show/?a=1", "/answers/keys/?b=2", "/answers/chunks/", "/answers/later/?now"),
            *("/count/", "/answers/session/", "/cookies/", "/stream/20/", "/big/20/", "/nowhere/"),
        )
    ),
)
heads: st.SearchStrategy[Step] = st.builds(
    Request,
    parts.clients,
    st.sampled_from(("/notes/", "/edition/", "/answers/cookies/", "/big/20/")),
    st.just("HEAD"),
)
forms: st.SearchStrategy[Step] = st.builds(
    lambda client, path, text: send_form(client, path, text=text),
    parts.clients,
    st.sampled_from(("/notes/", "/store/", "/answers/request/")),
    parts.words,
)
sizes = st.sampled_from((0, 1, 1000, 65_535, 65_537, 262_144, 700_000))
uploads: st.SearchStrategy[Step] = st.builds(Upload, parts.clients, st.just("/upload/"), sizes)
puts: st.SearchStrategy[Step] = st.builds(
    Put, parts.clients, st.sampled_from(("/raw/", "/raw/?pieces")), sizes
)
tells = st.builds(lambda topic, text: f"{topic}: {text}", topics, parts.words)

APPLICATIONS = (
    Application(
        name="pages",
        package="pages",
        routing="pages.routing.channel_routing",
        shows="HTTP by workers: requests for consumers and views, uploads, streams, long polls",
        recorded={
            "consumers answer": CONSUMERS_ANSWER,
            "what consumers see": WHAT_CONSUMERS_SEE,
            "another answers": ANOTHER_ANSWERS,
            "sessions of views": SESSIONS_OF_VIEWS,
            "views answer": VIEWS_ANSWER,
            "forms": FORMS,
            "uploads": UPLOADS,
            "long answers": LONG_ANSWERS,
            "conditions": CONDITIONS,
            "cookies": COOKIES,
            "static files": STATIC_FILES,
            "long polls": LONG_POLLS,
            "following": FOLLOWING,
            "views send": VIEWS_SEND,
        },
        random=parts.conversations(
            parts.connects("/"),
            requests,
            requests,
            heads,
            forms,
            uploads,
            puts,
            waits,
            waits,
            leaves,
            parts.texts(tells),
            parts.texts(tells),
        ),
        tables=("pages_note", "pages_upload", "pages_gone"),
        urls="pages.urls",
        settings={"STATIC_URL": "/static/"},
        workers={"HTTP": "workers", "REQUEST_BODY_SIZE": 8 * 1024 * 1024},
    ),
)
