"""Deliberately broken engines, which show that the table detects bugs."""
