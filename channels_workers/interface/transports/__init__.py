"""Sockets where WebSockets do not pass: over server-sent events and POST, and by long poll."""
