"""What the engine knows of the database connections of its threads."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connections

from channels_workers.databases import here

SETTINGS = """
import channels_workers.signals
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""

PROGRAM = (
    "import django; django.setup(); from django.db import connection; print(connection.vendor)"
)


def test_settings_may_import_the_engine_before_they_name_databases(tmp_path: Path) -> None:
    (tmp_path / "half_loaded.py").write_text(SETTINGS)
    environment = {"DJANGO_SETTINGS_MODULE": "half_loaded", "PYTHONPATH": f"{tmp_path}:."}
    command = [sys.executable, "-c", PROGRAM]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "sqlite\n"


@pytest.mark.django_db
def test_a_thread_knows_its_own_connections() -> None:
    found: list[list[str]] = []

    def look() -> None:
        found.append([*here.databases])
        with connections["default"].cursor():
            found.append([*here.databases])
        connections["default"].close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(timeout=60)
    assert found == [[], ["default"]]
