"""A crowd: a process with many clients that talk in rooms and record what they hear.

``traffic`` starts and controls it. ``hearing`` and ``chat_rows`` count lost, repeated and reordered
messages. The benchmarks have a load generator of their own, ``labs/benchmarks/load``: it must cost
little itself, and neither reconnects nor keeps a transcript.
"""
