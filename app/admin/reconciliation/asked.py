"""What a person asks the service to compare in the background, and how far the comparison is that runs now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum

from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.run import Difference
from app.ledger.storage.documents import Documents
from app.parts import Parts

# Whoever leads under this name compares.
LEAD = "reconciliation"

ASKED, PROGRESS = "reconciliation-asked", "reconciliation-progress"

# Where no service is there to do it, it is not done much later.
ASKED_LASTS = timedelta(hours=1)
PROGRESS_LASTS = timedelta(days=1)

# More often nobody looks.
WRITTEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A comparison that somebody asked for: of all providers. `repair`: and does what is provably right."""

    who: str
    repair: bool


class State(StrEnum):
    """How the comparison in the background stands."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended half way"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is: `seen` of `total` transactions, then `read` entries or cards of accounts.

    `who` is empty where the schedule made it begin.
    """

    state: State
    who: str = ""
    repair: bool = False
    seen: int = 0
    total: int = 0
    read: int = 0


def ask(parts: Parts, who: str, *, repair: bool = False) -> bool:
    """Have everything compared by the service, in seconds; tell whether it was not asked for already.

    Raises LedgerUnavailable.
    """
    return parts.documents.note_once(ASKED, asdict(Wish(who, repair)), ASKED_LASTS)


def is_asked(documents: Documents) -> bool:
    """Raises LedgerUnavailable."""
    return documents.noted(ASKED) is not None


def take(documents: Documents) -> Wish | None:
    """Return what somebody asked for, which is nobody else's from then on. Raises LedgerUnavailable."""
    found = documents.noted(ASKED)
    return Wish(**found) if found and documents.forget(ASKED) else None


def standing(parts: Parts) -> Standing | None:
    """Return how the comparison in the background stands; None where none is under way. Raises LedgerUnavailable.

    One whose process has died counts as running until it has lost its lead.
    """
    progress = parts.documents.noted(PROGRESS)
    if parts.fleet.is_led(LEAD):
        return Standing(State.RUNNING, **progress or {})
    if wish := parts.documents.noted(ASKED):
        return Standing(State.WAITING, **wish)
    return Standing(State.ENDED, **progress) if progress else None


def watched(parts: Parts, run: Reconciliation, wish: Wish | None) -> Iterator[Difference]:
    """Yield what a run finds, while everybody can see how far it is. Raises LedgerUnavailable."""
    document = asdict(wish or Wish("", repair=False)) | {"seen": 0, "total": run.count(), "read": 0}
    parts.documents.note(PROGRESS, document, PROGRESS_LASTS)
    written = time.monotonic()

    def more(name: str, count: int) -> None:
        nonlocal written
        document[name] += count
        if time.monotonic() - written >= WRITTEN_SECONDS:
            parts.documents.note(PROGRESS, document, PROGRESS_LASTS)
            written = time.monotonic()

    yield from run.cards(lambda count: more("seen", count))
    yield from run.accounts(lambda _provider, count, _what: more("read", count))


def finished(documents: Documents) -> None:
    """Say that the run came to its end. Raises LedgerUnavailable."""
    documents.forget(PROGRESS)
