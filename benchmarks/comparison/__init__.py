"""Compares the rooms with each other and with the goals; ``benchmarks/compare`` runs it."""
