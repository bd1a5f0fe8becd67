"""deploy/ and the files beside it come from the templates of `startworkers`."""

import pytest

from channels_workers.scaffold.files import File, render
from labs.deploy_files import CHAT, SHARED
from labs.harness.project import ROOT

FILES = list(render(CHAT, SHARED))

#: Only the chat has them.
OWN = {"deploy/gunicorn.txt", "deploy/pin"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_a_file_is_what_its_template_makes(file: File) -> None:
    path = ROOT / file.path
    cure = "Change the template in channels_workers/scaffold/, and run scripts/deploy-files."
    assert path.read_text() == file.text, cure
    assert bool(path.stat().st_mode & 0o100) == file.is_program


def test_all_of_deploy_is_shared() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    assert found == OWN | {file.path for file in FILES if file.path.startswith("deploy/")}
