"""The rows of the dashboard, from the top."""

from labs.monitoring.panels import interface, site, workers
from labs.monitoring.panels.panel import Row

ROWS: tuple[Row, ...] = (
    site.OVERVIEW,
    site.TIME,
    workers.WORKERS,
    interface.INTERFACE,
    interface.REDIS,
    workers.TASKS,
    interface.HTTP,
)
