"""Measures channels_workers beside other packages. README.md describes it."""
