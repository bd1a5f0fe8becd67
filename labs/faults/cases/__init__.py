"""The faults, one or a few related ones per module."""
