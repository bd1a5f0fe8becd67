"""The types of the sockets' messages are true, and the committed documents up to date."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from hypothesis import example, given
from hypothesis import strategies as st

from channels_workers.schemas import schema_of
from chat import protocol
from chat.frames import FrameError, parse
from labs.harness.project import ROOT
from tests.chat.connection import is_told
from tests.docs.pages import page

NODE = Path(sys.executable).with_name("node")
TSC = ROOT / "client" / "node_modules" / "typescript" / "bin" / "tsc"

#: How the committed documents were written.
DOCUMENT = ["--title", "The chat", "--output", "docs/chat/asyncapi.json"]
TYPES = ["--typescript", "--output", "chat/client/socket.d.ts"]

TAKEN = [jsonschema.Draft7Validator(schema_of(kind)) for kind in protocol.FROM_CLIENTS]


def is_described(frame: Any) -> bool:
    """Whether *frame* is of one of the types that clients send."""
    return any(each.is_valid(frame) for each in TAKEN)


@pytest.mark.parametrize("arguments", [DOCUMENT, TYPES], ids=["document", "types"])
def test_what_is_committed_is_up_to_date(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    stderr = StringIO()
    call_command("asyncapi", *arguments, "--check", stderr=stderr)
    assert stderr.getvalue() == ""


def test_the_page_shows_how_they_are_written() -> None:
    commands = page("chat/socket").text
    for arguments in (DOCUMENT, TYPES):
        quoted = [f'"{each}"' if " " in each else each for each in arguments]
        assert f"python manage.py asyncapi {' '.join(quoted)}" in commands


def test_the_frames_of_the_page_are_of_the_types() -> None:
    found = [block.text for block in page("chat/socket").blocks if block.language == "json"]
    frames = [json.loads(line) for text in found for line in text.splitlines()]
    assert len(frames) >= 10
    for frame in frames:
        assert is_described(frame) or is_told(frame), frame


HANDLES = st.sampled_from(["ann", "", " ", "x" * 41, "\n", 5, None])
VALUES = {
    "type": st.sampled_from(["message", "edit", "delete", "typing", "presence", "sing", None]),
    "handle": HANDLES,
    "message": st.sampled_from(["hi", "", " ", "x" * 4_001, "\0", 5]),
    "nonce": st.sampled_from(["n", "", "n" * 64, "n" * 65, None]),
    "id": st.sampled_from([1, 0, -1, 2**63 - 1, 2**63, "1", 1.0, True]),
    "more": st.just(1),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
@example({"handle": "ann", "message": "hi"})
@example({"type": "edit", "id": 1, "message": "hi", "nonce": "n"})
@example({"type": "presence"})
def test_what_the_chat_takes_is_of_a_type(frame: dict[str, Any]) -> None:
    try:
        parse(json.dumps(frame))
    except FrameError:
        return
    assert is_described(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {"handle": "ann"},
        {"type": "edit", "message": "hi"},
        {"type": "delete", "id": 0},
        {"type": "delete", "id": 1, "message": "hi"},
        {"type": "typing"},
        {"type": "sing"},
        {"handle": "ann", "message": "hi", "mood": "good"},
    ],
)
def test_what_is_of_no_type_is_refused(frame: dict[str, Any]) -> None:
    assert not is_described(frame)
    with pytest.raises(FrameError):
        parse(json.dumps(frame))


def test_the_scripts_of_the_page_use_the_types() -> None:
    script = "source scripts/environment.sh; source scripts/tools.sh; require_client_tools"
    subprocess.run(["bash", "-c", script], cwd=ROOT, check=True)
    options = ["--noEmit", "--checkJs", "--allowJs", "--strict", "--target", "es2022"]
    command = [NODE, TSC, *options, "socket.d.ts", "presence.js"]
    folder = ROOT / "chat" / "client"
    run = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("", 0)
