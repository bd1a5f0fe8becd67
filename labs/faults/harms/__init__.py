"""The faults, one module each, or a few that belong together."""
