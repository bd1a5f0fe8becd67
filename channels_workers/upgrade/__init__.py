"""``python -m channels_workers.upgrade``: moves a project from Channels 1.1.8 to this engine.

It reads and writes files and imports nothing of the project. It needs LibCST, the extra
``channels-workers[upgrade]``; nothing else in the engine does.
"""
