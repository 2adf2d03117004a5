"""What one reconciliation is about: its terms, the differences it finds, and what it has told of already."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.ledger import names
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.transaction import Address, Operation
from app.parts import Parts
from mappers.base import DoneStep, MapperError, Origin, StatementLine
from mappers.deadline import Deadline
from providers.provider import Provider

Kind = Literal["missing", "extra", "amount", "state", "unresolved", "not compared"]

NO_TRANSACTION = "no such transaction"

# A Redis that lost everything has lost a million names: to tell of one a second time is better than to keep them all.
REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that ledger and backend see differently, or that could not be compared.

    missing: the ledger says it happened, the backend shows nothing. extra: the other way round. amount: both know it,
    differently. state: the backend ended by itself what the ledger thinks open. unresolved: the ledger does not know.
    not compared: `backend` says why; it is about a card, or, where `card` is None, about a whole provider.
    """

    provider: str
    card: str | None
    transaction: str | None
    key: str | None
    kind: Kind
    ledger: str
    backend: str
    repaired: bool = False


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

    def lost(self, provider: Provider, entry: StatementLine) -> Difference | None:
        """Return a transaction that Redis has lost, by the first entry that tells of it.

        None when it was told of before, or is another provider's on the same account: with that one it is found.
        """
        if entry.origin is None or entry.origin.transaction_id in self._told:
            return None
        if self._is_anothers(provider, entry.card_id, entry.origin):
            return None
        name = entry.origin.transaction_id
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told.add(name)
        repaired = self.repair and self._restored(provider, Address(provider.id, entry.card_id, name))
        found = words(provider, entry)
        return Difference(provider.id, entry.card_id, name, entry.key, "extra", NO_TRANSACTION, found, repaired)

    def _is_anothers(self, provider: Provider, card_id: str, origin: Origin) -> bool:
        others = (other.id for other in self.parts.registry.all() if other.id != provider.id)
        return origin.transaction_id in {
            names.transaction_id(other, card_id, operation, origin.request_id)
            for other in others
            for operation in Operation
        }

    def _restored(self, provider: Provider, address: Address) -> bool:
        try:
            return self.parts.recovery.transaction(provider, address, Deadline.after(self.seconds)) is not None
        except LedgerUnavailable:
            raise
        except (MapperError, LedgerError):
            return False


def words(provider: Provider, what: DoneStep | StatementLine) -> str:
    return f"{what.verb} {provider.currency.to_decimal(what.amount)} {provider.currency.code}"
