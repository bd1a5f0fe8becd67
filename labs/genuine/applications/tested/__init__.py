"""Consumers with tests of their own, in the way that Channels 1.1.8 teaches to test."""
