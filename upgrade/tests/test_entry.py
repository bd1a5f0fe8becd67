"""asgi.py gets an application instead of the layer."""

import pytest

from .moving import move, report

AFTER_IMPORT = "from channels_workers.asgi import get_application"
MADE = "application = get_application()\nchannel_layer = application\n"

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
    "through the module": (
        "import channels.asgi  # noqa\n\nchannel_layer = channels.asgi.get_channel_layer()\n",
        f"{AFTER_IMPORT}  # noqa\n\n{MADE}",
    ),
    "through a module that was imported from the package": (
        "# Servers\nfrom channels import asgi\n\nchannel_layer = asgi.get_channel_layer()\n",
        f"# Servers\n{AFTER_IMPORT}\n\n{MADE}",
    ),
    "through a module under another name": (
        "import os, channels.asgi as x\n\nchannel_layer = x.get_channel_layer()\n",
        f"import os\n{AFTER_IMPORT}\n\n{MADE}",
    ),
    "through the package": (
        "import channels\nimport channels.asgi\n\n"
        "channel_layer = channels.asgi.get_channel_layer()\n",
        f"{AFTER_IMPORT}\n\n{MADE}",
    ),
    "under another name": (
        "from channels.asgi import get_channel_layer as make\n\nchannel_layer = make()\n",
        f"{AFTER_IMPORT}\n\n{MADE}",
    ),
    "beside other uses of the module": (
        "import channels.asgi\n\nchannel_layer = channels.asgi.get_channel_layer()\n"
        "channels.asgi.channel_layers\n",
        f"import channels_workers.asgi\n{AFTER_IMPORT}\n\n{MADE}"
        "channels_workers.asgi.channel_layers\n",
    ),
    "with Django set up first": (
        "import os\nimport django\nfrom channels.asgi import get_channel_layer\n\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.settings')\ndjango.setup()\n"
        "channel_layer = get_channel_layer()\n",
        f"import os\nimport django\n{AFTER_IMPORT}\n\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.settings')\ndjango.setup()\n"
        f"{MADE}",
    ),
    "with the import behind the settings": (
        "import django; django.setup()\nfrom channels import asgi, Group\n"
        "channel_layer = asgi.get_channel_layer()\n",
        "import django; django.setup()\nfrom channels_workers import Group\n"
        f"{AFTER_IMPORT}\n{MADE}",
    ),
}

BY_HAND = {
    "wrapped": "from channels.asgi import get_channel_layer\nlayer = wrap(get_channel_layer())\n",
    "used twice": "from channels.asgi import get_channel_layer\nlayer = get_channel_layer()\n"
    "other = get_channel_layer()\n",
    "beside an application": "from channels.asgi import get_channel_layer\napplication = wsgi()\n"
    "layer = get_channel_layer()\n",
}


THROUGH_MODULES = {
    "wrapped": "from channels import asgi\nlayer = wrap(asgi.get_channel_layer())\n",
    "in a try": "try:\n    import channels.asgi\nfinally:\n    pass\n"
    "layer = channels.asgi.get_channel_layer()\n",
}


@pytest.mark.parametrize("case", THROUGH_MODULES)
def test_ambiguous_files_are_left_to_people(case: str) -> None:
    text = THROUGH_MODULES[case]
    assert "get_application" not in move(text, "asgi.py")
    assert len(report(text, "asgi.py")) == 1


@pytest.mark.parametrize("case", CASES)
def test_asgi(case: str) -> None:
    before, after = CASES[case]
    assert move(before, "asgi.py") == after


@pytest.mark.parametrize("case", BY_HAND)
def test_reported_files(case: str) -> None:
    assert move(BY_HAND[case], "asgi.py") == BY_HAND[case]
    assert report(BY_HAND[case], "asgi.py") == ["1: `channels.asgi.get_channel_layer`"]


def test_in_other_files_it_stays_a_layer() -> None:
    before, _ = CASES["as documented"]
    assert move(before, "layers.py") == before
    assert report(before, "layers.py") == ["2: `channels.asgi.get_channel_layer`"]


def test_an_entry_point_may_have_another_name() -> None:
    before, after = CASES["with Django set up first"]
    assert move(before, "sockets.py") == after


def test_a_function_of_the_project_is_left_alone() -> None:
    text = "def get_channel_layer(): ...\n\n\nchannel_layer = get_channel_layer()\n"
    assert move(text, "asgi.py") == text
