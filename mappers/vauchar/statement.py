"""The statement: which of a card's redemptions are ours, and when the list cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mappers.base import KEY_PREFIX, BackendUnavailable, Receipt, StatementLine, Unsupported, Verb
from mappers.money import Currency, InvalidAmount
from mappers.vauchar.client import Redemption, Redemptions


def entries(card_id: str, listed: Redemptions, currency: Currency) -> list[StatementLine]:
    """Return a DEBIT for each redemption that still stands under one of our keys, oldest first.

    A deleted redemption leaves no trace: neither it nor its deletion is here. Raises Unsupported where the list may be
    one page of several, or shows redemptions and not one transaction_id: then none could be known for ours.
    """
    if listed.items and not any(redemption.transaction_id for redemption in listed.items):
        raise Unsupported("Vauchar shows no transaction_id with this card's redemptions: any of them may be ours")
    if not listed.complete:
        raise Unsupported("Vauchar may list only some of this card's redemptions: look into its dashboard")
    ours = [redemption for redemption in listed.items if redemption.transaction_id.startswith(KEY_PREFIX)]
    return [_entry(card_id, redemption, currency) for redemption in _oldest_first(ours)]


def _oldest_first(redemptions: Sequence[Redemption]) -> list[Redemption]:
    return sorted(redemptions, key=lambda redemption: redemption.created)


def _entry(card_id: str, redemption: Redemption, currency: Currency) -> StatementLine:
    if not redemption.created:
        raise BackendUnavailable("Vauchar lists one of our redemptions without its date")
    try:
        amount = currency.to_minor(redemption.value_used)
        date = datetime.fromtimestamp(redemption.created, UTC)
    except (InvalidAmount, OverflowError, ValueError, OSError) as error:
        raise BackendUnavailable(f"One of our redemptions at Vauchar cannot be read: {error}") from error
    receipt = Receipt(redemption.id, data={"echoed": True})
    return StatementLine(redemption.transaction_id, Verb.DEBIT, amount, card_id, receipt, date)
