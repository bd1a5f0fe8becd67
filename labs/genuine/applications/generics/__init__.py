"""Consumers that are classes."""
