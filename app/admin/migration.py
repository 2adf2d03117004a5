"""Writes what the version before wrote in the format of this one, while the service works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.ledger import names
from app.parts import Parts


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of all buckets are done, and how many transactions were looked at and written anew in them."""

    buckets: int
    seen: int
    migrated: int

    @property
    def share(self) -> float:
        return self.buckets / names.BUCKETS


def migrate(
    parts: Parts, per_second: int, tell: Callable[[Progress], None], sleep: Callable[[float], None] = time.sleep
) -> Progress:
    """Migrate every transaction, at most so many a second; `tell` is told after each bucket.

    What was migrated before is left as it is: a run that was ended goes on with the next one. Raises LedgerUnavailable.
    """
    progress = Progress(0, 0, 0)
    for bucket, pages in enumerate(parts.index.every_bucket(), start=1):
        for page in pages:
            for start in range(0, len(page), per_second):
                ids = page[start : start + per_second]
                migrated = parts.storage.migrate(ids)
                progress = Progress(bucket - 1, progress.seen + len(ids), progress.migrated + migrated)
                if migrated:
                    sleep(migrated / per_second)
        progress = Progress(bucket, progress.seen, progress.migrated)
        tell(progress)
    return progress
