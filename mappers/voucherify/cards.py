"""Gift vouchers as cards: what they are worth, whether they can pay, and how a new one is made."""

from __future__ import annotations

import hmac
import json
from base64 import b32encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mappers.base import BackendUnavailable, Card, CardStatus, NewCard, mask_code
from mappers.money import Currency
from mappers.voucherify.objects import Voucher

# Voucherify counts in hundredths of the currency, whatever the currency ("multiplied by 100 to represent 2 decimals").
DIGITS = 2

# The metadata of a voucher that we issued, as JSON in one text.
ISSUED = "giftbridge_card"

# Gift vouchers have no currency of their own. A project with several says here which one a voucher is in.
CURRENCY = "currency"

KEPT = ("caption", "relation_name", "restricted_to_owner", "multiple_redemptions", "multiple_credits")


def hundredths(minor: int, currency: Currency) -> int:
    """Return an amount in minor units as Voucherify counts it."""
    return minor * _ratio(currency)


def minor(hundredths: int, currency: Currency) -> int:
    """Return what Voucherify counts as an amount in minor units. Raises BackendUnavailable where it is none."""
    amount, rest = divmod(hundredths, _ratio(currency))
    if rest:
        raise BackendUnavailable(f"Voucherify moved a fraction of the smallest unit of {currency.code}")
    return amount


def spendable(hundredths: int, currency: Currency) -> int:
    """Return what of a balance can be spent: fractions of the smallest unit cannot."""
    return max(0, hundredths) // _ratio(currency)


def translate(voucher: Voucher, currency: Currency) -> Card:
    """Return the neutral card. A voucher that names no currency is taken to be in the provider's."""
    issued, named = _issued(voucher.metadata), voucher.metadata.get(CURRENCY)
    code = named if isinstance(named, str) and named else currency.code
    return Card(
        id=voucher.id,
        balance=spendable(voucher.balance or 0, currency),
        currency=code,
        status=_status(voucher) if code.upper() == currency.code.upper() else CardStatus.WRONG_CURRENCY,
        code_mask=mask_code(voucher.code),
        emission_date=voucher.starts or voucher.created,
        expiring_date=voucher.expires,
        owner=issued.get("owner"),
        uses=None if voucher.quantity is None else max(0, voucher.quantity - voucher.redeemed_quantity),
        **{"multiple_redemptions": voucher.quantity != 1} | {name: issued[name] for name in KEPT if name in issued},
    )


def new_voucher(new: NewCard, code: str, currency: Currency) -> dict[str, Any]:
    """Return the body that asks for a gift voucher with `code`."""
    told = {"key": new.key, "owner": new.customer.key if new.customer else None} | {
        name: getattr(new, name) for name in KEPT
    }
    dates = {"start_date": new.emission_date, "expiration_date": new.expiring_date}
    return {
        "type": "GIFT_VOUCHER",
        "code": code,
        "gift": {"amount": hundredths(new.balance, currency)},
        "active": True,
        "redemption": {"quantity": None},
        "metadata": {
            CURRENCY: currency.code,
            ISSUED: json.dumps({name: value for name, value in told.items() if value is not None}),
        },
        **{name: date.astimezone(UTC).isoformat() for name, date in dates.items() if date},
    }


def code_for(key: str, secret: str) -> str:
    """Return the code of the card issued under `key`: the same each time, and known only to who knows `secret`."""
    digest = hmac.digest(secret.encode(), f"{ISSUED} {key}".encode(), "sha256")
    return "GB-" + b32encode(digest)[:20].decode()


def issued_under(voucher: Voucher) -> str:
    """Return the key that a voucher was issued under, "" where it was not issued by us."""
    key = _issued(voucher.metadata).get("key")
    return key if isinstance(key, str) else ""


def _ratio(currency: Currency) -> int:
    ratio: int = 10 ** (DIGITS - currency.digits)
    return ratio


def _status(voucher: Voucher) -> CardStatus:
    now = datetime.now(UTC)
    judged = (
        # Ids stand in URLs, codes must not.
        (voucher.balance is None or voucher.code in voucher.id, CardStatus.UNSUPPORTED),
        (not voucher.active, CardStatus.INACTIVE),
        (voucher.expires is not None and voucher.expires <= now, CardStatus.EXPIRED),
        (voucher.starts is not None and voucher.starts > now, CardStatus.NOT_STARTED),
        (voucher.quantity is not None and voucher.redeemed_quantity >= voucher.quantity, CardStatus.USED_UP),
    )
    return next((status for applies, status in judged if applies), CardStatus.ACTIVE)


def _issued(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        told = json.loads(metadata.get(ISSUED, "{}"))
    except (TypeError, ValueError):
        return {}
    kinds = {"key": str, "owner": str, "caption": str, "relation_name": str}
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, kinds.get(name, bool))}
