"""The JavaScript client: its own tests, its types, its package, and a real server under Node.js."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from labs.harness.processes import Processes
from labs.harness.project import ROOT
from labs.harness.relay import Relay
from tests.client.conftest import NODE
from tests.conftest import StartWeb, StartWorker
from tests.docs.pages import page

#: Bytes, bundled and compressed: of all of the client, and of a page with these names only.
LARGEST = 6 * 1024
#: The same of the fallbacks, which pages load when they need them.
LARGEST_TRANSPORTS = 4 * 1024
PARTS = {
    "Client": 6_016,
    "Connection": 1_536,
    "Connection, Outbox, watchWakeups": 2_560,
    "tokenProtocol": 256,
}

#: How many numbers the script says.
COUNT = 200

#: Says each number until it comes back, over as many sockets as that takes.
SAY = """
import { Connection, Outbox } from "channels-workers";

const outbox = new Outbox();
const connection = new Connection(process.argv[2], { firstDelay: 50, longestDelay: 500 });
const flush = () => outbox.flush(({ nonce, content }) =>
  connection.send(JSON.stringify({ nonce, content })));

connection.on("state", ({ name, code }) => {
  console.log(`state ${name} ${code ?? ""}`);
  if (name !== "open") return;
  outbox.rewind();
  flush();
});
connection.on("data", (text) => {
  const { nonce, content } = JSON.parse(text).said;
  if (outbox.remove(nonce)) console.log(`back ${content}`);
});
connection.open();

let said = 0;
const saying = setInterval(() => {
  if (++said > COUNT) return outbox.size || (clearInterval(saying), connection.close());
  outbox.add(said);
  flush();
}, 20);
"""


#: Sends each number once, and goes on with the same connection of the server after each loss.
GO_ON = """
import { Connection, Resumption } from "channels-workers";

const options = { resume: new Resumption(), firstDelay: 50, longestDelay: 500 };
const connection = new Connection(process.argv[2], options);
let said = 0;

connection.on("state", ({ name, resumed, gap, lost }) => {
  if (name === "open") console.log(`open ${resumed} ${gap ?? ""} ${lost ?? ""}`);
});
connection.on("data", (text) => {
  console.log(text);
  if (text === "echo COUNT") connection.close();
});
connection.open();

