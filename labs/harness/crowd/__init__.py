"""A crowd: a process whose people talk in rooms and write down what they hear.

``traffic`` starts and steers it, ``hearing`` and ``chat_rows`` count what was lost of its messages.
The load of the benchmarks is another one, made to cost little: ``labs/benchmarks/load``.
"""
