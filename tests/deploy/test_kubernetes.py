"""The manifests in deploy/kubernetes/, as far as they can be tested without a cluster."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from channels_workers.conf import Configuration
from channels_workers.conf_values import metrics_ports
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from tests.deploy.variables import known_variables
from tests.docs.pages import page

FOLDER = ROOT / "deploy" / "kubernetes"
Manifest = dict[str, Any]
# Maximum time of a worker, and of an interface server, for an orderly shutdown (s).
DRAIN = max(Configuration().STOP_TIMEOUT, Configuration().DRAIN_TIME + 16)


def manifests() -> Iterator[Manifest]:
    for file in sorted(FOLDER.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def one(kind: str, name: str = "chat") -> Manifest:
    """The manifest of this kind and name."""
    (found,) = [m for m in manifests() if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def pods() -> dict[str, Manifest]:
    """Each type of the Procfile with the pod that runs it."""
    found = {
        "release": one("Job", "chat-release"),
        "web": one("Deployment", "chat-web"),
        "worker": one("Deployment", "chat-worker"),
    }
    return {name: manifest["spec"]["template"] for name, manifest in found.items()}


def containers() -> list[Manifest]:
    specs = [pod["spec"] for pod in pods().values()]
    return [c for spec in specs for c in spec["containers"] + spec.get("initContainers", [])]


def test_each_process_of_the_procfile_has_its_pod() -> None:
    assert {name: pod["spec"]["containers"][0]["args"] for name, pod in pods().items()} == {
        name: [name] for name in read_procfile()
    }
    for name in ("web", "worker"):
        (waiting,) = pods()[name]["spec"]["initContainers"]
        assert waiting["command"] == ["python", "manage.py", "migrate", "--check"]


def test_the_kustomization_has_every_file_except_the_optional_one() -> None:
    content = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    files = {file.name for file in FOLDER.glob("*.yaml")}
    assert set(content["resources"]) == files - {"kustomization.yaml", "autoscaler.yaml"}
    assert {image["name"] for image in content["images"]} == {c["image"] for c in containers()}


def test_each_variable_is_the_chats_and_there_are_no_secrets() -> None:
    given = set(one("ConfigMap")["data"])
    given |= {entry["name"] for c in containers() for entry in c.get("env", [])}
    assert given <= known_variables()
    assert not given & {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"}
    assert one("ConfigMap")["data"]["DEBUG"] == "0"
    assert not [m for m in manifests() if m["kind"] == "Secret"]
    for container in containers():
        assert container["envFrom"] == [
            {"configMapRef": {"name": "chat"}},
            {"secretRef": {"name": "chat"}},
        ]


def test_the_page_creates_each_named_secret() -> None:
    made = re.findall(r"kubectl create secret (\S+) (\S+) ", page("how-to/deploy-kubernetes").text)
    named = {ref["secretRef"]["name"] for c in containers() for ref in c["envFrom"][1:]}
    (tls,) = one("Ingress")["spec"]["tls"]
    assert dict(made) == {"generic": named.pop(), "tls": tls["secretName"]}


def test_the_page_runs_commands_in_an_existing_pod() -> None:
    (name,) = re.findall(
        r"kubectl exec .*deployment/(\S+) -- python", page("how-to/deploy-kubernetes").text
    )
    assert one("Deployment", name)


def test_ports_and_paths_agree() -> None:
    web = pods()["web"]["spec"]["containers"][0]
    port, _ = web["ports"]
    assert {"name": "PORT", "value": str(port["containerPort"])} in web["env"]
    for probe, path in {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }.items():
        assert web[probe]["httpGet"] == {"path": path, "port": port["name"]}
    service = one("Service", "chat-web")["spec"]
    assert service["ports"][0]["targetPort"] == port["name"]
    assert service["selector"].items() <= pods()["web"]["metadata"]["labels"].items()
    rule = one("Ingress")["spec"]["rules"][0]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "chat-web", "port": {"name": service["ports"][0]["name"]}}
    assert rule["host"] == one("ConfigMap")["data"]["ALLOWED_HOSTS"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_prometheus_finds_the_metrics(name: str) -> None:
    data = one("ConfigMap")["data"]
    (port,) = metrics_ports(data["METRICS_PORT"])
    assert data["METRICS_HOST"] == "0.0.0.0"
    pod = pods()[name]
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
    }
    ports = {each["name"]: each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]}
    assert ports["metrics"] == port


@pytest.mark.parametrize("name", ["web", "worker"])
def test_selectors_match_the_pods(name: str) -> None:
    labels = pods()[name]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert one(kind, f"chat-{name}")["spec"]["selector"]["matchLabels"] == labels


def test_processes_have_enough_time_to_stop() -> None:
    web = pods()["web"]["spec"]
    pause = int(web["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert web["terminationGracePeriodSeconds"] > pause + DRAIN
    assert pods()["worker"]["spec"]["terminationGracePeriodSeconds"] > DRAIN


def test_pods_have_no_privileges() -> None:
    for pod in pods().values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert not pod["spec"]["automountServiceAccountToken"]
        assert f"USER {pod['spec']['securityContext']['runAsUser']}:" in (
            (ROOT / "Dockerfile").read_text()
        )
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_only_the_operator_sets_the_number_of_workers() -> None:
    assert "replicas" not in one("Deployment", "chat-worker")["spec"]
    target = one("HorizontalPodAutoscaler", "chat-worker")["spec"]["scaleTargetRef"]
    assert target["name"] == one("Deployment", "chat-worker")["metadata"]["name"]
