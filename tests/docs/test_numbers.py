"""Numbers that pages quote from the code."""

import re

import pytest

from channels_workers.conf import Configuration
from channels_workers.interface import application, cookies, health
from channels_workers.interface.servers.daphne import autobahn
from channels_workers.layers import liveness
from channels_workers.layers.redis import admin, registration, session
from channels_workers.management.commands import runserver
from channels_workers.session_stores import LONGEST_KEY
from channels_workers.worker import pace, reaper, retries
from chat import consumers, frames, lobby, names, views
from labs.harness.project import ROOT
from tests.docs.pages import page

LUA = ROOT / "channels_workers" / "layers" / "redis" / "lua"
WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}


def of_script(module: str, name: str) -> float:
    """A time in a script of pages (s)."""
    text = (ROOT / f"{module}.js").read_text()
    found = re.search(rf"(?:const {name} =|{name}:) ([\d_]+)[;,]", text)
    assert found
    return int(found[1].replace("_", "")) / 1000


def of_lua(script: str, name: str) -> int:
    found = re.search(rf"local {name} = (\d+)", (LUA / f"{script}.lua").read_text())
    assert found
    return int(found[1])


WAITS = [
    min(retries.LONGEST_WAIT, retries.FIRST_WAIT * 2**number)
    for number in range(retries.MAX_RETRIES)
]

#: The page, a pattern with the numbers in brackets, and their values.
NUMBERS = [
    ("explanation/architecture", r"Every (\w+) seconds", reaper.SEARCH_INTERVAL),
    ("explanation/architecture", r"heartbeat has not moved for (\w+) seconds", liveness.DEAD_AFTER),
    (
        "explanation/architecture",
        r"publishes, commits and sends pause for (\w+) seconds",
        registration.RECOVERY_TIME,
    ),
    ("explanation/architecture", r"waits at most (\d+) ms", pace.BATCH_WINDOW * 1000),
    ("explanation/architecture", r"pulls up to (\d+) messages at once", pace.BATCH_SIZE),
    (
        "reference/redis",
        r"entries of up to ([\d,]+) operations",
        of_lua("lib/outbox", "pairs_per_entry"),
    ),
    ("reference/redis", r"ids of the last ([\d,]+) processes", admin.DEAD_REMEMBERED),
    (
        "explanation/guarantees",
        r"which are (\w+) heartbeat intervals",
        liveness.DEAD_AFTER / session.HEARTBEAT_INTERVAL,
    ),
    ("reference/sending", r"The first wait\s+is ([\d.]+) s", WAITS[0]),
    ("reference/sending", r"twice as long, up to (\d+) s", max(WAITS)),
    ("reference/sending", r"After (\d+) more runs", len(WAITS)),
    ("reference/sending", r"more runs, or ([\d.]+) s", int(sum(WAITS) * 10) / 10),
    ("reference/commands", r"Daphne's `runserver` with (\w+) worker threads", runserver.THREADS),
    (
        "reference/close-codes",
        r"A client has (\w+) seconds to answer",
        autobahn.CLOSE_HANDSHAKE_TIMEOUT,
    ),
    ("how-to/authenticate", r"escapes and more than ([\d,]+) bytes", cookies.LONGEST_ESCAPED),
    ("how-to/authenticate", r"a space, or more than (\d+) characters\)", LONGEST_KEY),
    (
        "how-to/exactly-once-sql",
        r"`HANDSHAKE_TIMEOUT` of (\d+) s",
        Configuration().HANDSHAKE_TIMEOUT,
    ),
    ("reference/sending", r"`HANDSHAKE_TIMEOUT` of (\d+) s", Configuration().HANDSHAKE_TIMEOUT),
    ("how-to/scale", r"waits up to (\d+) s for clients to answer", application.CLOSE_TIMEOUT),
    ("how-to/scale", r"running ones may finish within (\d+) s", application.DRAIN_TIMEOUT),
    ("how-to/monitor", r"without a result after (\d+) s", health.TIMEOUT),
    ("how-to/monitor", r"its heartbeat has stood still for (\d+) s", liveness.DEAD_AFTER),
    ("chat/socket", r"forwards one in (\d+) s", consumers.TYPING_PAUSE),
    ("chat/index", r"with the last (\d+) messages", views.LAST),
    ("chat/index", r"up to (\d+) before that id", views.OLDER),
    ("chat/index", r"up to (\d+) after that id", views.NEWER),
    ("chat/socket", r"1 to (\d+) characters, unique among your messages", frames.NONCE_LENGTH),
    ("chat/index", r"any name of up to (\d+) characters", names.NAME_LENGTH),
    ("chat/socket", r"first frame has up to (\d+) rooms", lobby.ROOMS),
    ("chat/socket", r"`handles` are up to (\d+) names", lobby.HANDLES),
    ("chat/socket", r"at most every\s+(\d+) s", lobby.PAUSE.total_seconds()),
    ("chat/socket", r"\(the page waits (\d+) s\)", of_script("chat/client/room", "STALE")),
    (
        "chat/socket",
        r"\(the page: 1 to (\d+) s",
        of_script("client/src/connection", "longestDelay"),
    ),
    ("chat/socket", r"Show it for (\d+) s", of_script("chat/client/activity", "TYPING")),
]


