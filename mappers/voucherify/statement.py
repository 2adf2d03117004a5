"""The statement: which of a voucher's transactions we made or had ended by others, and what each one did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mappers.base import KEY_PREFIX, Receipt, StatementLine, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.voucherify import notes
from mappers.voucherify.cards import minor, spendable
from mappers.voucherify.client import Client
from mappers.voucherify.objects import Kind, Movement


def redeemed(movement: Movement, currency: Currency) -> Receipt:
    """Return the proof that a redemption happened."""
    return Receipt(movement.redemption_id, spendable(movement.balance, currency))


def rolled_back(rollback_id: str, redemption_id: str) -> Receipt:
    """Return the proof that a redemption was rolled back; it tells later which one no longer stands."""
    return Receipt(rollback_id or redemption_id, data={"redemption": redemption_id})


def added(key: str, balance: int, currency: Currency) -> Receipt:
    """Return the proof that value was added. The answer to it has no id, so it goes by our key."""
    return Receipt(key, spendable(balance, currency))


class Statement:
    """One reading of a voucher's transactions, `page_seconds` for each call.

    Transactions show no metadata: each of our redemptions and rollbacks is read once more, for its notes.
    """

    def __init__(self, client: Client, currency: Currency, page_seconds: float) -> None:
        self._client = client
        self._currency = currency
        self._page_seconds = page_seconds
        self._redeemed: dict[str, dict[str, Any]] = {}

    def of_card(self, card_id: str, since: datetime | None) -> Iterator[StatementLine]:
        """Yield one card's entries, oldest first. Raises CardNotFound."""
        for movement in sorted(self._client.movements(card_id, self._deadline), key=lambda movement: movement.created):
            entry = self._entry(card_id, movement)
            if entry and (since is None or entry.date >= since):
                yield entry

    def _entry(self, card_id: str, movement: Movement) -> StatementLine | None:
        """Return what a transaction did, None where it neither is ours nor ended something that we began."""
        key: str | None
        reference = ""
        match movement.kind:
            case Kind.REDEMPTION:
                metadata = self._metadata(movement.redemption_id)
                note = notes.read(metadata.get(notes.REDEEMED))
                key = note.key if note else movement.source_id
                if not key.startswith(KEY_PREFIX):
                    return None
                self._redeemed[movement.redemption_id] = metadata
                verb, receipt = Verb.DEBIT, redeemed(movement, self._currency)
            case Kind.ROLLBACK if movement.redemption_id in self._redeemed:
                told = self._redeemed[movement.redemption_id] | self._metadata(movement.rollback_id)
                note = notes.read(told.get(notes.ROLLED_BACK))
                key = note.key if note else None
                note = note or notes.read(told.get(notes.REDEEMED))  # somebody else's: of what it ended
                reference = movement.redemption_id
                verb, receipt = Verb.REFUND, rolled_back(movement.rollback_id, reference)
            case Kind.ADDITION if movement.source_id.startswith(KEY_PREFIX):
                note, key = notes.read(movement.reason), movement.source_id
                verb = note.verb if note else Verb.CREDIT
                receipt = added(key, movement.balance, self._currency)
            case _:
                return None
        amount, origin = minor(abs(movement.amount), self._currency), note.origin if note else None
        return StatementLine(key, verb, amount, card_id, receipt, movement.created, origin, reference)

    def _metadata(self, redemption_id: str) -> dict[str, Any]:
        found = self._client.redemption(redemption_id, self._deadline()) if redemption_id else None
        return dict(found.metadata) if found else {}

    def _deadline(self) -> Deadline:
        return Deadline.after(self._page_seconds)
