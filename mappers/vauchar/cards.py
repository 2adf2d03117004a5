"""Vauchar gift cards: their balance, and whether they can pay or why not."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from mappers.base import Card, CardStatus, mask_code
from mappers.money import Currency, InvalidAmount, UnknownCurrency
from mappers.vauchar.client import GiftCard

# Vauchar API reference, gift card validations (1000); help centre, "creating of vouchers" (1002, 1003).
VALID = 1000
INVALID = {1002: CardStatus.NOT_STARTED, 1003: CardStatus.EXPIRED}


def translate(card: GiftCard, currency: Currency, code: str = "", verdict: int | None = None) -> Card:
    """Return the neutral card. `verdict` is the status of a validation; None where Vauchar was not asked for one."""
    code = code or card.code
    ours = card.currency.upper() == currency.code.upper()
    status = _status(card, currency, code, verdict)
    try:
        balance = (currency if ours else Currency.of(card.currency)).spendable(card.balance)
    except (InvalidAmount, UnknownCurrency):
        status, balance = CardStatus.UNSUPPORTED if ours else status, 0
    return Card(
        id=card.id,
        balance=max(0, balance),
        currency=card.currency,
        status=status,
        code_mask=mask_code(code) if code else None,
        emission_date=_moment(card.created),
        expiring_date=_moment(card.expiry_time),
        restricted_to_owner=False,
        multiple_redemptions=True,
        multiple_credits=False,
    )


def _status(card: GiftCard, currency: Currency, code: str, verdict: int | None) -> CardStatus:
    now = time.time()
    percentage = card.value_unit in {"percent", "percentage"}
    id_tells_code = bool(code) and code in card.id  # ids stand in URLs, codes must not
    judged = (
        (card.kind not in {"", "gift-card"} or percentage or id_tells_code, CardStatus.UNSUPPORTED),
        (card.currency.upper() != currency.code.upper(), CardStatus.WRONG_CURRENCY),
        (verdict == VALID, CardStatus.ACTIVE),
        (not card.active, CardStatus.INACTIVE),
        (card.start_time > now, CardStatus.NOT_STARTED),
        (0 < card.expiry_time <= now, CardStatus.EXPIRED),
        # Which code means "too little left" is undocumented.
        (verdict is None or card.balance < currency.to_decimal(1), CardStatus.ACTIVE),
        (True, INVALID.get(verdict or 0, CardStatus.UNSUPPORTED)),
    )
    return next(status for applies, status in judged if applies)


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None
