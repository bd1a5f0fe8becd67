"""The image and what starts it: Dockerfile, .dockerignore, compose.yaml."""

import json
import re
import shlex
from typing import Any

import pytest
import yaml

from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from tests.deploy.variables import known_variables, variables_of

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
EXACT = re.compile(r"docker\.io/[\w./-]+:\d+\.\d+(\.\d+)?-[\w-]+(@sha256:[0-9a-f]{64})?")


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile, for each occurrence."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^\s*{name} (.+)$", joined, re.MULTILINE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return content


def test_image_versions_are_exact(compose: dict[str, Any]) -> None:
    """A version of three numbers (two for PostgreSQL), or better a digest."""
    (python,) = [arg.removeprefix("PYTHON=") for arg in instructions("ARG")]
    theirs = [entry["image"] for entry in compose["services"].values() if "build" not in entry]
    assert len(theirs) == 2
    for image in (python, *theirs):
        assert EXACT.fullmatch(image), image
    assert {line.split()[0] for line in instructions("FROM")} == {"${PYTHON}"}


def test_the_image_has_the_python_of_other_platforms() -> None:
    version = (ROOT / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"/python:{version}." in instructions("ARG")[0]


def test_the_image_starts_web_through_the_procfile_and_not_as_root() -> None:
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["deploy/start"]
    assert json.loads(instructions("CMD")[-1]) == ["web"]
    user = int(instructions("USER")[-1].split(":")[0])
    assert user > 0
    assert f"useradd --uid {user} " in instructions("RUN")[-2]


def test_its_health_check_uses_the_correct_address() -> None:
    (check,) = re.findall(r"HEALTHCHECK .+?CMD (\[.+\])", DOCKERFILE.replace("\\\n", " "))
    python, _, code = json.loads(check)
    assert python == "python"
    compile(code, "HEALTHCHECK", "exec")
    assert "'http://127.0.0.1:' + os.environ['PORT'] + '/healthz'" in code


def test_only_runtime_files_get_into_the_image() -> None:
    assert "*" in IGNORED
    let_in = {line[1:] for line in IGNORED if line.startswith("!")}
    copied = {
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in shlex.split(line)[:-1]
    }
    assert let_in == copied
    for name in copied:
        assert (ROOT / name).exists(), name


def test_each_process_of_the_procfile_is_a_service(compose: dict[str, Any]) -> None:
    ours = {name: entry for name, entry in compose["services"].items() if "build" in entry}
    assert {name: entry["command"] for name, entry in ours.items()} == {
        name: [name] for name in read_procfile()
    }
    for entry in ours.values():
        assert set(entry["environment"]) <= known_variables()
        assert entry["env_file"] == ".env"
        assert entry["environment"]["DEBUG"] == "0"
        assert entry["environment"]["BIND"] == "0.0.0.0", "Else nothing comes into the container."
        assert f"EXPOSE {entry['environment']['PORT']}\n" in DOCKERFILE
        assert entry["read_only"]
        assert entry["cap_drop"] == ["ALL"]
        assert entry["stop_grace_period"] == "40s"


def test_published_ports_are_local(compose: dict[str, Any]) -> None:
    ports = {
        name: entry["ports"] for name, entry in compose["services"].items() if "ports" in entry
    }
    assert ports == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}


def test_services_wait_for_their_dependencies(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["release"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {
            "release": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    for name in ("redis", "postgres"):
        assert "ports" not in services[name]
        assert services[name]["healthcheck"]["test"]


def test_nothing_starts_without_secrets(compose: dict[str, Any]) -> None:
    text = (ROOT / "compose.yaml").read_text()
    given = variables_of((ROOT / "deploy" / "compose.env").read_text())
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert used == set(given)
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "ALLOWED_HOSTS"):
        assert given[name] == ""
        for use in re.findall(rf"\$\{{{name}[^}}]*}}", text):
            assert use.startswith(f"${{{name}:?"), f"{use} lets {name} be empty"
    assert set(given) - {"POSTGRES_PASSWORD"} <= known_variables()
