"""What Redis is told, and what it answers: the words between the use cases and the scripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.ledger import names
from app.ledger.errors import LedgerUnavailable
from app.ledger.transaction import Operation, Part, Reason, Record
from mappers.base import ActKind, Holds, Memo


@dataclass(frozen=True, slots=True)
class LedgerTimes:
    """How long things last in Redis; each is a setting."""

    lease: timedelta = timedelta(seconds=30)
    abandon_after: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is needed to open a transaction."""

    provider_id: str
    card_id: str
    operation: Operation
    request_id: str
    amount: int
    currency: str
    holds: Holds
    memo: Memo
    authorization_ttl: timedelta
    one_step_at_a_time: bool
    actor: str | None = None
    correlation_id: str | None = None

    @property
    def id(self) -> str:
        return names.transaction_id(self.provider_id, self.card_id, self.operation, self.request_id)

    @property
    def kind(self) -> ActKind:
        return ActKind.DEBIT if self.operation is Operation.DEBIT else ActKind.CREDIT


@dataclass(frozen=True, slots=True)
class Change:
    """What is needed to add a settlement or cancellation."""

    kind: ActKind
    amount: int
    request_id: str
    one_step_at_a_time: bool
    reason: Reason = Reason.REQUEST
    accept: bool = False
    only_if_due: bool = False
    only: Part | None = None
    actor: str | None = None
    correlation_id: str | None = None

    def oid(self, transaction_id: str) -> str:
        return names.act_id(transaction_id, self.kind, self.request_id)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a transaction's first unresolved act until its lease is over.

    `conclusive`: nothing sent before can still arrive, so that "no trace of it" means it did not happen.
    `clean`: nothing was ever sent for the act's next step.
    `by` and `correlation_id` name, in the history, whom or what this attempt runs for.
    """

    attempt: int
    conclusive: bool
    clean: bool
    quiet_was: int
    epoch: int  # of the card, before anything else is read
    by: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script answered: its word, the transaction after it (None if there is none), and the card's standing."""

    word: str
    record: Record | None
    lease: Lease | None
    epoch: int
    card_taken_by: str | None

    def the_record(self) -> Record:
        if self.record is None:
            raise LedgerUnavailable("Redis has lost the transaction meanwhile: repeat the request")
        return self.record
