"""Several worker processes from one command: ``runworker --processes``.

The command becomes a small parent, which loads no app and connects to nothing. It starts the same
command again, once per process, as a worker that knows its parent. The two share a socket: the
worker says when it is ready, the parent says when to stop, and each notices the end of the other.
"""
