"""Sends that are stored in a transaction, and their way into the layer: a transactional outbox."""
