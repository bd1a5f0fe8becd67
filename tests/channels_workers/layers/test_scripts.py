"""Each script contains what it uses of its includes, and nothing else."""

import re
from importlib import resources

import pytest

from channels_workers.layers.redis.scripts import code_of, script
from labs.harness.redis_server import RedisServer

LUA = resources.files("channels_workers.layers.redis").joinpath("lua")
FILES = {file.name: file.read_text() for file in LUA.iterdir() if file.is_file()}
LIB = {file.name: file.read_text() for file in LUA.joinpath("lib").iterdir()}
INCLUDES = {
    file.removesuffix(".lua"): found[1].split()
    for file, text in FILES.items()
    if (found := re.search(r"^-- include: (.+)$", text, re.MULTILINE))
}
PARTS = sorted({part for parts in INCLUDES.values() for part in parts})


def defined(text: str) -> list[str]:
    """The names that *text* defines at the start of a line."""
    return re.findall(r"^local (?:function )?(\w+)", text, re.MULTILINE)


def words(text: str) -> list[str]:
    """The words of *text*, in strings too."""
    return re.findall(r"\w+", text)


def own(name: str, is_sharded: bool = False) -> str:
    """The own part of a script's file, without comments."""
    code = code_of(FILES[f"{name}.lua"], is_sharded)
    assert "-- shards" not in code
    return code


#: Scripts that only several shards use.
OF_SHARDS = {
    "apply",
    "begin_mark",
    "claim_puller",
    "flush_log",
    "forget_shard",
    "note_gap",
    "open_history",
    "trim_log",
}
each_form = pytest.mark.parametrize(
    ("name", "is_sharded"),
    [(name, form) for name in INCLUDES for form in (False, True) if form or name not in OF_SHARDS],
)


def test_all_includes_are_known() -> None:
    assert set(INCLUDES) == {file.removesuffix(".lua") for file in FILES}
    assert sorted(LIB) == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_an_include_contains_only_definitions(part: str) -> None:
    for line in LIB[part].splitlines():
        assert re.match(r"local function \w+\(|local \w+ = |  |end$|--|$", line), line


@each_form
def test_a_script_contains_everything_that_it_uses(name: str, is_sharded: bool) -> None:
    source = script(name, is_sharded).source
    assert source.endswith(own(name, is_sharded))
    there = {known for part in INCLUDES[name] for known in defined(LIB[part])}
    for used in there.intersection(words(source)):
        definition = re.search(rf"^local (function )?{used}\b", source, re.MULTILINE)
        assert definition, used
        assert used not in words(source[: definition.start()])


@each_form
def test_a_script_contains_nothing_unused(name: str, is_sharded: bool) -> None:
    own_part = own(name, is_sharded)
    included = script(name, is_sharded).source.removesuffix(own_part)
    definitions = [text for text in re.split(r"^(?=local )", included, flags=re.MULTILINE) if text]
    for at, definition in enumerate(definitions):
        (known,) = defined(definition)
        assert known in words("".join([*definitions[at + 1 :], own_part])), known


@pytest.mark.parametrize("name", sorted(set(INCLUDES) - OF_SHARDS))
def test_one_shard_has_nothing_of_several(name: str) -> None:
    source = script(name).source
    used = set(words(source))
    assert not used & {
        *defined(LIB["log.lua"]),
        *defined(LIB["marks.lua"]),
        "heard",
        "shard",
        "log",
    }
    assert "KEYS[3]" not in source


def test_the_definitions_of_a_small_script() -> None:
    included = script("leave").source.removesuffix(own("leave"))
    parts = ["prefix", "aside", "notes_kept", "note_aside", "set_key_aside", "on_key"]
    names = [*parts, "group_key", "groups_key"]
    assert defined(included) == names


def test_redis_accepts_each_script(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        for name in INCLUDES:
            for form in (script(name), script(name, True)):
                assert client.script_load(form.source) == form.sha
