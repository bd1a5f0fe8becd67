"""Tests the engine and the chat with other versions than those pinned in requirements.txt.

`python -m labs.versions` creates an environment for each combination of `combinations.py`, runs the
tests in it, and writes the results to docs/project/versions.md.
"""
