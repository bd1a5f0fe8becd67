"""Metrics as an operator sees them: the dashboard, and a run of a site that Prometheus watches.

``dashboard`` makes ``dashboard.json`` of ``panels/``. ``python -m labs.monitoring`` puts a site
under load and into trouble while a real Prometheus scrapes it, checks panels and alerts, and draws
the dashboard.
"""
