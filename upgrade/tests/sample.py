"""A small but complete project of Channels 1.1.8, and the command that moves it."""

import os
import subprocess
import sys
from pathlib import Path

FILES = {
    "manage.py": """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
execute_from_command_line(sys.argv)
""",
    "mysite/__init__.py": "",
    "mysite/settings.py": """\
INSTALLED_APPS = ["channels", "django.contrib.staticfiles", "board"]
WSGI_APPLICATION = "mysite.wsgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "asgi_redis.RedisChannelLayer",
        "ROUTING": "board.routing.channel_routing",
    },
}
SECRET_KEY = "secret"
STATIC_URL = "/static/"
""",
    "mysite/asgi.py": """\
from channels.asgi import get_channel_layer

channel_layer = get_channel_layer()
""",
    "board/__init__.py": "",
    "board/consumers.py": """\
from channels import Channel, Group, channel_layers
from channels.log import setup_logger
from channels.sessions import channel_session


@channel_session
def receive(message):
    Group("board").send({"text": message["text"]})
""",
    "board/routing.py": """\
import channels

channel_routing = [channels.route("websocket.receive", "board.consumers.receive")]
""",
    "board/old.py": "print 'Python 2, channels'\n",
    "board/channels.py": "from .consumers import receive\n",
    "node_modules/x.py": "from channels import Group\n",
    "env/pyvenv.cfg": "",
    "env/lib/x.py": "from channels import Group\n",
    ".git/hooks/x.py": "from channels import Group\n",
    "start.sh": "pip install asgi_redis\ndaphne --force-sync mysite.asgi:channel_layer\n",
    "requirements.txt": "Django==1.11.29\nchannels<2\nasgi_redis\n",
    "Procfile": "web: daphne mysite.asgi:channel_layer\nworker: python manage.py runworker\n",
}

#: The command without its script, which exists only where the package is installed.
COMMAND = (sys.executable, "-W", "error", "-m", "channels_workers_upgrade")
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def write_project(folder: Path) -> Path:
    """Write the project into a folder, with a symbolic link to a file outside of it."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "link.py").symlink_to(folder / "node_modules" / "x.py")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
