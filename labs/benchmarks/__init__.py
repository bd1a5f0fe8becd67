"""Measures channels_workers beside what it is compared with; see README.md."""
