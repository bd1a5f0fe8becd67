"""For views: the place that a request has inside Django, where interface servers bound these."""

from channels_workers.interface.http.slots import leave_place

__all__ = ["leave_place"]