const saying = setInterval(() => {
  while (said < COUNT && connection.send(String(said + 1)) && ++said % 3);
  if (said === COUNT) clearInterval(saying);
}, 20);
"""


def bundler() -> str:
    """The path of esbuild, which ``scripts/client`` has installed if need be."""
    path = os.pathsep.join([os.environ["PATH"], str(ROOT / ".tools" / "bin")])
    found = shutil.which("esbuild", path=path)
    assert found is not None
    return found


def test_the_package_has_code_types_and_licence_only(installed: Path) -> None:
    package = installed / "node_modules" / "channels-workers"
    files = {str(each.relative_to(package)) for each in package.rglob("*") if each.is_file()}
    modules = {file.stem for file in (ROOT / "client" / "src").glob("*.js")}
    expected = {f"src/{name}.js" for name in modules} | {f"types/{name}.d.ts" for name in modules}
    assert files == expected | {"package.json", "README.md", "LICENSE"}


def test_the_client_is_small(made: Path) -> None:
    bundle = (made / "channels-workers.js").read_bytes()
    size = len(gzip.compress(bundle))
    assert 0 < size < LARGEST
    assert f"{size / 1000:.1f} KB with everything" in page("explanation/clients").text


@pytest.mark.parametrize("names", PARTS)
def test_a_page_gets_what_it_imports_only(made: Path, names: str) -> None:
    code = f"export {{ {names} }} from './client/src/index.js'"
    options = ["--bundle", "--minify", "--target=es2022", "--format=esm"]
    run = subprocess.run(
        [bundler(), *options], input=code.encode(), cwd=ROOT, check=True, capture_output=True
    )
    assert 0 < len(gzip.compress(run.stdout)) < PARTS[names]


def test_the_bundle_sets_a_global(made: Path) -> None:
    code = (made / "channels-workers.js").read_text() + ";console.log(Object.keys(ChannelsWorkers))"
    result = subprocess.run([NODE, "-e", code], check=True, capture_output=True, text=True)
    source = (ROOT / "client" / "src" / "index.js").read_text()
    names = [
        each
        for found in re.findall(r"^export \{ (.*) \}", source, re.M)
        for each in found.split(", ")
    ]
    assert {"Client", "Connection", "newNonce"} <= set(names)
    for name in names:
        assert f"'{name}'" in result.stdout


def test_the_bundle_of_transports_sets_another_global(made: Path) -> None:
    bundle = (made / "channels-workers-transports.js").read_bytes()
    assert 0 < len(gzip.compress(bundle)) < LARGEST_TRANSPORTS
    code = f"{bundle.decode()};console.log(typeof ChannelsWorkersTransports.withFallbacks)"
    result = subprocess.run([NODE, "-e", code], check=True, capture_output=True, text=True)
    assert result.stdout == "function\n"


def test_the_reference_has_each_public_name(made: Path) -> None:
    text = page("reference/javascript").path.read_text()
    source = "".join(file.read_text() for file in (ROOT / "client" / "src").glob("*.js"))
    exported = re.findall(r"^export (?:class|function) (\w+)", source, re.MULTILINE)
    internal = {"Delivery", "Emitter", "Groups", "Renewal", "Requests"}
    internal |= {"delayAfter", "delayToldBy", "pauseOf"}
    assert {"Connection", "FakeWebSocket", "newNonce"} <= set(exported)
    for name in set(exported) - internal:
        assert name in text
    for name in re.findall(r"@property \{.*\} \[(\w+)\]", source):
        assert f"`{name}`" in text or f"`{name}," in text, name


def test_nothing_is_lost_while_server_and_worker_are_killed(
    installed: Path, start_process: Processes, start_web: StartWeb, start_worker: StartWorker
) -> None:
    env = {"DJANGO_SETTINGS_MODULE": "tests.processes.bridge"}
    worker, server = start_worker(env=env), start_web(env=env)
    script = installed / "say.mjs"
    script.write_text(SAY.replace("COUNT", str(COUNT)))
    node = start_process([NODE, script, f"{server.socket_url}/plain/"], cwd=installed)
    node.wait_for_line("back 10$")
    worker.kill()
    server.process.kill()
    node.wait_for_line("state lost 1006")
    start_worker(env=env)
    node.wait_for_line("state connecting", timeout=60)
    start_web(env=env, port=server.port)
    assert node.wait(timeout=60) == 0
    numbers = [int(line.split()[1]) for line in node.lines if line.startswith("back ")]
    assert numbers == list(range(1, COUNT + 1))
    assert [line for line in node.lines if line.startswith("state ")][-1] == "state closed 1000"


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_resumed_connection_misses_nothing(
    kind: str,
    installed: Path,
    start_process: Processes,
    start_web: StartWeb,
    start_worker: StartWorker,
) -> None:
    env = {"DJANGO_SETTINGS_MODULE": "tests.processes.resumable"}
    start_worker(env=env)
    server = start_web(kind, env=env)
    script = installed / f"go-on-{kind}.mjs"
    script.write_text(GO_ON.replace("COUNT", str(COUNT)))
    with Relay(server.port) as network:
        address = f"ws://127.0.0.1:{network.port}/echo/"
        node = start_process([NODE, script, address], cwd=installed)
        for number in (10, 50, 90):
            node.wait_for_line(f"echo {number}$")
            network.cut()
        node.wait_for_line("echo 130$")
        server.process.terminate()
        start_web(kind, env=env, port=server.port)
        assert node.wait(timeout=60) == 0
    echoes = [int(line.split()[1]) for line in node.lines if line.startswith("echo ")]
    opened = [line.split()[1:] for line in node.lines if line.startswith("open ")]
    assert opened[0] == ["false"]
    assert ["true", "false", "0"] in opened[1:]
    assert all(each[0] == "true" and each[2] == "0" for each in opened[1:])
    if not any(each[1] == "true" for each in opened[1:]):
        assert echoes == list(range(1, COUNT + 1))
    assert echoes == sorted(set(echoes))


#: Speaks to the demultiplexer of the guide to pages of Channels 1.x.
DEMULTIPLEX = """
import { Client } from "channels-workers";

const client = new Client(process.argv[2], { protocols: [], heartbeat: 0 });
const echo = client.stream("echo");
echo.on("message", ({ payload }) => {
  console.log(`back ${payload.echo.text}`);
  client.close();
});
client.on("state", ({ name }) => name === "open" && echo.send({ text: "hello" }));
client.open();
"""


def test_a_client_speaks_to_a_demultiplexer_of_channels_1(
    installed: Path, start_process: Processes, start_web: StartWeb, start_worker: StartWorker
) -> None:
    env = {"DJANGO_SETTINGS_MODULE": "tests.processes.bridge"}
    start_worker(env=env)
    script = installed / "demultiplex.mjs"
    script.write_text(DEMULTIPLEX)
    node = start_process([NODE, script, f"{start_web(env=env).socket_url}/streams/"], cwd=installed)
    assert node.wait(timeout=60) == 0
    assert node.lines == ["back hello"]
