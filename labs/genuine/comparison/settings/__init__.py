"""Django settings under which both engines run an application."""
