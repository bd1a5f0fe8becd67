"""Builds the pages of this folder into a site: scripts/docs."""

import sys
import tomllib
from pathlib import Path

import django
from django.conf import settings

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

sys.path[:0] = [str(ROOT), str(DOCS / "_ext")]

# The Python API is read from docstrings, and the engine imports with settings only.
settings.configure(
    INSTALLED_APPS=[
        "channels_workers",
        *(f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes")),
    ],
    CHANNEL_ROUTING=[],
)
django.setup()

project = PROJECT["name"]
author = PROJECT["authors"][0]["name"]
copyright = author  # noqa: A001 - Sphinx names it

extensions = ["sphinx.ext.autodoc", "myst_parser", "diagrams"]
exclude_patterns = ["_build", "_ext"]

# A name that leads nowhere is a warning, and scripts/docs takes warnings for errors. Addresses
# of other sites are not fetched.
nitpicky = True
nitpick_ignore_regex = [
    # Names of other packages. Resolving them would need a network.
    ("py:.*", r"(collections|django|django_tasks|json|logging|prometheus_client|re|unittest)\..*"),
    # Inner types that stand in signatures. Their values come from the engine and go back to it.
    ("py:class", r"channels_workers\.layers\..*\.(WorkerLayer|Delivery|Stores?)"),
    ("py:class", r"channels_workers\.interface\.application\.Interface"),
    ("py:class", r"channels_workers\.tasks\.retries\.Function"),
    ("py:class", r"channels_workers\.envelope\.streams\.Handler"),
    ("py:class", r"channels_workers\.middleware\.Chain"),
    ("py:class", r"channels_workers\.http\.sse\._Position"),
    ("py:class", r"channels_workers\.client\.(mailboxes\.Mailboxes|subscriptions\.Membership)"),
    ("py:class", r"channels_workers\.client\.(options\.Options|outbox\.T|streams\.Sender)"),
    ("py:class", r"_asyncio\.Future"),
    ("py:class", "Consumer"),
    ("py:class", r"channels_workers\.declarations\.Decorated"),
    # How the signature of a dataclass shows the types of its fields.
    ("py:class", r"tuple\[.*"),
]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
# Diagrams stand in blocks that GitHub and GitLab draw too.
myst_fence_as_directive = ["mermaid"]
# Headings are link targets, under the names that GitHub gives them.
myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
# Everything comes from this site: no fonts or scripts from elsewhere.
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "github-dark"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
