"""Measures what metrics cost."""
