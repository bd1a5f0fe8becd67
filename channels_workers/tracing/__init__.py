"""Traces with OpenTelemetry, off unless the setting ``TRACING`` asks for them."""
