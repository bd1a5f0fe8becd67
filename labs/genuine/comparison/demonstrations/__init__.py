"""Demonstrations of each deliberate difference."""
