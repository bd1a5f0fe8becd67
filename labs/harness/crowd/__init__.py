"""A crowd: a process with many clients that talk in rooms and record what they receive.

``traffic`` starts and controls it. ``hearing`` and ``chat_rows`` count lost, repeated and reordered
messages. The benchmarks have their own load generator, ``labs/benchmarks/load``: it must cost
little itself, so it neither reconnects nor keeps a transcript.
"""
