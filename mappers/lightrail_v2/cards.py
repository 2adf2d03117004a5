"""Cards knows what a Lightrail value is to us: its status and balance, and what its metadata keeps for us."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from mappers.base import Card, CardStatus, NewCard, mask_code
from mappers.lightrail_v2.objects import Value, written
from mappers.money import Currency

# Everything of ours in a value's or transaction's metadata stands under this one name.
OURS = "giftbridge"
# Lightrail shows a secret code as this and its last four characters.
ELLIPSIS = "…"
# The default length of Lightrail's own code generator: 80 bits in its alphabet of 32 letters.
CODE_LENGTH = 16


def translate(value: Value, currency: Currency, code: str = "") -> Card:
    """Return the neutral card. `code` is what it was found by, where it was."""
    ours = value.metadata.get(OURS)
    kept = _Kept(ours if isinstance(ours, Mapping) else {})
    return Card(
        id=value.id,
        balance=max(0, value.balance or 0),
        currency=value.currency,
        status=_status(value, currency, code),
        code_mask=_mask(value.code, code),
        caption=kept.text("caption"),
        relation_name=kept.text("relationName"),
        emission_date=kept.moment("emissionDate") or value.start or value.created,
        expiring_date=value.end,
        restricted_to_owner=kept.flag("restrictedToOwner"),
        multiple_redemptions=kept.flag("multipleRedemptions"),
        multiple_credits=kept.flag("multipleCredits"),
        owner=kept.text("owner"),
    )


def shows(value: Value, code: str) -> bool:
    """Tell whether what can be seen of the value's code fits `code`."""
    if value.code is None:
        return False
    if value.code.startswith(ELLIPSIS):
        return code.endswith(value.code.removeprefix(ELLIPSIS))
    return value.code == code


def value_id(key: str) -> str:
    """Return the id of the value issued under `key`; never the id of a transaction, with which values share ids."""
    return f"card-{sha256(key.encode()).hexdigest()[:40]}"


def new_value(new: NewCard, currency: Currency, program_id: str | None) -> dict[str, Any]:
    """Return the body of POST /values for a card with a generated code."""
    ours = {
        "caption": new.caption,
        "relationName": new.relation_name,
        "emissionDate": new.emission_date and written(new.emission_date),
        "restrictedToOwner": new.restricted_to_owner,
        "multipleRedemptions": new.multiple_redemptions,
        "multipleCredits": new.multiple_credits,
        "owner": new.customer.key if new.customer else None,
    }
    body = {
        "id": value_id(new.key),
        "balance": new.balance,
        "generateCode": {"length": CODE_LENGTH},
        "metadata": {OURS: {name: item for name, item in ours.items() if item is not None}},
    }
    body |= {"programId": program_id} if program_id else {"currency": currency.code}
    if new.expiring_date:
        body["endDate"] = written(new.expiring_date)
    return body


def _status(value: Value, currency: Currency, code: str) -> CardStatus:
    now = datetime.now(UTC)
    # Ids stand in URLs, which codes must not.
    id_tells_code = bool(code) and code.casefold() in value.id.casefold()
    judged = (
        # A generic code may be anybody's; without a balance a rule decides what a cart is worth.
        (value.generic or value.balance is None or id_tells_code, CardStatus.UNSUPPORTED),
        (value.currency != currency.code, CardStatus.WRONG_CURRENCY),
        (value.canceled, CardStatus.CANCELED),
        (value.frozen, CardStatus.FROZEN),
        (not value.active or value.uses_remaining == 0, CardStatus.INACTIVE),
        (value.end is not None and value.end <= now, CardStatus.EXPIRED),
        (value.start is not None and value.start >= now, CardStatus.NOT_STARTED),
    )
    return next((status for applies, status in judged if applies), CardStatus.ACTIVE)


def _mask(shown: str | None, code: str) -> str | None:
    if code:
        return mask_code(code)
    if shown and shown.startswith(ELLIPSIS):
        return f"****{shown.removeprefix(ELLIPSIS)[-4:]}"
    return mask_code(shown) if shown else None


class _Kept:
    """Our part of a value's metadata, which anybody with access to Lightrail may have changed."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found

    def text(self, name: str) -> str | None:
        item = self._found.get(name)
        return item if isinstance(item, str) else None

    def flag(self, name: str) -> bool | None:
        item = self._found.get(name)
        return item if isinstance(item, bool) else None

    def moment(self, name: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(self.text(name) or "")
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
