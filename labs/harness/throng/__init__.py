"""Thousands of sockets that come back all at once, in a process that costs little for each."""
