"""A backup of a ledger that is being served, and a restore that knows what it may have forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

from app.admin.backups import file
from app.admin.backups.destination import emptied
from app.ledger.milliseconds import moment
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies
from app.ledger.storage.history import History


@dataclass(frozen=True, slots=True)
class Made:
    """A backup: whose, from when, and how many keys of Redis were read for it."""

    ledger: str
    taken_at: datetime
    keys: int


@dataclass(frozen=True, slots=True)
class Restored:
    """A ledger that came back from a backup: what was written after `taken_at` is doubted."""

    ledger: str
    taken_at: datetime
    keys: int


def back_up(connection: Connection, ledger_id: str, stream: IO[bytes]) -> Made:
    """Write the ledger into a stream, while services work on it. Raises LedgerUnavailable."""
    taken_at = connection.now_milliseconds()
    made_by = f"giftbridge {version('giftbridge')}"
    head = file.Head(ledger_id, taken_at, History(connection).servers_before(), made_by)
    foot = file.write(stream, head, Copies(connection).entries(), connection.now_milliseconds)
    return Made(ledger_id, moment(taken_at), foot.entries)


def restore(
    connection: Connection, path: Path, *, replace: str | None, allow_unsafe: bool, watch_seconds: float
) -> Restored:
    """Put a backup into a Redis, and doubt what was written after it was taken.

    The whole file is read before anything is written. What is there is removed only where `replace` is its id, and no
    service that works on it shows itself within `watch_seconds`.
    Raises BackupRefused, LedgerUnavailable.
    """
    head, foot = file.check(path)
    taken_at = moment(head.taken_at)
    what = f"a backup of {taken_at:%Y-%m-%d %H:%M:%S} UTC"
    with emptied(
        connection, head.ledger, what, replace=replace, allow_unsafe=allow_unsafe, watch_seconds=watch_seconds
    ) as copies:
        for _ in copies.write(file.entries(path)):
            pass
        History(connection).restored(head.taken_at, foot.read_until)
    return Restored(head.ledger, taken_at, foot.entries)
