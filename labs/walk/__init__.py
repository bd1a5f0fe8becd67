"""Traces one frame through the engine, from a socket to a consumer and on to two sockets."""
