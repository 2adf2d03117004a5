"""The use cases of a store admin who looks for transactions: by name, by card or by how they stand, page by page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Self

from app.admin.transactions import views
from app.admin.transactions.views import Summary, patience, provider_named, summary
from app.ledger.errors import LedgerError, TransactionNotFound
from app.ledger.milliseconds import milliseconds
from app.ledger.storage import keys
from app.ledger.storage.index import Row
from app.ledger.transaction import State, Transaction
from app.parts import Parts
from mappers.base import Card, CardNotFound, Query

# Read at a time where everything is walked through.
ROWS = 2000

# Kept at a time where all that fit are wanted.
EXPORTED = 500

# VTEX splits what is bought of several sellers into orders 1532540012345-01, -02 and so on of one group.
ORDERS_OF_A_GROUP = 20

# A transaction's id as a narrow table shows it, with or without what stands for the rest.
SHORTENED_ID = re.compile(r"(gb-[0-7][0-9a-f]{7,32})…?")

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
    DECLINED = views.DECLINED  # its authorization was refused
    ABANDONED = State.ABANDONED
    EXPIRED = State.EXPIRED


class Ambiguous(LedgerError):
    """A name stands for several transactions; the message lists them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions are looked for; everything given must fit. `name`: an order's id or its group's, a
    transaction's id or its beginning, or the requestId that opened it. A card belongs to its provider. Opened at
    `since` or later, and before `before`. `asks_no_backend`: what Redis may have lost of a card is left out.
    `name_part`: what stands somewhere in the order's id; no index has it."""

    name: str | None = None
    provider_id: str | None = None
    card_id: str | None = None
    standing: Filter | None = None
    since: datetime | None = None
    before: datetime | None = None
    asks_no_backend: bool = False
    name_part: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Transactions, newest first, and where the next page begins; None when there is none.

    With a limit on how many are looked at, a page may have few or none and still be followed by another.
    """

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
    looked_at: int | None = None,
) -> Page:
    """Return a page of transactions. `progress` is told how many were looked at; `looked_at`: about so many at most.

    By name, by card and by what needs somebody an index answers; what else must fit is looked for one transaction after
    the other, newest first. Raises LedgerUnavailable; for a card TransactionNotFound (there is no such provider) and
    what asking its backend may raise.
    """
    found: list[Transaction] = []
    seen, likely = 0, _likely(wanted)
    for rows in _rows(parts, wanted, after, limit):
        records = sorted(parts.storage.load_many([row.id for row in rows], likely), key=_place, reverse=True)
        seen += len(rows)
        progress(len(rows))
        found += [record for record in records if _fits(record, wanted)]
        if len(found) > limit:
            break
        if looked_at is not None and seen >= looked_at:
            return Page(tuple(summary(record) for record in found), Cursor(rows[-1].date, rows[-1].id))
    shown = found[:limit]
    more = len(found) > limit
    return Page(tuple(summary(record) for record in shown), Cursor(*_place(shown[-1])) if more else None)


def every(parts: Parts, wanted: Wanted) -> Iterator[Summary]:
    """Yield all transactions that fit, newest first, in bounded memory. Raises what `find` raises."""
    page = Page((), None)
    while page.after or not page.transactions:
        page = find(parts, wanted, EXPORTED, page.after)
        yield from page.transactions
        if page.after is None:
            return


def one(parts: Parts, name: str) -> Transaction:
    """Return the transaction of this id, or the only one of this order, order group or requestId.

    Raises TransactionNotFound, Ambiguous, LedgerUnavailable.
    """
    found = parts.storage.load_many(_named(parts, name))
    if not found:
        raise TransactionNotFound(f"no transaction, order or requestId is called {name}")
    if len(found) > 1:
        raise Ambiguous(f"{name} stands for several: say which of {', '.join(record.id for record in found)}")
    return found[0]


def is_known(parts: Parts, name: str) -> bool:
    """Tell whether a transaction, an order, its group or a requestId is called so. Raises LedgerUnavailable."""
    return bool(parts.index.known(_named(parts, name)))


def find_card(parts: Parts, provider_id: str, code: str) -> Card:
    """Return the card with this code. Raises CardNotFound, BackendUnavailable, TransactionNotFound."""
    provider = provider_named(parts, provider_id)
    typed = provider.codes.read(code)
    found = provider.mapper.find(Query(code=typed.code, pin=typed.pin), patience(parts)) if typed.code else ()
    if not found:
        raise CardNotFound(f"{provider_id} has no card with this code")
    return found[0]


# Where they are looked for: each yields the rows of an index, newest first.


def _rows(parts: Parts, wanted: Wanted, after: Cursor | None, limit: int) -> Iterator[list[Row]]:
    row = Row(after.date, after.id) if after else Row(milliseconds(wanted.before), "") if wanted.before else None
    ids = _indexed(parts, wanted)
    if ids is not None:
        yield from _of_ids(parts, ids, row, limit + 1)
        return
    newest = parts.index.newest
    if wanted.provider_id is not None and wanted.card_id is not None:
        provider = provider_named(parts, wanted.provider_id)
        if not wanted.asks_no_backend:
            parts.ledger.complete(provider, wanted.card_id, patience(parts))
        newest = partial(parts.index.newest_of_card, provider.id, wanted.card_id)
    first, size = milliseconds(wanted.since) if wanted.since else 0, min(limit + 1, ROWS)
    while rows := newest(size, row):
        yield rows
        row = rows[-1]
        if row.date < first:
            return
        # Where few fit, more are looked at at once.
        size = min(4 * size, ROWS)


def _of_ids(parts: Parts, ids: Sequence[str], after: Row | None, size: int) -> Iterator[list[Row]]:
    rows = [row for row in reversed(parts.index.dated(ids)) if after is None or row < after]
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _indexed(parts: Parts, wanted: Wanted) -> Sequence[str] | None:
    """Return the ids an index knows, None where one transaction must be looked at after the other."""
    if wanted.standing is Filter.PARKED:
        return parts.index.parked()
    if wanted.standing is Filter.REFUSED:
        return parts.index.refused()
    if wanted.name is not None:
        return _named(parts, wanted.name)
    if wanted.card_id is None and wanted.standing in (Filter.UNRESOLVED, Filter.PENDING):
        return parts.index.due_within(UNRESOLVED_WITHIN)
    return None


def _named(parts: Parts, name: str) -> list[str]:
    found = [*parts.index.of_orders([name]), *parts.index.of_request(name)]
    if not found and (shortened := SHORTENED_ID.fullmatch(name)):
        found = parts.index.beginning(shortened[1])
    elif not found and keys.of_transaction(name) is None:
        found = parts.index.of_orders(f"{name}-{number:02}" for number in range(1, ORDERS_OF_A_GROUP + 1))
    return list(dict.fromkeys([name, *found]))


def _likely(wanted: Wanted) -> Callable[[str], bool] | None:
    """Return what tells by the text of a transaction whether it may fit: to decode each of thousands takes longer.

    None where any may.
    """
    match wanted.standing:
        case Filter.DECLINED:
            states = [State.REFUSED]
        case Filter.REFUSED:  # what was refused is an act of it
            states = []
        case standing:
            states = [state for state in State if state.value == str(standing)]
    patterns = [rf'"state":\s*"{state}"' for state in states]
    if wanted.provider_id is not None:
        patterns.append(rf'"provider":\s*"{re.escape(wanted.provider_id)}"')
    if wanted.name_part is not None and wanted.name_part.isascii():
        patterns.append(f"(?i:{re.escape(json.dumps(wanted.name_part)[1:-1])})")
    compiled = [re.compile(pattern) for pattern in patterns]
    return (lambda text: all(pattern.search(text) for pattern in compiled)) if compiled else None


def _fits(record: Transaction, wanted: Wanted) -> bool:
    if wanted.name is not None and not _is_called(record, wanted.name):
        return False
    if wanted.name_part is not None and wanted.name_part.lower() not in (record.memo.order_id or "").lower():
        return False
    if not _is_within(record, wanted):
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


def _is_within(record: Transaction, wanted: Wanted) -> bool:
    if wanted.since is not None and record.date < milliseconds(wanted.since):
        return False
    return wanted.before is None or record.date < milliseconds(wanted.before)


def _is_called(record: Transaction, name: str) -> bool:
    order_id, shortened = record.memo.order_id or "", SHORTENED_ID.fullmatch(name)
    if name in (record.id, record.request_id, order_id, order_id.rpartition("-")[0]):
        return True
    return shortened is not None and record.id.startswith(shortened[1])


def _place(record: Transaction) -> tuple[int, str]:
    return record.date, record.id
