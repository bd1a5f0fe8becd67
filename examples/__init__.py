"""Class-based consumers and plain ASGI on the chat's channel layer: a tutorial in four files.

``consumers.py``
    The consumers of the Channels tutorial, in the same groups as the functions that workers run.
``ping.py``
    An ASGI application that needs no library.
``asgi.py``
    Both beside the worker-style chat: ``daphne examples.asgi:application``. For the chat itself
    run ``manage.py runworker`` too, both with the same ``REDIS_URL``.
``plain.py``
    Django's pages and the ping without any routing library: ``daphne examples.plain:application``.

The deployed chat mounts none of them: they forward everything they receive to everybody in a room,
and bypass the checks, the rate limit and the history of ``chat/consumers.py``.
"""
