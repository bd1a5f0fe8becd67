"""Lists of packages, and Procfiles: what is said of their lines."""

import pytest

from channels_workers.upgrade.packages import find_packages
from channels_workers.upgrade.processes import find_processes

OLD = [
    "channels<2",
    "channels==1.1.8",
    "Channels >= 1.1, < 2  # sockets",
    "channels~=1.1",
    "channels[tests]<=1.1.8; python_version > '3'",
    "asgi-redis",
    "asgi_redis==1.4.3",
    "asgi_ipc>=1",
    "asgi-rabbitmq",
    "daphne<2",
    "asgiref==1.1.2",
    "msgpack-python==0.5.6",
    "Django==1.11.29",
    "django<5.2",
    'django = "^2.2"',
    'channels = "1.1.8"',
    'daphne = {version = "~1.4", extras = ["x"]}',
    '    "channels>=1,<2", "requests",',
    "    install_requires=['Django<2'],",
]

NEW = [
    "channels",
    "channels>=4",
    "channels>=4.3,<5",
    "channels-workers==0.1",
    "django-channels-x==1.0",
    "Django>=1.11",
    "Django==5.2.*",
    "django = '*'",
    "daphne==4.2.2",
    "asgiref>=3,<4",
    "requests<2",
    "# channels<2",
    "",
]


@pytest.mark.parametrize("line", OLD)
def test_lines_that_ask_for_packages_of_then(line: str) -> None:
    (finding,) = find_packages(f"\n{line}\n")
    assert finding.line == 2
    assert finding.what == f"`{line.strip()}`"
    assert not finding.is_note


@pytest.mark.parametrize("line", NEW)
def test_lines_that_may_stay(line: str) -> None:
    assert list(find_packages(line)) == []


def test_a_procfile_of_1_x_may_stay() -> None:
    text = "web: daphne -p $PORT mysite.asgi:channel_layer\nworker: python manage.py runworker\n"
    found = list(find_processes(text))
    assert [finding.line for finding in found] == [1, 2]
    assert all(finding.is_note for finding in found)


def test_what_a_procfile_must_not_have() -> None:
    text = "web: daphne --ws-protocol x mysite.asgi:application\ndelay: python manage.py rundelay\n"
    found = list(find_processes(text))
    assert [finding.what for finding in found] == ["`daphne --ws-protocol`", "`rundelay`"]
    assert not any(finding.is_note for finding in found)
