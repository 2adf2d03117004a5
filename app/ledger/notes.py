"""What searches note in Redis, each note once in a while: VTEX repeats a search many times in a checkout.

A process remembers what it noted lately, and neither writes the same again nor asks whether it is there. Where Redis
has lost it meanwhile, a code that was found is counted again later, and a card is read at its backend before it pays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from app.ledger.storage.connection import Command
from app.ledger.storage.storage import Storage

# Longer than most checkouts, and a small part of how long any note is kept.
LATELY = timedelta(minutes=5)

# In the memory of one process; the oldest go first.
MOST_KEPT = 5000


class Notes:
    """Writes notes. It is shared by all threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        # By its key in Redis: what was written last, and until when that is lately.
        self._written: dict[str | bytes | int, tuple[Command, float]] = {}

    def write(self, commands: Sequence[Command]) -> None:
        """Send commands in one round trip, but for notes that were written lately. Raises LedgerUnavailable."""
        new = [command for command in commands if not self.has_lately(command)]
        until = time.monotonic() + LATELY.total_seconds()
        self._storage.write(new)
        with self._lock:
            for command in new:
                if command[0] == "SET":
                    self._written.pop(command[1], None)  # the newest last
                    self._written[command[1]] = command, until
            while len(self._written) > MOST_KEPT:
                del self._written[next(iter(self._written))]

    def has_lately(self, note: Command) -> bool:
        """Tell whether this process has written a note lately, and nothing else in its place since."""
        written, until = self._written.get(note[1], (None, 0.0))
        return note == written and time.monotonic() < until
