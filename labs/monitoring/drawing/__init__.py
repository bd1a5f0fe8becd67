"""Draws the dashboard as Grafana shows it, from its own JSON: no package has Grafana itself.

``page`` places panels by their ``gridPos``. ``graph`` draws one by its type, unit, legends,
thresholds and stacking.
"""
