"""When the service compares the ledger with the backends by itself: once in the whole fleet, however often it dies."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import structlog

from app.admin.reconciliation import asked
from app.admin.reconciliation.asked import LEAD, Wish
from app.admin.reconciliation.pace import Pace
from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.results import Trigger, recorded
from app.ledger.errors import LedgerUnavailable
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.connection import Fleet
from app.parts import Parts

log = structlog.get_logger()

COLLECTION, SCHEDULE = "schedules", "reconciliation"

LEAD_LASTS = timedelta(minutes=2)
RENEWED_SECONDS = 20.0

# What died half way is begun anew; not at once, in case it dies of the same again.
PAUSE = timedelta(minutes=10)


def is_due(parts: Parts) -> bool:
    """Tell whether a comparison is to begin now. Raises LedgerUnavailable."""
    if parts.fleet.is_led(LEAD):
        return False
    if asked.is_asked(parts.documents):
        return True
    every = parts.settings.reconcile_every
    if every is None:
        return False
    last = parts.documents.read(COLLECTION, SCHEDULE)
    if last is None:
        return True
    wait = every if last["finished"] else min(every, PAUSE)
    return bool(parts.connection.now_milliseconds() >= last["began"] + milliseconds(wait))


def late_since(parts: Parts, now: int) -> datetime | None:
    """Return when the comparison began that should long be over; None where none is late. Raises LedgerUnavailable."""
    every = parts.settings.reconcile_every
    last = parts.documents.read(COLLECTION, SCHEDULE) if every else None
    if every is None or last is None or last["finished"]:
        return None
    return moment(last["unfinished_since"]) if now > last["unfinished_since"] + milliseconds(every) else None


def run(parts: Parts) -> bool:
    """Compare everything, unless another process does; tell whether. Raises LedgerUnavailable.

    What somebody asked for goes first. Only that repairs, and only where they said so.
    """
    with _leading(parts.fleet) as leads:
        if not leads:
            return False
        if wish := asked.take(parts.documents):
            _compare(parts, wish)
            return True
        last = parts.documents.read(COLLECTION, SCHEDULE)
        began = parts.connection.now_milliseconds()
        since = last["unfinished_since"] if last and not last["finished"] else began
        document = {"began": began, "unfinished_since": since, "finished": 0}
        parts.documents.write(COLLECTION, SCHEDULE, document)
        _compare(parts, None)
        document |= {"finished": parts.connection.now_milliseconds()}
        parts.documents.write(COLLECTION, SCHEDULE, document)
    return True


def _compare(parts: Parts, wish: Wish | None) -> None:
    pace = Pace(parts.settings.reconcile_calls_per_second)
    found = Reconciliation(parts, repair=wish is not None and wish.repair, pace=pace)
    trigger = Trigger.HAND if wish else Trigger.SCHEDULE
    differences = sum(1 for _ in recorded(parts, found, asked.watched(parts, found, wish), trigger))
    asked.finished(parts.documents)
    log.info("reconciled", transactions=found.compared, found=differences)


@contextmanager
def _leading(fleet: Fleet) -> Iterator[bool]:
    """Be the only process that compares, for as long as it takes."""
    token, ended = secrets.token_hex(8), threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWED_SECONDS):
            with suppress(LedgerUnavailable):
                fleet.lead(LEAD, token, LEAD_LASTS)

    if not fleet.lead(LEAD, token, LEAD_LASTS):
        yield False
        return
    renewing = threading.Thread(target=renew, name="lead of the reconciliation", daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        ended.set()
        renewing.join()
        with suppress(LedgerUnavailable):
            fleet.leave(LEAD, token)
