"""Requests that workers answer, when a worker, a client or Redis goes."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from labs.faults.bodies import PIECE, body
from labs.faults.cases.redis_lost import lose_data
from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.requester import Requester, Uploader
from labs.faults.site import Setting
from labs.faults.stage import Stage
from labs.harness.waiting import wait_for

#: CHANNEL_WORKERS: workers answer, and bodies may be large.
LIMITS = {"HTTP": "workers", "REQUEST_BODY_SIZE": 16 * 2**20}

#: How long a download takes, in pieces and pauses (s): 6 MiB in 8 s.
PIECES, PAUSE = 400, 0.02

#: Bytes of an upload.
UPLOAD = 4 * 2**20

#: Time-out until all requests have ended (s).
ENDED = 45.0

#: The status of a request that ran and must not run again.
BAD_GATEWAY = 502


class OfRequests(Fault):
    """A fault of a site whose workers answer HTTP, beside its sockets."""

    servers = ("daphne", "uvicorn")
    calm_timeout = 45.0

    def setting(self, folder: Path) -> Setting:
        """A site with HTTP by workers."""
        return Setting(servers=self.servers, limits=LIMITS)


class RequestKilled(OfRequests):
    """SIGKILL to workers that run views for GET and for POST."""

    name = "request-killed"
    description = "kill -9 of one or two workers in the middle of GETs and POSTs"

    def inject(self, stage: Stage) -> None:
        """Keep workers busy with requests, kill some of them, and look at all answers."""
        asked = [
            Requester(stage.site.servers[number % 2], method, f"/work/{method}{number}/?seconds=3")
            for number in range(4)
            for method in ("GET", "POST")
        ]
        wait_for(lambda: len(requests(stage)) == len(asked), "views that take a while")
        cut = kill_both(stage)
        wait_until_done(asked)
        stage.note(f"{len(cut)} requests were in flight in what was killed")
        for one in asked:
            key = one.path.split("/")[2]
            runs = begun(stage, key)
            is_lost = key in cut and key.startswith("POST")
            wanted = BAD_GATEWAY if is_lost else 200
            stage.expect(one.status == wanted, f"{one.describe()}, not {wanted}")
            most = 1 if key.startswith("POST") or key not in cut else 2
            stage.expect(runs == most, f"{key} ran {runs} times, not {most}")


class StreamKilled(OfRequests):
    """SIGKILL to a worker in the middle of streaming responses."""

    name = "stream-killed"
    description = "kill -9 of a worker in the middle of downloads"

    def inject(self, stage: Stage) -> None:
        """Begin downloads, and kill a worker that sends one."""
        asked = download(stage, 4)
        victim = stage.busiest_worker()
        cut = {key for process, key in requests(stage) if process == victim.pid}
        victim.signal(signal.SIGKILL)
        stage.mark_fault(victim)
        victim.wait()
        wait_until_done(asked)
        stage.expect(bool(cut), "no download was running in it")
        for one in asked:
            is_cut = one.path.split("/")[2] in cut
            stage.expect(is_right_as_far_as_it_goes(one), f"wrong bytes: {one.describe()}")
            stage.expect(one.is_whole is not is_cut, f"{one.describe()}; cut: {is_cut}")


class DownloadEmptied(OfRequests):
    """SIGKILL to Redis, which restarts empty, in the middle of downloads."""

    name = "download-redis-emptied"
    description = "Redis is killed and comes back empty in the middle of downloads"

    def inject(self, stage: Stage) -> None:
        """Begin downloads, and empty Redis."""
        asked = download(stage, 4)
        lose_data(stage)
        wait_until_done(asked)
        stage.note(f"{sum(one.is_whole for one in asked)} of {len(asked)} were whole")
        for one in asked:
            stage.expect(is_right_as_far_as_it_goes(one), f"wrong bytes: {one.describe()}")
            whole = len(one.received) == PIECES * PIECE
            stage.expect(whole or not one.is_whole, f"short, and no error: {one.describe()}")


class UploadersGone(OfRequests):
    """Clients leave before all of their upload is sent, or while a view reads it."""

    name = "uploaders-gone"
    description = "clients leave in the middle of an upload, 40 times"

    def inject(self, stage: Stage) -> None:
        """Let 20 leave before the server has all, and 20 while their views read."""
        before = spooled(stage)
        stage.count_from_now()
        for number in range(40):
            key = f"up{number}"
            sent = UPLOAD if number < 20 else UPLOAD // 2
            server = stage.site.servers[number % 2]
            uploader = Uploader(server, f"/upload/{key}/?seconds=0.01", UPLOAD, sent)
            if sent == UPLOAD:
                wait_for(partial(begun, stage, key), f"the view of {key}")
            uploader.leave()
        stage.expect_soon(lambda: spooled(stage) <= before, lambda: "no body in a file", ENDED)
        stage.expect_soon(lambda: not requests(stage), lambda: "the end of the views", ENDED)
        runs = sum(begun(stage, f"up{number}") for number in range(40))
        stage.expect(runs == 20, f"{runs} views ran, not 20")

    def check(self, stage: Stage) -> None:
        """Look for records of clients that have left."""
        joined = stage.traffic.status().joined

        def what() -> str:
            return f"{joined} records, not {stage.records()}"

        stage.expect_soon(lambda: stage.records() == joined, what, 10)


def download(stage: Stage, count: int) -> Sequence[Requester]:
    """Begin downloads, of which each client has a part."""
    asked = [
        Requester(
            stage.site.servers[number % 2],
            "GET",
            f"/download/get{number}/?pieces={PIECES}&seconds={PAUSE}",
        )
        for number in range(count)
    ]
    wait_for(lambda: all(len(one.received) > PIECE for one in asked), "downloads")
    return asked


def wait_until_done(asked: Sequence[Requester]) -> None:
    """Wait until all have ended."""

    def what() -> str:
        return "; ".join(one.describe() for one in asked if not one.is_done)

    wait_for(lambda: all(one.is_done for one in asked), what, ENDED)


def is_right_as_far_as_it_goes(one: Requester) -> bool:
    """Whether what was received is the beginning of the download."""
    return body(PIECES).startswith(one.received)


def requests(stage: Stage) -> list[tuple[int, str]]:
    """Return the process and key of each view that runs in a living worker."""
    living = {worker.pid for worker in stage.site.workers if worker.is_running}
    runs = [run for run in stage.running() if run.channel == "request"]
    return [(run.process, run.key) for run in runs if run.process in living]


def kill_both(stage: Stage) -> set[str]:
    """Kill a worker that runs a GET, and one that runs a POST; return the keys of all they ran."""
    running = requests(stage)
    pids = {
        next(process for process, key in running if key.startswith(method))
        for method in ("GET", "POST")
    }
    for victim in [worker for worker in stage.site.workers if worker.pid in pids]:
        victim.signal(signal.SIGKILL)
        stage.mark_fault(victim)
        victim.wait()
    return {key for process, key in running if process in pids}


def begun(stage: Stage, key: str) -> int:
    """Return how often the view with this key began to run."""
    return sum(run.key == key for run in read_runs(stage.site.folder))


def spooled(stage: Stage) -> int:
    """Return how many deleted files servers have open, such as the bodies of requests."""
    found = 0
    for server in stage.site.servers:
        for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
            with suppress(OSError):
                found += link.readlink().name.endswith("(deleted)")
    return found
