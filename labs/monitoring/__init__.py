"""Metrics as an operator sees them: ``dashboard`` makes ``dashboard.json`` of ``panels/``."""
