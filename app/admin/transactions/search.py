"""The use cases of a store admin who looks for transactions: by name, by card or by how they stand, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self

from app.admin.transactions.views import Summary, patience, provider_named, summary
from app.ledger.errors import LedgerError, TransactionNotFound
from app.ledger.storage import keys
from app.ledger.storage.index import Row
from app.ledger.transaction import State, Transaction
from app.parts import Parts
from mappers.base import Card, CardNotFound, Query

# Read at a time where everything is walked through.
ROWS = 500

# What is unresolved is looked at again at the latest after this: a parked act's hour, and a lease.
UNRESOLVED_WITHIN = timedelta(hours=2)


class Filter(StrEnum):
    """How a transaction may stand: a state, or what needs somebody."""

    UNRESOLVED = "unresolved"  # something of it is not known yet
    PARKED = "parked"  # the backend cannot tell; a person must
    PENDING = State.PENDING
    AUTHORIZED = State.AUTHORIZED
    CLOSED = State.CLOSED
    REFUSED = "refused"  # a settlement or cancellation was refused and is missing
    DECLINED = "declined"  # its authorization was refused
    ABANDONED = State.ABANDONED
    EXPIRED = State.EXPIRED


class Ambiguous(LedgerError):
    """A name stands for several transactions; the message lists them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions are looked for; everything given must fit. `name`: an order id, a transaction's id or the
    requestId that opened it. A card belongs to its provider."""

    name: str | None = None
    provider_id: str | None = None
    card_id: str | None = None
    standing: Filter | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Transactions, newest first, and where the next page begins; None when there is none."""

    transactions: tuple[Summary, ...]
    after: Cursor | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two transactions. As text it can be handed from page to page."""

    date: int
    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        date, _, name = text.partition(".")
        if not date.isascii() or not date.isdigit() or keys.of_transaction(name) is None:
            raise ValueError("must be what the page before gave as its next")
        return cls(int(date), name)

    def __str__(self) -> str:
        return f"{self.date}.{self.id}"


def find(
    parts: Parts,
    wanted: Wanted,
    limit: int,
    after: Cursor | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Page:
    """Return a page of transactions. `progress` is told how many were looked at.

    By name, by card and by what needs somebody an index answers; a state or a provider alone is looked for one
    transaction after the other, newest first. Raises LedgerUnavailable; for a card TransactionNotFound (there is no
    such provider) and what asking its backend may raise.
    """
    found: list[Transaction] = []
    for records in _candidates(parts, wanted, after, limit + 1 if wanted == Wanted() else ROWS):
        progress(len(records))
        found += [record for record in records if _fits(record, wanted)]
        if len(found) > limit:
            break
    shown = found[:limit]
    more = len(found) > limit
    return Page(tuple(summary(record) for record in shown), Cursor(*_place(shown[-1])) if more else None)


def one(parts: Parts, name: str) -> Transaction:
    """Return the transaction of this id, or the only one of this order or requestId.

    Raises TransactionNotFound, Ambiguous, LedgerUnavailable.
    """
    found = parts.storage.load_many(_named(parts, name))
    if not found:
        raise TransactionNotFound(f"no transaction, order or requestId is called {name}")
    if len(found) > 1:
        raise Ambiguous(f"{name} stands for several: say which of {', '.join(record.id for record in found)}")
    return found[0]


def find_card(parts: Parts, provider_id: str, code: str) -> Card:
    """Return the card with this code. Raises CardNotFound, BackendUnavailable, TransactionNotFound."""
    provider = provider_named(parts, provider_id)
    typed = provider.codes.read(code)
    found = provider.mapper.find(Query(code=typed.code, pin=typed.pin), patience(parts)) if typed.code else ()
    if not found:
        raise CardNotFound(f"{provider_id} has no card with this code")
    return found[0]


# Where they are looked for.


def _candidates(parts: Parts, wanted: Wanted, after: Cursor | None, size: int) -> Iterator[list[Transaction]]:
    ids = _indexed(parts, wanted)
    row = Row(after.date, after.id) if after else None
    if ids is not None:
        records = sorted(_loaded(parts, ids), key=_place, reverse=True)
        yield [record for record in records if after is None or _place(record) < (after.date, after.id)]
        return
    while rows := parts.index.newest(size, row):
        yield parts.storage.load_many([found.id for found in rows])
        row = rows[-1]


def _indexed(parts: Parts, wanted: Wanted) -> Sequence[str] | None:
    """Return the ids an index knows, None where all transactions must be looked at."""
    if wanted.standing is Filter.PARKED:
        return parts.index.parked()
    if wanted.standing is Filter.REFUSED:
        return parts.index.refused()
    if wanted.name is not None:
        return _named(parts, wanted.name)
    if wanted.provider_id is not None and wanted.card_id is not None:
        provider = provider_named(parts, wanted.provider_id)
        return parts.ledger.transactions(provider, wanted.card_id, patience(parts))
    if wanted.standing in (Filter.UNRESOLVED, Filter.PENDING):
        return parts.index.due_within(UNRESOLVED_WITHIN)
    return None


def _named(parts: Parts, name: str) -> list[str]:
    return list(dict.fromkeys([name, *parts.index.of_order(name), *parts.index.of_request(name)]))


def _loaded(parts: Parts, ids: Sequence[str]) -> Iterator[Transaction]:
    for start in range(0, len(ids), ROWS):
        yield from parts.storage.load_many(ids[start : start + ROWS])


def _fits(record: Transaction, wanted: Wanted) -> bool:
    if wanted.name not in (None, record.id, record.request_id, record.memo.order_id):
        return False
    if wanted.provider_id not in (None, record.provider_id) or wanted.card_id not in (None, record.card_id):
        return False
    match wanted.standing:
        case None | Filter.PARKED | Filter.REFUSED:
            return True
        case Filter.DECLINED:
            return record.state is State.REFUSED
        case Filter.UNRESOLVED:
            return record.unresolved is not None
    return str(record.state) == str(wanted.standing)


def _place(record: Transaction) -> tuple[int, str]:
    return record.date, record.id
