"""The Client under Node.js with envelope consumers of real servers and workers."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from labs.harness.processes import Process, Processes
from labs.harness.relay import Relay
from tests.client.conftest import NODE
from tests.conftest import StartWeb, StartWorker
from tests.processes.tokens import SECRET

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.processes.enveloped"}

#: How many numbers are said.
COUNT = 200

#: What all scripts begin with: `connect(seconds)` returns a Client whose tokens last so long.
COMMON = """
import { createHmac } from "node:crypto";
import { Client } from "channels-workers";

const [url, secret, sub] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" "));
let tokens = 0;

function token(seconds) {
  say("token", ++tokens);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Date.now() / 1_000 + seconds;
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub, exp })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

function connect(seconds, options) {
  const client = new Client(url, {
    token: async () => token(seconds),
    firstDelay: 50,
    longestDelay: 500,
    ...options,
  });
  client.on("state", ({ name, code, resumed, gap }) => {
    say("state", name, code ?? "");
    if (resumed) say("resumed", gap ? "gap" : "");
  });
  client.on("error", (error) => say("error", error.code, error.message));
  client.open();
  return client;
}
"""

#: Says each number, and ends when all have come back.
SPEAK = """
const [resume, idempotent] = process.argv.slice(5).map(Number);
const client = connect(3_600, { heartbeat: 1_000, resume: Boolean(resume) });
const news = client.join("news");
news.on("gap", () => say("gap"));
news.on("message", ({ payload }) => say("heard", payload));
client.on("held", ({ entry }) => say("held", entry.content.payload));
client.on("ack", ({ content }) => say("ack", content.payload));

let said = 0;
let asked = 0;
const speaking = setInterval(async () => {
  if (++said <= COUNT) client.stream("say").sendReliably(said);
  else if (!client.outbox.size && !asked) return clearInterval(speaking), end();
  if (said % 10) return;
  asked++;
  const number = said;
  const options = { timeout: 60_000, idempotent: Boolean(idempotent) };
  const doubled = await client.stream("double").request(number, options);
  say("doubled", number, doubled);
  asked--;
}, 20);

async function end() {
  // What was said before has been sent to the group when this is answered.
  await client.stream("double").request(0);
  setTimeout(() => client.close(), 500);
}
"""

#: Stays connected while its token is renewed.
STAY = """
const client = connect(8);
while (tokens < 3) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  say("doubled", await client.stream("double").request(tokens));
}
client.close();
"""

#: Makes mistakes.
ERR = """
const client = connect(3_600, { frameSize: 1_000_000 });
const failed = (what) => (error) => say(what, error.code, JSON.stringify(error.fields));
await client.stream("double").request("no number").catch(failed("invalid"));
await client.stream("nothing").request(1).catch(failed("unknown"));
client.join("secret").on("error", failed("join"));
client.on("refused", ({ entry: { content }, error: { code } }) =>
  say("refused", content.payload.length, code));
