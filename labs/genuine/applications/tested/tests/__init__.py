"""Tests that run alike on Channels 1.1.8 and, their imports rewritten, on channels_workers.

`labs/genuine/compare --only tested` runs them on both. On channels_workers alone they are run by
`scripts/test tests/channels_workers/test/test_tested.py`.
"""
