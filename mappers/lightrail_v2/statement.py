"""The statement: which of Lightrail's transactions we made or had ended by others, and what each one did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from mappers.base import KEY_PREFIX, BackendUnavailable, CardNotFound, Receipt, StatementLine, Verb
from mappers.deadline import Deadline
from mappers.lightrail_v2 import notes
from mappers.lightrail_v2.client import Client
from mappers.lightrail_v2.objects import Posting
from mappers.money import Currency

# The transactionTypes that end another transaction. Who did it, and to what, only the chain says.
ENDINGS = {"capture": Verb.CAPTURE, "void": Verb.VOID, "reverse": Verb.REFUND}

# Dates are exact to the second, and what was done in one second is listed in no order: so it must have been.
ORDER = (Verb.CREDIT, Verb.HOLD, Verb.DEBIT, Verb.CAPTURE, Verb.VOID, Verb.REFUND)

# A hold lasts three calendar months at most.
LONGEST_HOLD = timedelta(days=93)


def receipt_of(posting: Posting) -> Receipt:
    """Return the proof that a step made this transaction."""
    return Receipt(posting.id, posting.balance_after)


class Statement:
    """One reading of what Lightrail has on record, `page_seconds` for each call.

    An entry without a key is what somebody else, or Lightrail itself, ended of what we
    began. Its origin is of what it ended.
    """

    def __init__(self, client: Client, currency: Currency, page_seconds: float) -> None:
        self._client = client
        self._currency = currency
        self._page_seconds = page_seconds
        # By each transaction in it; of the account's, only the latest is kept.
        self._chains: dict[str, dict[str, Posting]] = {}

    def of_account(self, since: datetime | None) -> Iterator[StatementLine]:
        """Yield the entries of all cards, oldest first."""
        yield from _in_order(self._entries(self._client.transactions(self._page_seconds, since=since)))

    def of_card(self, card_id: str, since: datetime | None) -> Iterator[StatementLine]:
        """Yield one card's entries, oldest first. Raises CardNotFound."""
        # Captures are in no card's list: they are found through the holds that may still have been open.
        opened_since = since and since - LONGEST_HOLD
        rows = {row.id: row for row in self._client.transactions(self._page_seconds, card_id, opened_since)}
        if not rows and self._client.value(card_id, self._deadline()) is None:
            raise CardNotFound("Lightrail does not know the card")
        chains: dict[str, dict[str, Posting]] = {}
        for hold in [row for row in rows.values() if row.pending and _is_ours(row)]:
            chain = self._chain(hold)
            rows |= chain
            chains |= dict.fromkeys(chain, chain)
        self._chains = chains
        yield from _in_order(sorted(self._entries(rows.values()), key=lambda entry: entry.date))

    def _entries(self, rows: Iterable[Posting]) -> Iterator[StatementLine]:
        for row in rows:
            # The account may have other currencies, with other providers.
            if row.currency == self._currency.code and (entry := self._entry(row)):
                yield entry

    def _entry(self, row: Posting) -> StatementLine | None:
        """Return what a transaction did, None where it neither is ours nor ended something that we began."""
        if _is_ours(row):
            key, noted, reference = row.id, notes.read(row.metadata), ""
        elif row.kind in ENDINGS and _is_ours(root := _root(self._chain(row))):
            key, noted, reference = None, notes.read(root.metadata), _ended(row, self._chain(row))
        else:
            return None
        verb = _verb(row, noted)
        # A capture shows nothing by itself: it took all that its root held.
        moved = _moved(row) or noted.captured or _moved(_root(self._chain(row)))
        if verb is None or moved is None:
            return None
        if row.created is None:
            raise BackendUnavailable("Lightrail lists a transaction without its date")
        card_id, amount = moved
        return StatementLine(key, verb, abs(amount), card_id, receipt_of(row), row.created, noted.origin, reference)

    def _chain(self, row: Posting) -> dict[str, Posting]:
        if row.id not in self._chains:
            chain = {found.id: found for found in self._client.chain(row.id, self._deadline())}
            if row.id not in chain or all(found.kind in ENDINGS for found in chain.values()):
                raise BackendUnavailable("Lightrail lists a transaction whose chain it does not show yet")
            self._chains = dict.fromkeys(chain, chain)
        return self._chains[row.id]

    def _deadline(self) -> Deadline:
        return Deadline.after(self._page_seconds)


def _root(chain: dict[str, Posting]) -> Posting:
    """Return the transaction that a chain began with."""
    return next(row for row in chain.values() if row.kind not in ENDINGS)


def _ended(row: Posting, chain: dict[str, Posting]) -> str:
    """Return what `row` ended: of a hold that was captured, only the capture can be reversed."""
    captures = (found.id for found in chain.values() if found.kind == "capture" and row.kind == "reverse")
    return next(captures, _root(chain).id)


def _is_ours(row: Posting) -> bool:
    return row.id.startswith(KEY_PREFIX)


def _moved(row: Posting) -> tuple[str, int] | None:
    """Return the card and what was added to it. What is ours, and what ends it, moves the balance of one card."""
    return (row.changes[0].value_id, row.changes[0].amount) if row.changes else None


def _verb(row: Posting, noted: notes.Notes) -> Verb | None:
    match row.kind:
        case "debit":
            return Verb.HOLD if row.pending else Verb.DEBIT
        case "credit":
            return Verb.REFUND if noted.operation == Verb.REFUND else Verb.CREDIT
        case "reverse" if row.changes and row.changes[0].amount < 0:
            return Verb.DEBIT  # of a credit
    return ENDINGS.get(row.kind)


def _in_order(entries: Iterable[StatementLine]) -> Iterator[StatementLine]:
    for _, second in groupby(entries, key=lambda entry: entry.date):
        yield from sorted(second, key=lambda entry: ORDER.index(entry.verb))
