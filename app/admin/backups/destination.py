"""Where a ledger is to be copied: what is there already, and that nobody works on it before all of it is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.admin.backups.file import BackupRefused
from app.ledger.errors import LedgerUnavailable
from app.ledger.milliseconds import moment
from app.ledger.storage.connection import Connection, Fleet
from app.ledger.storage.copies import Copies
from app.ledger.storage.history import History
from app.ledger.storage.identity import Identity
from app.ledger.sweeper import LEAD
from mappers.deadline import Deadline

# How often it is looked whether a service shows itself.
LOOK_SECONDS = 0.25


def refuse_in_use(connection: Connection, what: str, *, watch_seconds: float = 0.0) -> None:
    """Raises BackupRefused where a service works on a ledger, on whatever machine.

    Nobody leads for a moment after a start, and after the one that led has stopped. Within `watch_seconds` another one
    that runs has taken the lead; none may start meanwhile.
    """
    watch = Deadline.after(watch_seconds)
    while True:
        if Fleet(connection).is_led(LEAD):
            raise BackupRefused(
                f"a service works on {what}, or did a moment ago: stop every giftbridge serve on it, and try again"
            )
        if watch.passed():
            return
        time.sleep(LOOK_SECONDS)


@contextmanager
def emptied(
    connection: Connection, coming: str, what: str, *, replace: str | None, allow_unsafe: bool, watch_seconds: float
) -> Iterator[Copies]:
    """Yield an empty Redis for the ledger `coming` to be written into; it has that id once all went well.

    `what` is that ledger in words. What is here is removed only where `replace` is its id. Until the end no service
    starts on it; a copy that was interrupted begins anew. Raises BackupRefused, LedgerUnavailable.
    """
    copies, identity = Copies(connection), Identity(connection)
    complaints = connection.complaints()
    if complaints and not allow_unsafe:
        raise BackupRefused(f"this Redis must not hold money: {'; '.join(complaints)}")
    there = identity.read()
    if not copies.is_empty() and not (there is None and identity.closed()):
        refuse_in_use(connection, "the ledger that is there")
        if there is None:
            raise BackupRefused("this Redis has keys of giftbridge but no ledger: empty it, or name another one")
        if there != replace:
            raise BackupRefused(
                f"this Redis has {_told(connection, there, coming)}, and {what} would take its place: what was written "
                f"since, or elsewhere, would be gone. If that is meant: --replace {there}"
            )
    why = identity.closed()
    identity.close("a ledger is being copied into this Redis, or that was interrupted: let it end, or do it again")
    if there is not None:
        try:
            refuse_in_use(connection, "the ledger that is there", watch_seconds=watch_seconds)
        except BaseException:
            with suppress(LedgerUnavailable):
                identity.close(why) if why else identity.open()
            raise
    copies.clear()
    yield copies
    identity.become(coming)


def _told(connection: Connection, there: str, coming: str) -> str:
    seen_at = History(connection).seen_at()
    seen = f", last worked on at {moment(seen_at):%Y-%m-%d %H:%M:%S} UTC" if seen_at else ""
    return f"the same ledger {there}{seen}" if there == coming else f"another ledger, {there}{seen}"
