"""Shared by labs and tests: processes, servers, sites, crowds, reports."""
