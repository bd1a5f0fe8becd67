"""Starts a room with all that it needs: a Redis, interface servers, workers, perhaps a database."""
