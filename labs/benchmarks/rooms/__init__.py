"""The measured rooms: one socket protocol, implemented for each engine."""
