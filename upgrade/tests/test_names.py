"""Each public name of Channels 1.1.8 has a correct status."""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from channels_workers_upgrade.beside import OF_PACKAGES, PACKAGES, is_of_4
from channels_workers_upgrade.lookup import find, find_beginning, is_known, names_of, new_module
from channels_workers_upgrade.names import NAMES, PASSED_ON, ROWS
from channels_workers_upgrade.renames import Status

LINES = (Path(__file__).parent / "names_of_1_1_8.txt").read_text().splitlines()
GENUINE = [line for line in LINES if not line.startswith("#")]


def test_exactly_the_names_of_1_1_8_have_a_status() -> None:
    assert sorted(NAMES) == sorted(GENUINE)


def test_no_name_is_in_two_rows() -> None:
    assert sum(len(row.names) for row in ROWS) == len(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_has_a_target_or_a_remark(name: str) -> None:
    rename = NAMES[name]
    assert bool(rename.target) == (rename.status is not Status.GONE)
    if not rename.is_same:
        assert rename.remark, "what is different, or what to do instead"


@pytest.mark.parametrize("module", sorted(PASSED_ON))
def test_reexported_names_are_known(module: str) -> None:
    for name in PASSED_ON[module].split():
        assert f"{module}.{name}" not in NAMES
        assert find(f"{module}.{name}") is not None


def test_the_old_name_of_the_test_package_is_known() -> None:
    assert find("channels.tests.ChannelTestCase") == find("channels.test.ChannelTestCase")
    assert new_module("channels.tests") == "channels_workers.test"
    assert find("channels.testsuite.Client") is None


def test_a_path_may_continue_after_a_name() -> None:
    found = find_beginning("channels.channel.Group.send.__name__")
    assert found is not None
    assert (found.name, found.rest) == ("channels.channel.Group", "send.__name__")
    assert find_beginning("channels.layers.get_channel_layer") is None


def test_names_of_a_star_import() -> None:
    assert names_of("channels")["channel_layers"] == "channels_workers.asgi.channel_layers"
    assert names_of("channels.auth")["http_session"] == "channels_workers.sessions.http_session"
    assert "Worker" not in names_of("channels.worker")
    assert names_of("channels.binding")["Binding"] == "channels_workers.binding.Binding"


def test_the_names_of_channels_4_are_known() -> None:
    spec = find_spec("channels")
    assert spec is not None
    assert spec.origin is not None, "Channels 4 is installed with the tests' requirements"
    root = Path(spec.origin).parent
    for file in root.rglob("*.py"):
        parts = ("channels", *file.relative_to(root).with_suffix("").parts)
        module = ".".join(parts).removesuffix(".__init__")
        assert is_known(module)
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.name.startswith("_") or is_known(f"{module}.{node.name}"), module


def test_the_names_of_packages_of_today_are_known() -> None:
    for package in set(PACKAGES) - {"channels"}:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None, "it is installed with the tests' requirements"
        root = Path(spec.origin).parent
        for file in root.rglob("*.py"):
            parts = (package, *file.relative_to(root).with_suffix("").parts)
            module = ".".join(parts).removesuffix(".__init__")
            if not module.startswith("daphne.twisted"):
                assert is_known(module)
                for node in ast.parse(file.read_text()).body:
                    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                        assert is_known(f"{module}.{node.name}"), module
    for module, names in OF_PACKAGES.items():
        imported = importlib.import_module(module) if "__main__" not in module else None
        for name in names.replace("*", "").split() if imported else ():
            assert hasattr(imported, name) or name == "twisted_loop", f"{module}.{name}"


def test_a_name_of_both_is_not_one_of_channels_4() -> None:
    assert not any(is_of_4(name) for name in NAMES)
