"""Who did what by hand, and why: acts on orders, changes of providers and of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Documents
from app.parts import Parts

LOG = "activity"
LOG_KEEPS = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing done: `what` in a word or two, such as "settle" or "add user"; `about`: the id of a transaction, a
    provider or a user. `details` by their names, such as the amount, the reason, or what was before and after."""

    date: datetime
    who: str
    what: str
    about: str
    details: Mapping[str, str]


def note(parts: Parts, who: str, what: str, about: str, **details: str) -> None:
    """Write down what was done. No code of a card, no token and no customer. Raises LedgerUnavailable."""
    log(parts.documents, who, what, about, **details)


def log(documents: Documents, who: str, what: str, about: str, **details: str) -> None:
    """Write it down where only Redis is at hand, as `note` does. Raises LedgerUnavailable."""
    line = {"date": milliseconds(datetime.now(UTC)), "who": who, "what": what, "about": about, "details": details}
    documents.log(LOG, line, LOG_KEEPS)


def newest(parts: Parts, count: int, skip: int = 0) -> list[Entry]:
    """Return what was done, the newest first. Raises LedgerUnavailable."""
    return [Entry(**line | {"date": moment(line["date"])}) for line in parts.documents.newest(LOG, count, skip)]


def explain(parts: Parts, request_id: str, reason: str) -> None:
    """Keep the reason of an act by hand as long as its transaction. Raises LedgerUnavailable."""
    parts.documents.note(f"reason:{request_id}", {"reason": reason}, timedelta(days=parts.settings.retention_days))


def reason(parts: Parts, request_id: str) -> str | None:
    """Raises LedgerUnavailable."""
    found = parts.documents.noted(f"reason:{request_id}")
    return str(found["reason"]) if found else None
