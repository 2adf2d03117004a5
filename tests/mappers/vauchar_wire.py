"""Vauchar's documented examples, and the steps that its wire tests send."""

from __future__ import annotations

from typing import Any

from responses import RequestsMock

from mappers.base import (
    Holds,
    Receipt,
    Secret,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.vauchar.mapper import Vauchar, VaucharOptions

URL = "https://api.vauchar.com"
CARD_ID = "gift-148061360458405ee43a1a8"
REDEMPTION_ID = "res-148061693358406be5cbe66"
CARD_URL = f"{URL}/gift-cards/{CARD_ID}"
REDEMPTIONS_URL = f"{CARD_URL}/redemptions"
CODE = "GIFT0C307PBFJC3A5"
KEY = "gb-0123456789abcdef"
LOOK = Receipt(balance=60000, data={"redeemed": 0, "redemptions": ""})

CARD = {
    "href": CARD_URL,
    "type": "gift-card",
    "id": CARD_ID,
    "gift_card_code": CODE,
    "tag": "gifts",
    "created": 1480613604,
    "start_time": 1480427100,
    "expiry_time": 0,
    "total_value": "600",
    "balance": "600",
    "value_unit": "value",
    "currency": "USD",
    "active_status": "1",
    "brand_id": "brand-1",
    "teams": [],
    "brands": [],
    "metadata": {"to_name": "Robert"},
}
REDEMPTION = {
    "href": f"{REDEMPTIONS_URL}/{REDEMPTION_ID}",
    "type": "redemption",
    "id": REDEMPTION_ID,
    "gift_card_id": CARD_ID,
    "user_id": "",
    "user_email": "",
    "user_phone": "",
    "transaction_id": "",
    "value_used": "50.00",
    "created": 1480616933,
}
NOT_FOUND = {"message": "Not Found"}
VALID = {"validation_status": {"status": 1000, "message": "Gift Card is valid"}, "data": CARD}


def mapper(currency: str = "USD", holds: Holds = Holds.LEDGER, **options: Any) -> Vauchar:
    defaults = {"merchant_id": "merchant", "api_key": Secret("key")}
    return Vauchar("shop", Currency.of(currency), holds, VaucharOptions(**defaults | options))


def soon() -> Deadline:
    return Deadline.after(5)


def debit(amount: int = 5000, **fields: Any) -> Step:
    return Step(Verb.DEBIT, amount, CARD_ID, key=KEY, **{"earlier": (LOOK,)} | fields)


def refund() -> Step:
    look = Receipt(balance=55000, data={"redeemed": 5000, "redemptions": REDEMPTION_ID})
    return Step(Verb.REFUND, 5000, CARD_ID, REDEMPTION_ID, key=KEY, earlier=(look,))


def listing(*redemptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"href": REDEMPTIONS_URL, "data": [REDEMPTION | redemption for redemption in redemptions], **more}


def show(wire: RequestsMock, card: dict[str, str] | None = None, *redemptions: dict[str, Any], **more: Any) -> None:
    """Let the card and its list of redemptions be read."""
    wire.get(CARD_URL, json=CARD | (card or {}))
    wire.get(REDEMPTIONS_URL, json=listing(*redemptions, **more))
