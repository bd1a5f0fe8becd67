"""The pages about sockets over HTTP agree with the code."""

import json
import re

from channels_workers.interface.transports import downstream, homes, reading, relay, socket, wire
from channels_workers.interface.transports.downstream import Downstream
from labs.harness.project import ROOT
from tests.docs.pages import code, first_codes, page

REFERENCE, GUIDE = page("reference/transports"), page("how-to/fallbacks")
FALLBACKS = (ROOT / "client" / "src" / "transports.js").read_text()


def test_verbs() -> None:
    assert first_codes(REFERENCE.table("verbs")) == [verb.decode() for verb in wire.VERBS]


def test_keys_of_bodies_are_read() -> None:
    source = (ROOT / "channels_workers/interface/transports/wire.py").read_text()
    for row in REFERENCE.table("verbs"):
        for key in [name for name in code(row[1]) if name.isalpha()]:
            assert f'"{key}"' in source, key


def test_fixed_limits() -> None:
    modules = (downstream, homes, reading, relay, socket, wire)
    for name, written in REFERENCE.table("fixed"):
        (found,) = {vars(each)[code(name)[0]] for each in modules if code(name)[0] in vars(each)}
        assert f"{found:,.0f}" == written, name


def test_the_example_of_a_batch() -> None:
    (block,) = [each for each in REFERENCE.blocks if each.language == "json"]
    written = json.loads(block.text)
    made = Downstream()
    for _ in range(4):
        made.put("before")
    made.put("hello")
    made.put(b"\0\1\2")
    made.close = (written["close"]["code"], written["close"]["reason"])
    assert json.loads(made.batch(4)) == written


def test_times_of_the_guide() -> None:
    text = " ".join(GUIDE.text.split())
    assert f"a comment every {reading.COMMENT_INTERVAL:.0f} s" in text
    assert f"polls are answered after {reading.POLL_TIME:.0f} s" in text
    assert reading.POLL_TIME + 2 * relay.ANSWER_TIME < 30
    assert socket.PUSH_TIME + 2 * relay.ANSWER_TIME < 30
    assert reading.COMMENT_INTERVAL + relay.WAIT + 2 * relay.ANSWER_TIME < 55
    assert "does not open in 5 s, or two in a row" in text
    assert "openTimeout: 5_000" in FALLBACKS
    assert "patience: 2" in FALLBACKS


def test_options_of_the_client() -> None:
    rows = page("reference/javascript").table("fallbacks")
    options = re.findall(r"@property \{.*\} \[(\w+)\]", FALLBACKS)
    assert first_codes(rows) == options
    block = FALLBACKS.partition("const DEFAULTS = {")[2].partition("};")[0]
    defaults = dict(re.findall(r"(\w+): ([\d_]+),", block))
    written = {code(row[0])[0]: row[1].replace(",", "") for row in rows}
    for name, value in defaults.items():
        assert written[name] == value.replace("_", "")
