"""Settings of Django under which both engines run an application."""
