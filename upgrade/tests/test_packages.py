"""Requirements files, Procfiles and scripts: the findings in their lines."""

import pytest

from channels_workers_upgrade.packages import FORM, find_installed, find_packages
from channels_workers_upgrade.processes import find_processes

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
    "asgi_amqp>=1",
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
    "redis==2.10.6",
    "redis<7",
    "Twisted==17.9.0",
    "autobahn==17.10.1",
    "channels_redis==2.4.0",
    "msgpack==0.5.6",
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
    "redis>=7,<9",
    "redis",
    "Twisted[tls]>=22.4",
    "channels-workers @ file:///path/to/checkout",
    "# channels<2",
    "",
]


@pytest.mark.parametrize("line", OLD)
def test_reported_requirements(line: str) -> None:
    (finding,) = find_packages(f"\n{line}\n")
    assert finding.line == 2
    assert finding.what == f"`{line.strip()}`"
    assert not finding.is_note


@pytest.mark.parametrize("line", NEW)
def test_accepted_requirements(line: str) -> None:
    assert list(find_packages(line)) == []


@pytest.mark.parametrize(
    ("options", "is_note"),
    [
        ("--only-channels=http.*", False),
        ("--only-channels 'http.request' --threads 4", False),
        ("\\\n    --only-channels=http.*", False),
        ('", "--only-channels", "http.*"]', False),
        ("--only-channels=http.* --only-channels=websocket.*", True),
        ("--only-channels=chat.*", True),
        ("--exclude-channels=http.*", True),
    ],
)
def test_a_worker_for_requests_alone_has_no_channel(options: str, is_note: bool) -> None:
    (finding,) = find_processes(f"worker: python manage.py runworker {options}\n")
    assert finding.line == 1
    assert finding.is_note is is_note


def test_an_acceptable_procfile_of_1_x() -> None:
    text = "web: daphne -p $PORT mysite.asgi:channel_layer\nworker: python manage.py runworker\n"
    found = list(find_processes(text))
    assert [finding.line for finding in found] == [1, 2]
    assert all(finding.is_note for finding in found)


def test_reported_procfiles() -> None:
    text = "web: daphne --ws-protocol x mysite.asgi:application\ndelay: python manage.py rundelay\n"
    found = list(find_processes(text))
    assert [finding.what for finding in found] == ["`daphne --ws-protocol`", "`rundelay`"]
    assert not any(finding.is_note for finding in found)


def test_an_option_of_daphne_may_be_on_its_own_line() -> None:
    text = "# daphne --ws-protocol\nexec daphne \\\n    --force-sync \\\n    a.asgi:channel_layer\n"
    found = [(finding.line, finding.what, finding.is_note) for finding in find_processes(text)]
    assert found == [
        (3, "`daphne --force-sync`", False),
        (4, "`daphne ...:channel_layer`", True),
    ]
    assert list(find_processes("git push --force-sync\n")) == []


INSTALLED = {
    "RUN pip install 'channels==1.1.8' asgi_redis": ["`channels==1.1.8`", "`asgi_redis`"],
    "    asgi-redis \\": ["`asgi-redis`"],
    'pip install "Twisted<20" daphne redis': ["`Twisted<20`"],
    "    image: redis:3.2-alpine": ["`redis:3.2`"],
    "FROM library/redis:5": ["`redis:5`"],
    "    image: redis:6": [],
    "    image: 'redis:7.2'": [],
    "# pip install asgi_redis": [],
    "RUN pip install -r requirements.txt channels daphne": [],
}


@pytest.mark.parametrize("line", INSTALLED)
def test_installations_in_scripts(line: str) -> None:
    assert [finding.what for finding in find_installed(line)] == INSTALLED[line]


def test_the_report_says_what_to_require() -> None:
    (finding,) = find_packages("channels==1.1.8")
    assert FORM in finding.cure
