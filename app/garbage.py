"""How often a process looks for garbage in cycles. What it imports stays, so looking there is for nothing.

Python looks after every 700 new objects: more than a hundred times while a command imports what it needs, and again
when the command ends. That is a quarter of the CPU time of a short command.
"""

from __future__ import annotations

import atexit
import gc

# New objects between two looks: some megabytes at most.
NEW_OBJECTS = 20_000


def look_seldom() -> None:
    """Look for garbage after many new objects only, and not again when the process ends."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
