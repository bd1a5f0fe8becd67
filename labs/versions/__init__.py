"""The tests of the engine and the chat, with versions other than those that requirements.txt pins.

`python -m labs.versions` makes an environment for each combination of `combinations.py`, runs the
tests in it, and writes what came of them: see docs/project/versions.md.
"""