@pytest.mark.parametrize(("name", "pattern", "number"), NUMBERS, ids=lambda one: str(one)[:60])
def test_a_quoted_number_is_that_of_the_code(name: str, pattern: str, number: float) -> None:
    text = " ".join(page(name).text.split())
    found = re.findall(pattern.replace(r"\s+", " "), text)
    assert found, f"{pattern!r} is not in docs/{name}.md: change the pattern here with the sentence"
    for one in found:
        assert float(WORDS.get(one, one.replace(",", ""))) == number


def test_only_what_consumers_are_told_ends_and_histories_have_a_time_to_live() -> None:
    """As the pages say about Redis and groups."""
    pattern = re.compile(r'"(?:P?EXPIRE(?:AT)?|P?SETEX|EX|PX)", .*')
    texts = {file.name: file.read_text() for file in LUA.rglob("*.lua")}
    del texts["permissions.lua"]
    found = {name: pattern.findall(text) for name, text in texts.items() if pattern.search(text)}
    assert found == {
        "tell.lua": ['"PEXPIRE", told_key(reply), 60000)'],
        "connection.lua": ['"PEXPIRE", ended_key(server), 3600000)'],
        "nudge_relay.lua": ['"PEXPIRE", key, 60000)'],
        "history.lua": [
            '"PEXPIRE", histories, whole(expires - time))',
            '"PEXPIRE", history_order, whole(expires - time))',
            '"PEXPIRE", key, limits.age) end',
        ],
    }
    assert (
        "Only `told:`, `ended:`, `nudge:` and the keys of histories have a time to live."
        in page("reference/redis").text
    )


def test_most_modules_have_a_test_file_of_their_name() -> None:
    modules = [file.stem for file in (ROOT / "channels_workers").rglob("*.py")]
    modules = [name for name in modules if not name.startswith("__")]
    tests = {file.stem for file in (ROOT / "tests").rglob("test_*.py")}
    named = [name for name in modules if f"test_{name}" in tests]
    assert len(modules) / 2 < len(named) < len(modules)
    assert "most modules have a test file of their name" in page("project/developing").text


@pytest.mark.parametrize(("key", "readers"), [("KEYS[2]", ["epoch.lua"]), ("KEYS[3]", ["log.lua"])])
def test_further_keys_are_passed_to_scripts_and_few_includes_read_them(
    key: str, readers: list[str]
) -> None:
    files = {file.name: file.read_text() for file in LUA.rglob("*.lua")}
    code = {name: re.sub("^--.*", "", text, flags=re.MULTILINE) for name, text in files.items()}
    assert sorted(name for name, text in code.items() if key in text) == readers
    assert f"`{key}`" in page("project/developing").text
