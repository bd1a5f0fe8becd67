"""Settings shared by all rooms. `serving` passes the rest in the variable BENCHMARK."""

import json
import os
from typing import Any

#: Written by ``serving.site.Site``: ``redis``, an address, and ``layer``, BACKEND and CONFIG.
given: dict[str, Any] = json.loads(os.environ["BENCHMARK"])

SECRET_KEY = "benchmark"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "labs.benchmarks.rooms.urls"
USE_TZ = True


def layer() -> dict[str, Any]:
    """Return the channel layer of this run, with the address of its Redis."""
    layer: dict[str, Any] = given["layer"]
    return {"BACKEND": layer["BACKEND"], "CONFIG": {"hosts": [given["redis"]], **layer["CONFIG"]}}
