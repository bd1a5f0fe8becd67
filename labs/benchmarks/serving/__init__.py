"""Starts a room with everything it needs: Redis, interface servers, workers, maybe a database."""
