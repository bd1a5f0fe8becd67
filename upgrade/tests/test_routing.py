"""ROUTING in CHANNEL_LAYERS becomes the setting CHANNEL_ROUTING."""

import pytest

from .moving import move, report

CASES = {
    "over lines, with comments": (
        """\
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "x.Layer",  # fast
        # where to
        "ROUTING": "chat.routing.channel_routing",  # all of it
        # with what
        "CONFIG": {},
    },
}
""",
        """\
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "x.Layer",  # fast
        # with what
        "CONFIG": {},
    },
}
# where to
CHANNEL_ROUTING = "chat.routing.channel_routing"  # all of it
""",
    ),
    "last, with a comma": (
        'CHANNEL_LAYERS = {\n    "default": {\n        "BACKEND": "x",\n'
        '        "ROUTING": "a.b",\n    },\n}\nX = 1\n',
        'CHANNEL_LAYERS = {\n    "default": {\n        "BACKEND": "x",\n    },\n}\n'
        'CHANNEL_ROUTING = "a.b"\nX = 1\n',
    ),
    "last, without one": (
        'CHANNEL_LAYERS = {\n    "default": {\n        "BACKEND": "x",  # b\n'
        '        "ROUTING": "a.b"  # r\n    }\n}\n',
        'CHANNEL_LAYERS = {\n    "default": {\n        "BACKEND": "x"  # b\n    }\n}\n'
        'CHANNEL_ROUTING = "a.b"  # r\n',
    ),
    "first": (
        'CHANNEL_LAYERS = {"default": {\n    "ROUTING": r,\n    "BACKEND": "x",\n}}\n',
        'CHANNEL_LAYERS = {"default": {\n    "BACKEND": "x",\n}}\nCHANNEL_ROUTING = r\n',
    ),
    "on a line": (
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x", "ROUTING": "a.b", "CONFIG": {}}}\n',
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x", "CONFIG": {}}}\nCHANNEL_ROUTING = "a.b"\n',
    ),
    "alone": (
        'CHANNEL_LAYERS = {"default": {"ROUTING": "a.b"}}\n',
        'CHANNEL_LAYERS = {"default": {}}\nCHANNEL_ROUTING = "a.b"\n',
    ),
    "in a block": (
        'if DEBUG:\n    CHANNEL_LAYERS = {"default": {"BACKEND": "x", "ROUTING": "a.b"}}\n',
        'if DEBUG:\n    CHANNEL_LAYERS = {"default": {"BACKEND": "x"}}\n'
        '    CHANNEL_ROUTING = "a.b"\n',
    ),
    "with a type": (
        'CHANNEL_LAYERS: dict = {"default": {"BACKEND": "x", "ROUTING": "a.b"}}\n',
        'CHANNEL_LAYERS: dict = {"default": {"BACKEND": "x"}}\nCHANNEL_ROUTING = "a.b"\n',
    ),
    "two layers of one routing": (
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x", "ROUTING": "a.b"}, '
        '"other": {"BACKEND": "y", "ROUTING": "a.b"}}\n',
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x"}, "other": {"BACKEND": "y"}}\n'
        'CHANNEL_ROUTING = "a.b"\n',
    ),
    "beside unpacked keys": (
        'CHANNEL_LAYERS = {"default": {**a, "ROUTING": ("a" ".b"), "CONFIG": {}}, **b}\n',
        'CHANNEL_LAYERS = {"default": {**a, "CONFIG": {}}, **b}\nCHANNEL_ROUTING = ("a" ".b")\n',
    ),
    "by a variable of that name": (
        'CHANNEL_ROUTING = "a.b"\n'
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x", "ROUTING": CHANNEL_ROUTING}}\n',
        'CHANNEL_ROUTING = "a.b"\nCHANNEL_LAYERS = {"default": {"BACKEND": "x"}}\n',
    ),
}

BY_HAND = {
    "two routings": (
        'CHANNEL_LAYERS = {"default": {"BACKEND": "x", "ROUTING": "a.b"},\n'
        '    "other": {"BACKEND": "y", "ROUTING": "c.d"}}\n',
        ["1: ROUTING in CHANNEL_LAYERS", "2: ROUTING in CHANNEL_LAYERS"],
    ),
    "a call": (
        'CHANNEL_LAYERS = dict(default=dict(BACKEND="x", ROUTING="a.b"))\n',
        ["1: ROUTING in CHANNEL_LAYERS"],
    ),
    "a key that is set later": (
        'CHANNEL_LAYERS["default"]["ROUTING"] = "a.b"\n',
        ["1: ROUTING in CHANNEL_LAYERS"],
    ),
    "settings of a test": (
        'override_settings(CHANNEL_LAYERS={"default": {"BACKEND": "x", "ROUTING": "a.b"}})\n',
        ["1: ROUTING in CHANNEL_LAYERS"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_routing(case: str) -> None:
    before, after = CASES[case]
    assert move(before, "settings.py") == after


@pytest.mark.parametrize("case", BY_HAND)
def test_reported_routings(case: str) -> None:
    text, said = BY_HAND[case]
    assert move(text, "settings.py") == text
    assert report(text, "settings.py") == said
