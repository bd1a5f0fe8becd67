"""A use belongs to the import of its scope, as Python finds it."""

import pytest

from .moving import move

#: What is rewritten is the name in `<>`; the rest has to stay.
CASES = {
    "a function of its own": "def f():\n    channels = 1\n    channels.Group\n<channels>.Group\n",
    "a parameter": "def f(channels, x=<channels>.Group): channels.Group\n",
    "an annotation": "def f(channels: <channels>.Group) -> <channels>.Group: channels.Group\n",
    "a lambda": "f(lambda channels, x=<channels>.Group: channels.Group)\n",
    "a class": "class A:\n    channels = 1\n    channels.Group\n    def f(): <channels>.Group\n",
    "a decorator": "@<channels>.Group\nclass A(<channels>.Group): channels = channels.Group\n",
    "a comprehension": "[channels.Group for channels in <channels>.Group if channels.Group]\n",
    "comprehensions in one": "[channels.a for a in <channels>.Group for channels in a]\n",
    "a walrus": "def f():\n    [(channels := x) for x in y]\n    channels.Group\n",
    "a loop": "def f():\n    for a, (channels, *b) in x: channels.Group\n",
    "a file": "def f():\n    with a as channels: channels.Group\n",
    "an error": "def f():\n    try: ...\n    except A as channels: channels.Group\n",
    "a match": "def f():\n    match a:\n        case [channels, 1]: channels.Group\n",
    "an inner function": "def f():\n    def channels(): channels.Group\n    channels.Group\n",
    "an outer function": "def f():\n    channels = 1\n    def g(): channels.Group\n",
    "a deleted attribute": "def f(): del <channels>.Group\n",
    "attributes and keywords": "f(channels=a.channels.Group, b=<channels>.Group)\n",
    "a global name": "def f():\n    global channels\n    <channels>.Group\n",
    "another name": "def f():\n    import a as channels\n    channels.Group\n",
}


@pytest.mark.parametrize("case", CASES)
def test_uses(case: str) -> None:
    text = f"import channels\n{CASES[case]}"
    before = text.replace("<channels>", "channels")
    after = text.replace("<channels>", "channels_workers")
    assert move(before) == after.replace("import channels\n", "import channels_workers\n", 1)
