"""What one reconciliation is about: its terms, the differences it finds, and what it has told of already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from app.admin.reconciliation import meaning
from app.ledger import names
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.transaction import Address, Operation
from app.parts import Parts
from mappers.base import Holds, MapperError, Origin, StatementLine
from providers.provider import Provider

Kind = Literal["missing", "extra", "double", "amount", "state", "elsewhere", "unresolved", "not compared"]

NO_TRANSACTION = "no such transaction"
LOST = "what it may have lost"

# A Redis that lost everything has lost a million names: to tell of one a second time is better than to keep them all.
REMEMBERED = 100_000

# A transaction is forgotten a retention after Redis wrote its end, and the end is dated by the backend's clock.
CLOCKS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that ledger and backend see differently, or that could not be compared.

    missing: the ledger says it happened, the backend shows nothing. extra: the other way round. double: the backend did
    it more than once. amount: both know it, differently. state: a hold that the ledger thinks open was voided by the
    backend. elsewhere: somebody else captured or gave back what is ours. unresolved: the ledger does not know.
    not compared: `backend` says why; it is about a card, or, where `card` is None, about a whole provider.
    `meaning` is what it comes to in money, `remedy` what mends it; both are for people.
    """

    provider: str
    card: str | None
    transaction: str | None
    key: str | None
    kind: Kind
    ledger: str
    backend: str
    repaired: bool = False
    meaning: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The terms of one run. `since` is when the transactions were opened; `began` is in milliseconds of Redis."""

    parts: Parts
    since: datetime | None
    repair: bool
    began: int
    _told: set[str] = field(default_factory=set)

    @property
    def seconds(self) -> float:
        """How long one call to a backend may take."""
        return self.parts.settings.money_deadline_seconds

    def is_for_the_next(self, provider: Provider, moment: int) -> bool:
        """Tell whether what happened then (in milliseconds) is left to the next run.

        It may be under way still, and a backend's reads may lag behind.
        """
        wait_seconds = self.parts.storage.lease_seconds + provider.mapper.read_lag_seconds
        return moment > self.began - wait_seconds * 1000

    def includes(self, moment: int) -> bool:
        """Tell whether what was opened then (in milliseconds) is to be compared."""
        return self.since is None or moment >= milliseconds(self.since)

    def may_be_forgotten(self, moment: int) -> bool:
        """Tell whether a transaction that the backend moved last at `moment` may be over for longer than the retention.

        What others did at the backend is no movement of it.
        """
        age = timedelta(days=self.parts.settings.retention_days) - CLOCKS
        return moment <= self.began - milliseconds(age)

    def was_told(self, transaction_id: str) -> bool:
        """Tell whether it was told of already that Redis has lost a transaction."""
        return transaction_id in self._told

    def lost(
        self, provider: Provider, entry: StatementLine, entries: Sequence[StatementLine] = ()
    ) -> Difference | None:
        """Return a transaction that Redis has lost, by the first entry that tells of it.

        It is written down again from its `entries` of the card's statement, where the run repairs and they are there.
        None when it was told of before, or is another provider's on the same account: with that one it is found.
        """
        if entry.origin is None or self.was_told(entry.origin.transaction_id):
            return None
        if self._is_anothers(provider, entry.card_id, entry.origin):
            return None
        name = entry.origin.transaction_id
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told.add(name)
        repaired = self.repair and self._restored(provider, Address(provider.id, entry.card_id, name), entries)
        found = meaning.words(provider, entry)
        remedy = meaning.REPAIR if provider.policy.holds is Holds.NATIVE else meaning.LOOK
        return Difference(
            provider.id,
            entry.card_id,
            name,
            entry.key,
            "extra",
            NO_TRANSACTION,
            found,
            repaired,
            meaning.unknown(provider, entry),
            remedy,
        )

    def _is_anothers(self, provider: Provider, card_id: str, origin: Origin) -> bool:
        others = (other.id for other in self.parts.registry.all() if other.id != provider.id)
        return origin.transaction_id in {
            names.transaction_id(other, card_id, operation, origin.request_id)
            for other in others
            for operation in Operation
        }

    def _restored(self, provider: Provider, address: Address, entries: Sequence[StatementLine]) -> bool:
        try:
            return self.parts.recovery.from_statement(provider, address, entries) is not None
        except LedgerUnavailable:
            raise
        except (MapperError, LedgerError):
            return False
