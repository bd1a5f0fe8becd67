"""The types of `manage.py asyncapi --typescript` with the Client, in TypeScript."""

import subprocess
import sys
from pathlib import Path

from labs.harness.commands import run
from labs.harness.project import ROOT
from tests.client.conftest import NODE

TSC = ROOT / "client" / "node_modules" / "typescript" / "bin" / "tsc"
OPTIONS = "--strict --noEmit --target es2022 --module nodenext --noUnusedLocals --lib es2022,dom"

#: Uses the types. The lines after @ts-expect-error must be mistakes.
USES = """
import { Client } from "channels-workers";
import type { Message } from "channels-workers";
import type {
  BoardFromServer, BoardToServer, DoubleReplyInt, DoubleRequestInt, SayMessageInt,
} from "./types.js";

const client = new Client("/board/");
type Question = DoubleRequestInt["payload"];
const double = client.stream<never, Question, DoubleReplyInt["payload"]>("double");
const say = client.stream<SayMessageInt["payload"], SayMessageInt["payload"]>("say");

say.on("message", ({ payload }) => payload.toFixed());
// @ts-expect-error  a number has no such method
say.on("message", ({ payload }) => payload.trim());
say.sendReliably(7);
// @ts-expect-error  a text is no number
say.send("seven");
export const twice: Promise<number> = double.request(3);
// @ts-expect-error  a text is no number
double.request("three");

// What the client sends, and what it passes on, are frames of the document.
type Sent = Extract<BoardToServer, { stream: "say"; type?: "message" }>;
export const sent: Sent = { stream: "say", payload: 7, nonce: "a" };
type Heard = Extract<BoardFromServer, { stream: "say" }>;
export const heard = (frame: Heard): Message<number> => frame;
type Codes = Extract<BoardFromServer, { type: "error" }>["code"];
client.on("error", (error) => { const code: Codes = error.code; return code; });
"""


def test_the_types_of_a_site_are_those_of_the_client(installed: Path) -> None:
    folder = installed / "typed"
    folder.mkdir()
    (folder / "package.json").write_text('{"type": "module"}')
    command = (sys.executable, "manage.py", "asyncapi", "--typescript")
    env = {"DJANGO_SETTINGS_MODULE": "tests.processes.enveloped"}
    (folder / "types.ts").write_bytes(run(*command, cwd=ROOT, env=env))
    (folder / "uses.ts").write_text(USES)
    checked = subprocess.run(
        [NODE, TSC, *OPTIONS.split(), "uses.ts"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.stdout == ""
    assert checked.returncode == 0
