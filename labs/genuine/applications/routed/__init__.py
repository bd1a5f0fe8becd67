"""Routing by all parts of a message."""
