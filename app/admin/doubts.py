"""What to do when Redis may have forgotten changes: which orders that concerns, and how a person ends the doubt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from app.admin.transactions.views import Summary, summary
from app.ledger.milliseconds import moment
from app.ledger.reservations import is_reserved_here
from app.ledger.storage.history import Doubt
from app.ledger.transaction import State, Transaction
from app.parts import Parts

# Read from Redis at a time.
ROWS = 500


@dataclass(frozen=True, slots=True)
class DoubtView:
    """A moment at which Redis may have forgotten what it was told after `since` (None: nobody knows)."""

    since: datetime | None
    noticed: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is doubted, and the open transactions that wait for a person because of it."""

    doubts: tuple[DoubtView, ...]
    waiting: tuple[Summary, ...]


def doubts(parts: Parts) -> Doubts:
    """Return what is doubted. Raises LedgerUnavailable."""
    found = parts.history.doubts()
    return Doubts(tuple(map(_view, found)), tuple(_waiting(parts, found)) if found else ())


def doubt(parts: Parts, reason: str) -> DoubtView:
    """Doubt what was written until now: a backup was restored. Raises LedgerUnavailable."""
    return _view(parts.history.doubt(reason))


def trust(parts: Parts) -> int:
    """End every doubt, and return how many there were. Raises LedgerUnavailable."""
    found = parts.history.doubts()
    parts.history.trust(found)
    return len(found)


def _waiting(parts: Parts, found: list[Doubt]) -> Iterator[Summary]:
    opened = parts.index.open()
    while rows := list(islice(opened, ROWS)):
        for record in parts.storage.load_many([one.id for one in rows]):
            if any(_waits(parts, record, doubt) for doubt in found):
                yield summary(record)


def _waits(parts: Parts, record: Transaction, doubt: Doubt) -> bool:
    if record.unresolved_act is not None and doubt.may_have_forgotten(record.unresolved_act):
        provider = parts.registry.get(record.provider_id)
        if provider is None or not provider.mapper.repeatable or is_reserved_here(record, record.unresolved_act):
            return True
    return record.state is State.AUTHORIZED and doubt.concerns(record)


def _view(found: Doubt) -> DoubtView:
    return DoubtView(moment(found.since) if found.since else None, moment(found.noticed_at), found.reason)
