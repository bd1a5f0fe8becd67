"""Consumers with their own tests, in the style of Channels 1.1.8."""
