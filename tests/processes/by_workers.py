"""Settings with HTTP by workers; `by_workers_pages` has the views and consumers.

The variable `LIMITS` is CHANNEL_WORKERS as JSON.
"""

import json
import os

from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT

ROOT_URLCONF = "tests.processes.by_workers_pages"
CHANNEL_ROUTING = "tests.processes.by_workers_pages.channel_routing"
CHANNEL_WORKERS = {**CHAT, "HTTP": "workers", **json.loads(os.environ.get("LIMITS", "{}"))}
DATA_UPLOAD_MAX_MEMORY_SIZE = None
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

#: Lists in Redis. Each view that has begun adds a line to `run`, each stream that was closed one to
#: `closed`, and each process that has imported the views one to `imported`. Views under `/held/`
#: wait for an entry in `go`.
RUN, CLOSED, GO, IMPORTED = "run", "closed", "go", "imported"
PART = 64 * 1024
