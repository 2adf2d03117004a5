"""The statement: which of a card's transactions are ours, and what settled and canceled them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from mappers.base import KEY_PREFIX, BackendUnavailable, CardNotFound, Receipt, StatementLine, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.vtex_giftcards.cards import minor
from mappers.vtex_giftcards.client import Client
from mappers.vtex_giftcards.objects import Transaction
from mappers.vtex_giftcards.orders import was_taken

SETTLEMENTS, CANCELLATIONS = "settlements", "cancellations"

# What a transaction of each operation was opened by.
OPENINGS = {"debit": Verb.HOLD, "credit": Verb.CREDIT}


class Statement:
    """One reading of a card's transactions, `page_seconds` for each call.

    VTEX does not tell the requestId of a settlement or cancellation: it comes without a key, and is known by its oid.
    """

    def __init__(self, client: Client, currency: Currency, page_seconds: float) -> None:
        self._client = client
        self._currency = currency
        self._page_seconds = page_seconds

    def of_card(self, card_id: str) -> list[StatementLine]:
        """Return one card's entries, oldest first. Raises CardNotFound."""
        names = self._client.transactions(card_id, self._deadline())
        if not names and (names is None or self._client.card(card_id, self._deadline()) is None):
            raise CardNotFound("VTEX does not know the card")
        entries = chain.from_iterable(self._of_transaction(card_id, name) for name in names)
        return sorted(entries, key=lambda entry: entry.date)

    def _of_transaction(self, card_id: str, name: str) -> Iterator[StatementLine]:
        opened = self._client.transaction(card_id, name, self._deadline())
        if opened is None:
            raise BackendUnavailable("VTEX lists a transaction that it does not show yet")
        verb = Verb.DEBIT if was_taken(opened.description) else OPENINGS.get(opened.operation)
        if verb is None or not opened.request_id.startswith(KEY_PREFIX):
            return
        amount = minor(opened.value, self._currency)
        yield StatementLine(opened.request_id, verb, amount, card_id, Receipt(name), opened.date)
        if verb is not Verb.CREDIT:
            yield from self._endings(card_id, name, opened)

    def _endings(self, card_id: str, name: str, opened: Transaction) -> Iterator[StatementLine]:
        """Yield what settled and canceled a debit. What is reserved is given back before what was settled."""
        ended = [
            (one, how)
            for how in (SETTLEMENTS, CANCELLATIONS)
            for one in self._client.ended(card_id, name, how, self._deadline())
        ]
        rest = minor(opened.value, self._currency)
        for one, how in sorted(ended, key=lambda pair: pair[0].date):
            amount = minor(one.value, self._currency)
            verb = Verb.CAPTURE if how == SETTLEMENTS else Verb.VOID if amount <= rest else Verb.REFUND
            rest = max(0, rest - amount)
            yield StatementLine(None, verb, amount, card_id, Receipt(one.oid), one.date, reference=name)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._page_seconds)
