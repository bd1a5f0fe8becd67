"""Measures what the tokens of sockets cost a worker."""
