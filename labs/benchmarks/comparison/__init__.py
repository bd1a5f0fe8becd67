"""Compares the rooms with each other and with the goals. ``labs/benchmarks/compare`` runs it."""
