"""What the scripts answer. Their first lines say what each word means; a test compares these with those."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from app.ledger.caller import Caller
from app.ledger.errors import LedgerUnavailable
from app.ledger.transaction import Transaction


class OpenAnswer(StrEnum):
    FOUND = "found"
    CONFLICT = "conflict"
    LOOK_FIRST = "look first"
    CARD_BUSY = "card busy"
    OPENED = "opened"


class AppendAnswer(StrEnum):
    MISSING = "missing"
    NOT_DUE = "not due"
    CHANGED = "changed"
    FOUND = "found"
    CONFLICT = "conflict"
    BUSY = "busy"
    CLOSED = "closed"
    EXCEEDED = "exceeded"
    OTHER_PART = "other part"
    CARD_BUSY = "card busy"
    ACCEPTED = "accepted"
    QUEUED = "queued"
    OPENED = "opened"


class LeaseAnswer(StrEnum):
    NOTHING = "nothing"
    SEEN_TO = "seen to"
    ANOTHER = "another"
    HELD = "held"
    CARD_BUSY = "card busy"
    LEASED = "leased"


class RecordAnswer(StrEnum):
    STALE = "stale"
    OK = "ok"
    LATE = "late"
    MOVED = "moved"
    SHORT = "short"


class ForgetAnswer(StrEnum):
    NOT_DUE = "not due"
    FORGOTTEN = "forgotten"


class PackAnswer(StrEnum):
    CHANGED = "changed"
    PACKED = "packed"


class RestoreAnswer(StrEnum):
    FOUND = "found"
    RESTORED = "restored"


class RearmAnswer(StrEnum):
    NOTHING = "nothing"
    ARMED = "armed"


class MigrateAnswer(StrEnum):
    NOTHING = "nothing"
    MIGRATED = "migrated"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a card stands in the ledger, for all providers on its account. Amounts in minor units.

    `reserved` is what the ledger keeps of the card. Of that, `taking` may be gone at the backend already, and `upfront`
    is kept for debits that are under way and promised to nobody yet. `lagging` was taken so recently that the backend's
    balance may not show it. `epoch` is raised each time kept money becomes taken money. `unseen_for`: for so many
    milliseconds yet the backend may not show what was given to the card.
    """

    epoch: int
    reserved: int
    taking: int
    upfront: int
    lagging: int
    unseen_for: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a transaction's first unresolved act until its time is over, and what is known of it so far.

    `nothing_sent`: certainly nothing was sent for the act's next step. `silence_is_final`: nothing that was sent can
    still arrive, so "no trace of it" means that it did not happen. `in_flight_until`: until when what earlier attempts
    sent may arrive, in milliseconds of Redis's clock. `standing`: the card's, before anything else is read. `date`:
    when it was given, in those milliseconds; while Redis's clock was just set ahead, as it would be without that.
    `doubted`: it was set ahead lately, and what was dated since may be dated wrongly; or Redis may have forgotten when
    the transaction was begun.
    `allowed`: the card is known to allow it by what it was issued for.
    """

    attempt: int
    nothing_sent: bool
    silence_is_final: bool
    in_flight_until: int
    standing: Standing
    caller: Caller
    date: int
    doubted: bool = False
    allowed: bool = False


A = TypeVar("A", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Result(Generic[A]):
    """A script's answer, the transaction after it, and how its card stands.

    `lease` is there where the answer gives one. `card_taken_by`: the transaction whose step keeps the card busy.
    """

    answer: A
    found: Transaction | None
    lease: Lease | None
    standing: Standing
    card_taken_by: str | None

    @property
    def transaction(self) -> Transaction:
        """The transaction after the script. Raises LedgerUnavailable where Redis has lost it meanwhile."""
        if self.found is None:
            raise LedgerUnavailable("Redis has lost the transaction meanwhile: repeat the request")
        return self.found
