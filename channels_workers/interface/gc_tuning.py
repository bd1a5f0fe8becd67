"""The garbage collector of a process that holds many sockets for long.

By Python's defaults it looks at all that each socket holds again and again: in a room of 1,000 it
took a tenth of the interface server's time under Daphne, with 10,000 nearly half. Hardly anything
there is garbage that only it can find.
"""

import gc

#: What Python starts with: 700 new objects up to 3.13, 2,000 after.
DEFAULTS = (700, 2000)

#: New objects after which it looks at the youngest.
NEW_OBJECTS = 20_000


def tune_gc() -> None:
    """Leave out what was made until now, and look at new objects less often.

    Whoever has set a threshold, or has switched the collector off, is left alone.
    """
    youngest, *older = gc.get_threshold()
    if gc.isenabled() and youngest in DEFAULTS:
        gc.collect()
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS, *older)
