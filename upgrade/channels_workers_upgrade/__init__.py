"""Moves the code of a Django project from Channels 1.1.8 to channels-workers.

The command reads and writes files. It imports neither your project nor the engine.
"""

__version__ = "0.1.0"
