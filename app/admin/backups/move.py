"""A ledger moves from one Redis to another: all of it, or it stays where it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from app.admin.backups.destination import emptied, refuse_in_use
from app.admin.backups.file import BackupRefused
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import KEYS_AT_A_TIME, Copies, Entry
from app.ledger.storage.history import History
from app.ledger.storage.identity import LEDGER, Identity

# Every time in a ledger is one of its Redis: until when a lease lasts, or what was sent may still arrive.
CLOCKS_AGREE_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Moved:
    """A ledger, and how many of its keys were copied and then compared."""

    ledger: str
    keys: int


def move(
    old: Connection, new: Connection, new_name: str, *, replace: str | None, allow_unsafe: bool, watch_seconds: float
) -> Moved:
    """Copy a ledger that no service works on, compare every key, and close the old one.

    `new_name` is where it goes, in words; `watch_seconds`: see `refuse_in_use`. Whatever goes wrong, services may start
    on one of both at most. Raises BackupRefused, LedgerUnavailable.
    """
    source, identity = Copies(old), Identity(old)
    began = f"the ledger began to move to {new_name}, and that did not end: repeat giftbridge ledger move"
    ledger_id = identity.read()
    if ledger_id is None:
        raise BackupRefused("there is no ledger to move")
    if (why := identity.closed()) and why != began:
        raise BackupRefused(why)
    refuse_in_use(old, "the ledger")
    _refuse_same_server(old, new)
    _refuse_other_clock(old, new)
    with emptied(
        new, ledger_id, f"ledger {ledger_id}", replace=replace, allow_unsafe=allow_unsafe, watch_seconds=watch_seconds
    ) as target:
        identity.close(began)
        try:
            refuse_in_use(old, "the ledger", watch_seconds=watch_seconds)
            History(old).look()  # what the old Redis may have forgotten is noticed before the new one takes its place
            for _ in target.write(source.entries()):
                pass
            keys = _compared(source, target, new.now_milliseconds())
            History(new).moved()
        except BaseException:
            with suppress(LedgerUnavailable):
                identity.open()
            raise
    identity.close(f"the ledger has moved to {new_name}: set GIFTBRIDGE_REDIS_URL to that")
    return Moved(ledger_id, keys)


def _compared(source: Copies, target: Copies, now: int) -> int:
    """Return how many keys were compared. Raises BackupRefused where one is not the same at both."""
    count, entries = 0, source.entries()
    while some := list(islice(entries, KEYS_AT_A_TIME)):
        here = {entry.key: entry for entry in some if entry.key != LEDGER}
        for there in target.read(list(here)):
            if not there.same_as(here[there.key]) and not (_over(there, now) and _over(here[there.key], now)):
                raise BackupRefused(
                    f"{there.key} is not the same at both: does something else write to one of them? Nothing was moved"
                )
        count += len(here)
    return count


def _over(entry: Entry, now: int) -> bool:
    """Tell whether a key is gone, or ends by itself about now."""
    return entry.kind == "none" or 0 < entry.expires_at <= now + CLOCKS_AGREE_MILLISECONDS


def _refuse_same_server(old: Connection, new: Connection) -> None:
    if {server.replid for server in old.servers()} & {server.replid for server in new.servers()}:
        raise BackupRefused("both addresses are those of one Redis, or of a replica of it: name another one")


def _refuse_other_clock(old: Connection, new: Connection) -> None:
    apart = abs(old.now_milliseconds() - new.now_milliseconds())
    if apart > CLOCKS_AGREE_MILLISECONDS:
        raise BackupRefused(f"the clocks of both are {apart / 1000:.0f} s apart: correct the one that is wrong")
