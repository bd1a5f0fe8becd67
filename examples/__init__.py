"""Class-based consumers and plain ASGI on the chat's channel layer: a tutorial in five files.

``consumers.py``
    The consumers of the Channels tutorial, in the same groups as the functions that workers run.
``database.py``
    Consumers that use the ORM by ``database_sync_to_async``, and the user of the session.
``ping.py``
    An ASGI application that needs no library.
``asgi.py``
    All of them beside the worker-style chat: ``daphne examples.asgi:application``. For the chat
    itself run ``manage.py runworker`` too, both with the same ``REDIS_URL``.
``plain.py``
    Django's pages and the ping without any routing library: ``daphne examples.plain:application``.

The deployed chat mounts none of them: they forward everything they receive to everybody in a room,
and bypass the checks, the rate limit and the history of ``chat/consumers.py``.
"""
