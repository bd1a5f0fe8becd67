"""Routing by everything that a message holds."""
