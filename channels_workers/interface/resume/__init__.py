"""Connections that outlive their sockets: a client that comes back goes on with its own."""
