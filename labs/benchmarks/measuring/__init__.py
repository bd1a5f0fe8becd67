"""Measures one thing: a site, a load, and what it says."""
