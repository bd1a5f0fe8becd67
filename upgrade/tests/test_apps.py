"""INSTALLED_APPS gets the order that the checks require, and loses removed apps."""

from pathlib import Path

import pytest

from channels_workers_upgrade.files import application_beside
from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.source import move_source

from .moving import findings, move

STATIC = '"django.contrib.staticfiles"'

CASES = {
    "in one line": (
        'INSTALLED_APPS = ["channels"]\n',
        'INSTALLED_APPS = ["channels_workers"]\n',
    ),
    "in brackets": (
        "INSTALLED_APPS = ('channels',)\n",
        "INSTALLED_APPS = ('channels_workers',)\n",
    ),
    "over lines, with comments": (
        'INSTALLED_APPS = [\n    "a",  # x\n    # ours\n    "channels",  # y\n    # b\n'
        '    "b",\n]\n',
        'INSTALLED_APPS = [\n    "a",  # x\n    # ours\n    "channels_workers",  # y\n'
        '    # b\n    "b",\n]\n',
    ),
    "at the end": (
        'INSTALLED_APPS = [\n    "a",\n    "channels"\n]\n',
        'INSTALLED_APPS = [\n    "a",\n    "channels_workers"\n]\n',
    ),
    "behind static files": (
        f'INSTALLED_APPS = [\n    {STATIC},  # x\n    "b",\n    "channels",\n]\n',
        f'INSTALLED_APPS = [\n    "channels_workers",\n    {STATIC},  # x\n    "b",\n]\n',
    ),
    "behind static files, in one line": (
        f'INSTALLED_APPS = [{STATIC}, "channels", "b"]\n',
        f'INSTALLED_APPS = ["channels_workers", {STATIC}, "b"]\n',
    ),
    "behind static files, in uneven lines": (
        f'INSTALLED_APPS = ["a", {STATIC},\n    "channels", "b"]\n',
        f'INSTALLED_APPS = ["a", "channels_workers", {STATIC},\n    "b"]\n',
    ),
    "a comment stays beside what it is about": (
        f'INSTALLED_APPS = [\n    {STATIC},\n    "channels",  # y\n]\n',
        f'INSTALLED_APPS = [\n    {STATIC},\n    "channels_workers",  # y\n]\n',
    ),
    "behind static files, beside Daphne": (
        f'INSTALLED_APPS = ["daphne", {STATIC}, "channels"]\nLOGGERS = ["daphne"]\n',
        f'INSTALLED_APPS = ["daphne", "channels_workers", {STATIC}]\nLOGGERS = ["daphne"]\n',
    ),
    "beside Daphne": (
        'INSTALLED_APPS = ["channels"]\nif x:\n    INSTALLED_APPS += ["daphne"]\n',
        'INSTALLED_APPS = ["channels_workers"]\nif x:\n    INSTALLED_APPS += ["daphne"]\n',
    ),
    "by the class": (
        'INSTALLED_APPS = ["channels.apps.ChannelsConfig"]\n',
        'INSTALLED_APPS = ["channels_workers.apps.ChannelsWorkersConfig"]\n',
    ),
    "beside the app of delayed messages": (
        'INSTALLED_APPS = ["channels", "channels.delay"]\n',
        'INSTALLED_APPS = ["channels_workers", "channels_workers.delay"]\n',
    ),
    "the class of delayed messages": (
        'INSTALLED_APPS += ("channels.delay.apps.DelayConfig",)\n',
        'INSTALLED_APPS += ("channels_workers.delay.apps.DelayConfig",)\n',
    ),
    "in a list that is not all": (
        'THIRD_APPS = ["channels"]\nINSTALLED_APPS += ["channels"]\n',
        'THIRD_APPS = ["channels_workers"]\nINSTALLED_APPS += ["channels_workers"]\n',
    ),
}

GONE = {
    "in one line": (
        'INSTALLED_APPS = ["channels", "channels.binding", "b"]\n',
        'INSTALLED_APPS = ["channels_workers", "b"]\n',
    ),
    "over lines": (
        'A_APPS = [\n    "a",  # x\n    # y\n    "channels.binding",  # z\n    "b",\n]\n',
        'A_APPS = [\n    "a",  # x\n    "b",\n]\n',
    ),
    "alone": ('INSTALLED_APPS += ("channels.binding",)\n', "INSTALLED_APPS += ()\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_apps(case: str) -> None:
    before, after = CASES[case]
    assert move(before, "settings.py") == after


@pytest.mark.parametrize("case", GONE)
def test_removed_apps(case: str) -> None:
    before, after = GONE[case]
    assert move(before, "settings.py") == after
    (note,) = findings(before, "settings.py")
    assert (note.line, note.is_note) == (1, True)
    assert "removed: " in note.cure


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("mysite/settings.py", "mysite.asgi.application"),
        ("mysite/settings/base.py", "mysite.asgi.application"),
        ("mysite/inner/settings.py", "mysite.inner.asgi.application"),
        ("other/settings.py", ""),
        ("loose/settings/base.py", ""),
        ("loose/settings.py", "loose.asgi.application"),
    ],
)
def test_the_application_is_found_beside_the_settings(
    settings: str, path: str, tmp_path: Path
) -> None:
    files = ("mysite/__init__.py", "mysite/settings/__init__.py", "mysite/inner/__init__.py")
    for name in (*files, "mysite/asgi.py", "mysite/inner/asgi.py", "loose/asgi.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert application_beside(tmp_path / settings) == path


LAYERS = 'CHANNEL_LAYERS = {"default": {"BACKEND": "x.Layer", "ROUTING": "a.b"}}\n'


@pytest.mark.parametrize(
    ("before", "times"),
    [(LAYERS, 1), (LAYERS * 2, 1), (f"{LAYERS}ASGI_APPLICATION = x\n", 0), ("CHANNELS = 1\n", 0)],
)
def test_the_setting_is_written_once_beside_the_routing(
    before: str, times: int, tmp_path: Path
) -> None:
    (tmp_path / "asgi.py").write_text("")
    content = move_source(before.encode(), tmp_path / "settings.py", Settings()).content.decode()
    assert content.count(f'ASGI_APPLICATION = "{tmp_path.name}.asgi.application"\n') == times
