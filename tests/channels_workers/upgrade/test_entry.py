"""asgi.py: an application in place of the layer."""

import pytest

from tests.channels_workers.upgrade.moving import move, report

CASES = {
    "as documented": (
        "import os\nfrom channels.asgi import get_channel_layer  # isort:skip\n\n"
        "# The layer\nchannel_layer = get_channel_layer()\n",
        "import os\nfrom channels_workers.asgi import get_application  # isort:skip\n\n"
        "# The layer\napplication = get_application()\nchannel_layer = application\n",
    ),
    "another alias": (
        'from channels.asgi import get_channel_layer\n\nlayer = get_channel_layer("other")\n',
        "from channels_workers.asgi import get_application\n\n"
        'application = get_application(alias="other")\nlayer = application\n',
    ),
    "other names beside it": (
        "from channels.asgi import channel_layers, get_channel_layer\n\n"
        "channel_layer = get_channel_layer()\nchannel_layers\n",
        "from channels_workers.asgi import channel_layers\n"
        "from channels_workers.asgi import get_application\n\n"
        "application = get_application()\nchannel_layer = application\nchannel_layers\n",
    ),
}

BY_HAND = {
    "wrapped": "from channels.asgi import get_channel_layer\nlayer = wrap(get_channel_layer())\n",
    "used twice": "from channels.asgi import get_channel_layer\nlayer = get_channel_layer()\n"
    "other = get_channel_layer()\n",
    "beside an application": "from channels.asgi import get_channel_layer\napplication = wsgi()\n"
    "layer = get_channel_layer()\n",
}


@pytest.mark.parametrize("case", CASES)
def test_asgi(case: str) -> None:
    before, after = CASES[case]
    assert move(before, "asgi.py") == after


@pytest.mark.parametrize("case", BY_HAND)
def test_what_is_reported(case: str) -> None:
    assert move(BY_HAND[case], "asgi.py") == BY_HAND[case]
    assert report(BY_HAND[case], "asgi.py") == ["1: `channels.asgi.get_channel_layer`"]


def test_elsewhere_it_is_a_layer() -> None:
    before, _ = CASES["as documented"]
    assert move(before, "layers.py") == before
    assert report(before, "layers.py") == ["2: `channels.asgi.get_channel_layer`"]


def test_a_function_of_the_projects_own_is_left_alone() -> None:
    text = "def get_channel_layer(): ...\n\n\nchannel_layer = get_channel_layer()\n"
    assert move(text, "asgi.py") == text
