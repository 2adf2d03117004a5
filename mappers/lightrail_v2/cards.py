"""Values as gift cards: status, balance, and what their metadata keeps for us."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mappers.base import Card, CardStatus, NewCard
from mappers.lightrail import card_id, card_metadata, kept, mask, written
from mappers.lightrail_v2.objects import Value
from mappers.money import Currency

# Lightrail shows a secret code as this and its last four characters.
ELLIPSIS = "…"
# The default length of Lightrail's own code generator: 80 bits in its alphabet of 32 letters.
CODE_LENGTH = 16


def translate(value: Value, currency: Currency, code: str = "") -> Card:
    """Return the neutral card. `code` is what it was found by, where it was."""
    return Card(
        id=value.id,
        balance=max(0, value.balance or 0),
        currency=value.currency,
        status=_status(value, currency, code),
        code_mask=_mask(value.code, code),
        expiring_date=value.end,
        uses=value.uses_remaining,
        **kept(value.metadata, value.start, value.created),
    )


def shows(value: Value, code: str) -> bool:
    """Tell whether what can be seen of the value's code fits `code`."""
    if value.code is None:
        return False
    if value.code.startswith(ELLIPSIS):
        return code.endswith(value.code.removeprefix(ELLIPSIS))
    return value.code == code


def new_value(new: NewCard, currency: Currency, program_id: str | None) -> dict[str, Any]:
    """Return the body of POST /values for a card with a generated code."""
    body = {
        "id": card_id(new.key),
        # Beside a program too: of another currency it would issue cards that nobody can use.
        "currency": currency.code,
        "balance": new.balance,
        "generateCode": {"length": CODE_LENGTH},
        "metadata": card_metadata(new),
    }
    if program_id:
        body["programId"] = program_id
    if new.expiring_date:
        body["endDate"] = written(new.expiring_date)
    return body


def _status(value: Value, currency: Currency, code: str) -> CardStatus:
    now = datetime.now(UTC)
    # Ids stand in URLs, which codes must not.
    id_tells_code = bool(code) and code.casefold() in value.id.casefold()
    judged = (
        # A generic code may be anybody's; without a balance a rule decides what a cart is worth.
        (value.generic or value.balance is None, CardStatus.UNSUPPORTED),
        (id_tells_code, CardStatus.ID_TELLS_CODE),
        (value.currency != currency.code, CardStatus.WRONG_CURRENCY),
        (value.canceled, CardStatus.CANCELED),
        (value.frozen, CardStatus.FROZEN),
        (not value.active, CardStatus.INACTIVE),
        (value.end is not None and value.end <= now, CardStatus.EXPIRED),
        (value.start is not None and value.start >= now, CardStatus.NOT_STARTED),
        (value.uses_remaining == 0, CardStatus.USED_UP),
    )
    return next((status for applies, status in judged if applies), CardStatus.ACTIVE)


def _mask(shown: str | None, code: str) -> str | None:
    if shown and not code and shown.startswith(ELLIPSIS):
        return mask(None, shown.removeprefix(ELLIPSIS))
    return mask(code or shown)
