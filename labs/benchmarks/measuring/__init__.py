"""Runs one measurement: a site, a load and its report."""
