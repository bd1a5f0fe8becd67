"""HTTP requests in workers: bodies in, responses out, and server-sent events."""
