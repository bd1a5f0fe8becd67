"""Tests for Channels 1.1.8 and, with rewritten imports, for channels_workers.

`labs/genuine/compare --only tested` runs them on both, `scripts/test
tests/channels_workers/test/test_tested.py` on channels_workers alone.
"""
