"""The garbage collector of a process that holds many sockets for long.

By default Python's collector traverses the objects of all sockets again and again. In a room of
1,000 sockets this took a tenth of the interface server's time under Daphne, in one of 10,000 nearly
half. Hardly any of these objects is garbage that only the collector can find.
"""

import gc

#: Python's own thresholds: 700 new objects up to 3.13, 2,000 after.
DEFAULTS = (700, 2000)

#: How many new objects start a collection of the youngest generation.
NEW_OBJECTS = 20_000


def tune_gc() -> None:
    """Exempt all present objects from collection, and collect new ones less often.

    Does nothing if a threshold was set, or the collector switched off, before.
    """
    youngest, *older = gc.get_threshold()
    if gc.isenabled() and youngest in DEFAULTS:
        gc.collect()
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS, *older)
