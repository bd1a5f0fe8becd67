"""Requests that workers answer: mistakes, deaths and large bodies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from labs.genuine.comparison.bodies import filler
from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    TIMEOUT,
    patience,
    start,
    start_worker,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.pages import Pages
from labs.genuine.comparison.requests import Asked
from labs.genuine.comparison.site import Site
from labs.harness.waiting import wait_for

REQUESTS = replace(DIFFERENCES, workers={"HTTP": "workers", "REQUEST_BODY_SIZE": 8_000_000})
UNATTENDED = replace(DIFFERENCES, workers={"HTTP": "workers", "REQUEST_WAIT_TIMEOUT": 1.0})

#: More than DATA_UPLOAD_MAX_MEMORY_SIZE of Django (bytes).
LARGE_BODY = 3_000_000


def get(site: Site, path: str, timeout: float = TIMEOUT) -> Seen:
    """Request the page at *path*."""
    try:
        answer = Pages(site.port).request(path, timeout=timeout)
    except TimeoutError:
        return Seen("lets the client wait")
    return Seen("answers " + answer.split()[1], answer)


def observe_mistake(site: Site) -> Seen:
    """Request a page whose consumer raises before its answer."""
    start(site)
    return get(site, "/fails/", patience(site))


def observe_nobody(site: Site) -> Seen:
    """Request a page while there is no worker."""
    site.start_server()
    return get(site, "/page/", patience(site))


def observe_later(site: Site) -> Seen:
    """Request a page whose view leaves the answer to a consumer."""
    start(site)
    return get(site, "/later/")


def observe_death(site: Site) -> Seen:
    """Kill the worker in a view, and start another one."""

    def has_begun() -> bool:
        return bool(site.database.rows(["auth_user"])["auth_user"])

    worker = start(site)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, site, "/slow/", 3 * patience(site))
        wait_for(has_begun, site.describe, TIMEOUT)
        worker.kill()
        start_worker(site)
        return answer.result()


def observe_head(site: Site) -> Seen:
    """Ask for the head of a long answer, and then for another page on the same connection."""
    start(site)
    requests = Pages(site.port).requests
    requests.ask(Asked("HEAD", "/long/"))
    answer = requests.ask(Asked("GET", "/page/"))
    is_good = answer.startswith("answer 200")
    what = "sends the head alone" if is_good else "sends the body, too"
    return Seen(what, f"the next request: {answer.splitlines()[0]}")


def observe_large(site: Site) -> Seen:
    """Send a body that Django does not keep in memory."""
    start(site)
    asked = Asked("PUT", "/measure/", (), filler(LARGE_BODY))
    answer = Pages(site.port).requests.ask(asked)
    return Seen("answers " + answer.split()[1])


MISTAKE = OnPurpose(
    name="mistake-in-a-request",
    reason="A consumer of http.request that raises before its answer is answered 500 at once. In "
    "1.1.8 the client waits until Daphne answers 503, after 120 s.",
    genuine="lets the client wait",
    ours="answers 500",
    application=REQUESTS,
    observe=observe_mistake,
)
NOBODY = OnPurpose(
    name="requests-without-workers",
    reason="With HTTP by workers, a request that no worker takes within REQUEST_WAIT_TIMEOUT "
    "(10 s; 1 s here) is taken back and answered 503. In 1.1.8 Daphne answers it after 120 s.",
    genuine="lets the client wait",
    ours="answers 503",
    application=UNATTENDED,
    observe=observe_nobody,
)
DIES = OnPurpose(
    name="worker-dies-in-a-request",
    reason="A GET whose worker dies runs again on another one. A POST does not, and is answered "
    "502. In 1.1.8 both are lost.",
    genuine="lets the client wait",
    ours="answers 200",
    application=REQUESTS,
    observe=observe_death,
)
LATER = OnPurpose(
    name="response-later",
    reason="A view may raise ResponseLater under any Django. 1.1.8 supports this up to Django "
    "1.11; Django 2.2 takes it for a mistake.",
    genuine="answers 500",
    ours="answers 200",
    application=REQUESTS,
    observe=observe_later,
)
HEAD = OnPurpose(
    name="head-of-a-long-answer",
    reason="The answer to HEAD has no body. Daphne 1.4.2 sends all messages of it but the first, "
    "and the connection is of no use afterwards.",
    genuine="sends the body, too",
    ours="sends the head alone",
    application=REQUESTS,
    observe=observe_head,
)
LARGE = OnPurpose(
    name="body-beyond-memory",
    reason="DATA_UPLOAD_MAX_MEMORY_SIZE holds for request.body. 1.1.8 has read all of it before.",
    genuine="answers 200",
    ours="answers 400",
    application=REQUESTS,
    observe=observe_large,
)