client.stream("say").sendReliably("no number");
client.stream("say").sendReliably("x".repeat(300_000));
client.stream("say").sendReliably(7);
await new Promise((resolve) => client.on("ack", resolve));
const controller = new AbortController();
const asked = client.stream("double").request(1, { signal: controller.signal });
controller.abort();
await asked.catch(({ name }) => say(name));
say("doubled", await client.stream("double").request(4));
client.close();
"""

StartScript = Callable[..., Process]


@pytest.fixture
def start_script(installed: Path, start_process: Processes, user_key: str) -> StartScript:
    """Start a script under Node.js with the address of a server."""

    def start(code: str, url: str, *arguments: int) -> Process:
        script = installed / "envelopes.mjs"
        script.write_text(COMMON + code.replace("COUNT", str(COUNT)))
        command = [NODE, script, f"{url}/board/", SECRET, user_key, *map(str, arguments)]
        return start_process(command, cwd=installed)

    return start


def numbers(process: Process, word: str) -> list[int]:
    return [int(line.split()[1]) for line in process.lines if line.startswith(f"{word} ")]


def rows(environment: dict[str, str]) -> list[int]:
    file = environment["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as database:
        found = database.execute("SELECT label FROM chat_room ORDER BY id").fetchall()
    return [int(label.removeprefix("said-")) for (label,) in found]


@pytest.mark.parametrize("more", [{}, {"RESUME_TIME": "60"}], ids=["anew", "resumed"])
def test_each_message_takes_effect_and_comes_once_while_processes_are_killed(
    more: dict[str, str],
    start_script: StartScript,
    start_web: StartWeb,
    start_worker: StartWorker,
    chat_environment: dict[str, str],
) -> None:
    env = {**SETTINGS, **more}
    worker, server = start_worker(env=env), start_web(env=env)
    node = start_script(SPEAK, server.socket_url, int("RESUME_TIME" in more), 1)
    node.wait_for_line("heard 15$")
    worker.kill()
    start_worker(env=env)
    node.wait_for_line("heard 60$", timeout=60)
    server.process.kill()
    node.wait_for_line("state lost 1006")
    start_web(env=env, port=server.port)
    assert node.wait(timeout=60) == 0
    check_all_came_once(node, chat_environment)
    assert ("resumed gap" in node.lines) == ("RESUME_TIME" in more)


def test_a_resumed_connection_loses_no_request(
    start_script: StartScript,
    start_web: StartWeb,
    start_worker: StartWorker,
    chat_environment: dict[str, str],
) -> None:
    env = {**SETTINGS, "RESUME_TIME": "60"}
    start_worker(env=env)
    with Relay(start_web(env=env).port) as network:
        node = start_script(SPEAK, f"ws://127.0.0.1:{network.port}", 1, 0)
        for number in (20, 70, 120):
            node.wait_for_line(f"heard {number}$")
            network.cut()
        assert node.wait(timeout=60) == 0
    check_all_came_once(node, chat_environment)
    assert [line.strip() for line in node.lines if line.startswith("resumed")] == ["resumed"] * 3


def check_all_came_once(node: Process, chat_environment: dict[str, str]) -> None:
    everything = list(range(1, COUNT + 1))
    assert sorted(rows(chat_environment)) == everything
    assert sorted(numbers(node, "ack")) == everything
    heard = numbers(node, "heard")
    assert sorted(heard) == everything
    assert heard == rows(chat_environment)
    assert numbers(node, "held")
    doubled = dict(line.split()[1:] for line in node.lines if line.startswith("doubled "))
    assert {int(key): int(value) for key, value in doubled.items()} == {
        number: number * 2 for number in numbers(node, "doubled")
    }
    assert set(range(10, COUNT + 1, 10)) <= set(numbers(node, "doubled"))
    assert "gap" not in node.lines


def test_a_token_is_renewed_on_the_same_connection(
    start_script: StartScript, start_web: StartWeb, start_worker: StartWorker
) -> None:
    start_worker(env=SETTINGS)
    node = start_script(STAY, start_web(env=SETTINGS).socket_url)
    assert node.wait(timeout=60) == 0
    states = [line.split()[1] for line in node.lines if line.startswith("state ")]
    assert states == ["connecting", "open", "closed"]
    assert numbers(node, "token") == [1, 2, 3]
    assert not [line for line in node.lines if line.startswith("error")]


def test_errors_of_the_server_reach_what_they_are_about(
    start_script: StartScript, start_web: StartWeb, start_worker: StartWorker
) -> None:
    start_worker(env=SETTINGS)
    node = start_script(ERR, start_web(env=SETTINGS).socket_url)
    assert node.wait(timeout=60) == 0
    found = {line.split()[0]: line for line in node.lines}
    assert found["invalid"].startswith("invalid invalid ")
    fields: list[dict[str, Any]] = json.loads(found["invalid"].split(" ", 2)[2])
    assert [each["field"] for each in fields] == ["payload"]
    assert found["unknown"].startswith("unknown unknown ")
    assert found["join"].startswith("join denied ")
    refused = [line for line in node.lines if line.startswith("refused ")]
    assert refused == ["refused 9 invalid", "refused 300000 too_large"]
    assert "AbortError" in found
    assert found["doubled"] == "doubled 8"
