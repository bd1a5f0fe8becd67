import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from channels_workers.asyncapi.typescript import Module, as_typescript, comment, type_name
from labs.harness.project import ROOT
from tests.channels_workers.asyncapi.sites import document

NODE = Path(sys.executable).with_name("node")
TSC = ROOT / "client" / "node_modules" / "typescript" / "bin" / "tsc"

#: Uses of the types. The lines after @ts-expect-error must be mistakes.
USES = """
import type {
  BoardNameKindFromServer, BoardNameKindToServer, Everything, Node, Person, SayInput, TypedToServer,
} from "./types";

const said: BoardNameKindToServer = { type: "say", text: "hi" };
const moved: TypedToServer = { type: "move", to: { x: 1, y: 2 }, by: 3 };
// @ts-expect-error  a wrong tag
const sung: BoardNameKindToServer = { type: "sing", text: "hi" };
// @ts-expect-error  no text
const silent: SayInput = { type: "say" };
// @ts-expect-error  a text is no number
const nowhere: TypedToServer = { type: "move", to: { x: "1", y: 2 } };
const person: Person = { who: "ann" };
const tree: Node = { type: "node", value: 1, node: { type: "text", text: "leaf" } };

export function shown(frame: BoardNameKindFromServer): string {
  if ("who" in frame) return frame.who;
  if (!("type" in frame)) return frame.pair[1] + frame.points.map(({ x }) => x).join();
  switch (frame.type) {
    case "say": return frame.text;
    case "error": return frame.fields[0].field;
    default: return String(frame.expires);
  }
}
export const all = [said, moved, sung, silent, nowhere, person, tree];
export type Size = Everything["size"];
export const size: Size = 7;
"""


@pytest.fixture(scope="module")
def tsc() -> Path:
    script = "source scripts/environment.sh; source scripts/tools.sh; require_client_tools"
    subprocess.run(["bash", "-c", script], cwd=ROOT, check=True)
    return TSC


def test_it_compiles_and_catches_mistakes(tsc: Path, tmp_path: Path) -> None:
    (tmp_path / "types.ts").write_text(as_typescript(document()))
    (tmp_path / "uses.ts").write_text(USES)
    options = [
        "--strict",
        "--noEmit",
        "--target",
        "es2022",
        "--noUnusedLocals",
        "--exactOptionalPropertyTypes",
    ]
    run = subprocess.run(
        [NODE, tsc, *options, "uses.ts"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert run.stdout == ""
    assert run.returncode == 0


def type_of(schema: Any) -> str:
    described = {"components": {"schemas": {}, "messages": {}}, "channels": {}, "operations": {}}
    return Module(described)._type(schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "unknown"),
        (False, "never"),
        ({}, "unknown"),
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"const": None}, "null"),
        ({"const": 'a"b'}, '"a\\"b"'),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"enum": [1, 2]}}, "(1 | 2)[]"),
        ({"type": "array", "items": [{"type": "null"}], "minItems": 1}, "[null, ...unknown[]]"),
        (
            {"type": "array", "items": [{"type": "null"}], "additionalItems": False},
            "[null?]",
        ),
        ({"type": "object"}, "Record<string, unknown>"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "Record<string, string>",
        ),
        ({"oneOf": [{"type": "string"}, {"type": "string"}]}, "string"),
        ({"allOf": [{"$ref": "#/a/b"}, {"enum": [1, 2]}]}, "B & (1 | 2)"),
        ({"type": "object", "properties": {"a-b": {}}}, '{\n  "a-b"?: unknown;\n}'),
        ({"type": "object", "properties": {}}, "{\n}"),
    ],
)
def test_the_type_of_a_schema(schema: Any, expected: str) -> None:
    assert type_of(schema) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Say-Input", "SayInput"), ("points.reply.Say", "PointsReplySay"), ("1st", "_1st")],
)
def test_names_are_those_of_typescript(name: str, expected: str) -> None:
    assert type_name(name) == expected


def test_a_comment_cannot_end_early() -> None:
    assert comment("a */ b") == "/** a * / b */\n"
    assert comment("a\n\nb", "  ") == "  /**\n   * a\n   *\n   * b\n   */\n"
    assert comment("") == ""
