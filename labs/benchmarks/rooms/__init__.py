"""The rooms that are measured: one socket protocol, written once for each engine."""
