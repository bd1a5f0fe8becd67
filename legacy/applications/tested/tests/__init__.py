"""Tests that run alike on Channels 1.1.8 and, their imports rewritten, on channels_workers.

`legacy/compare --only tested` does both; `scripts/test tests/channels_workers/test/test_tested.py`
runs them on channels_workers alone.
"""
