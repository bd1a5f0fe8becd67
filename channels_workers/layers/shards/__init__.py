"""Shards: several stores of data that make one channel layer."""
