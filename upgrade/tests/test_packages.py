"""Requirements files, Procfiles and scripts: the findings in their lines."""

from pathlib import Path

import pytest

from channels_workers_upgrade.files import find_files
from channels_workers_upgrade.packages import FORM, find_installed, find_packages
from channels_workers_upgrade.processes import find_processes
from channels_workers_upgrade.project import Project

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
    "channels",
    "channels>=1",
    "channels >= 1.1.8  # open",
    "channels>1",
    "channels[tests]",
    "channels @ git+https://github.com/django/channels.git@1.1.8",
    "-e git+https://github.com/django/channels.git@1.1.8#egg=channels",
    "channels = '*'",
    'daphne = {version = "*", extras = ["x"]}',
    "daphne",
    "daphne>=1.0",
    "asgiref",
    "asgiref>=1,<2",
    "asgi_ipc",
    "msgpack-python",
    "asgi_amqp",
]

NEW = [
    "channels>=4",
    "channels==4.*",
    'channels = "^4.3"',
    "daphne>=4",
    "asgiref>=3.5",
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


DECLARED = {
    "setup.py": (
        'setup(\n    name="channels",\n    keywords=["channels", "daphne"],\n'
        '    install_requires=[\n        "channels",\n        "requests",\n    ],\n'
        '    packages=["channels"],\n    extras_require={"x": ["daphne"]},\n)\n'
    ),
    "setup.cfg": (
        "[metadata]\nname = channels\nkeywords =\n    channels\n"
        "[options]\ninstall_requires =\n    channels\n    daphne>=4.2\n"
        "[isort]\nknown_third_party =\n    channels\n"
    ),
    "pyproject.toml": (
        '[project]\nname = "daphne"\ndependencies = [\n    "channels>=1",\n]\n'
        '[tool.poetry.dependencies]\nchannels = "*"\n[tool.x]\nwords = ["channels"]\n'
    ),
    "Pipfile": '[packages]\nchannels = "*"\n[requires]\npython_version = "3.6"\n',
    "tox.ini": "[testenv]\ndeps =\n    channels\ncommands = daphne a.asgi:application\n",
}
LINES = {"setup.py": [5, 9], "setup.cfg": [7], "pyproject.toml": [4, 7], "Pipfile": [2]}


@pytest.mark.parametrize("name", DECLARED)
def test_names_without_versions_where_packages_are_declared(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(DECLARED[name])
    project = Project()
    project.take(tmp_path / name)
    assert [finding.line for _, finding in project.report] == LINES.get(name, [3])


def test_the_report_names_what_to_write() -> None:
    cures = {line: next(find_packages(line)).cure for line in ("channels", "daphne", "asgi_redis")}
    assert FORM in cures["channels"]
    assert "`daphne>=4.2.2`" in cures["daphne"]
    assert "includes a layer for Redis" in cures["asgi_redis"]


COMMANDS = {
    "Makefile": "worker:\n\t./manage.py runworker --only-channels=http.*\n\tdaphne --force-sync\n",
    "start.sh": "exec python manage.py rundelay\n",
    "Procfile": "d: python manage.py rundelay\nweb: daphne --ws-protocol=x a.asgi:channel_layer\n",
    "Dockerfile": 'FROM python:3\nRUN pip install channels\nCMD ["daphne", "--force-sync", "a"]\n',
    "docker-compose.yml": "    command: python manage.py rundelay\n    image: redis:3\n",
    "deploy/delay.service": "[Service]\nExecStart=/srv/manage.py rundelay\n",
    "deploy/supervisord.conf": "[program:x]\ncommand=daphne --ws-protocol=x a.asgi:application\n",
    ".travis.yml": "install:\n  - pip install channels==1.1.8\nservices: redis\n",
    ".github/workflows/test.yml": "      - run: pip install asgi_redis daphne\n",
    "tox.ini": "[testenv]\ndeps =\n    asgi_redis\ncommands =\n    ./manage.py rundelay\n",
    "circus.ini": "[watcher:x]\ncmd = ./manage.py rundelay\n",
}
SAID = {
    "Makefile": ["2: `runworker --only-channels=http.*`", "3: `daphne --force-sync`"],
    "start.sh": ["1: `rundelay`"],
    "Procfile": ["1: `rundelay`", "2: `daphne --ws-protocol`", "2: `daphne ...:channel_layer`"],
    "Dockerfile": ["2: `channels`", "3: `daphne --force-sync`"],
    "docker-compose.yml": ["1: `rundelay`", "2: `redis:3`"],
    "deploy/delay.service": ["2: `rundelay`"],
    "deploy/supervisord.conf": ["2: `daphne --ws-protocol`"],
    ".travis.yml": ["2: `channels==1.1.8`"],
    ".github/workflows/test.yml": ["1: `asgi_redis`", "1: `daphne`"],
    "tox.ini": ["3: `asgi_redis`", "5: `rundelay`"],
    "circus.ini": ["2: `rundelay`"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_files_with_commands(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(COMMANDS[name])
    project = Project()
    for path in find_files([tmp_path]):
        project.take(path)
    assert [f"{one.line}: {one.what}" for _, one in sorted(project.report)] == SAID[name]


INSTALLED = {
    "RUN pip install 'channels==1.1.8' asgi_redis": ["`channels==1.1.8`", "`asgi_redis`"],
    "    asgi-redis \\": ["`asgi-redis`"],
    'pip install "Twisted<20" daphne redis': ["`Twisted<20`", "`daphne`"],
    "RUN pip3 install --no-cache-dir channels \\\n    daphne && daphne a.asgi:x": [
        "`channels`",
        "`daphne`",
    ],
    "poetry add channels": ["`channels`"],
    "exec daphne a.asgi:application": [],
    "pip install requests; daphne channels": [],
    "pip install channels>=4.3": [],
    "    image: redis:3.2-alpine": ["`redis:3.2`"],
    "FROM library/redis:5": ["`redis:5`"],
    "    image: redis:6": [],
    "    image: 'redis:7.2'": [],
    "# pip install asgi_redis": [],
    "RUN pip install -r requirements.txt channels>=4.3 daphne==4.2.2": [],
}


@pytest.mark.parametrize("line", INSTALLED)
def test_installations_in_scripts(line: str) -> None:
    assert [finding.what for finding in find_installed(line)] == INSTALLED[line]


def test_the_report_says_what_to_require() -> None:
    (finding,) = find_packages("channels==1.1.8")
    assert FORM in finding.cure
