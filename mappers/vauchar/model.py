"""The state of the sandbox of Vauchar: gift cards and redemptions; no holds, no idempotency, no top-ups."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

URL = "https://api.vauchar.com"

VALID = (1000, "Gift Card is valid")
NOT_STARTED = (1002, "Gift Card is not valid yet")
EXPIRED = (1003, "Gift Card has expired")
# The reference names no codes for these; the numbers are ours.
INACTIVE = (1004, "Gift Card is not active")
INSUFFICIENT = (1005, "Gift Card does not have sufficient balance")


class NotRedeemable(Exception):
    """The gift card cannot be redeemed so (400)."""


@dataclass(slots=True)
class Redemption:
    """A redemption; amounts in major units, times in Unix seconds."""

    id: str
    gift_card_id: str
    value_used: Decimal
    created: int
    user_id: str = ""
    user_email: str = ""
    user_phone: str = ""
    transaction_id: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "href": f"{URL}/gift-cards/{self.gift_card_id}/redemptions/{self.id}",
            "type": "redemption",
            "id": self.id,
            "gift_card_id": self.gift_card_id,
            "user_id": self.user_id,
            "user_email": self.user_email,
            "user_phone": self.user_phone,
            "transaction_id": self.transaction_id,
            "value_used": f"{self.value_used:.2f}",
            "created": self.created,
        }


@dataclass(slots=True)
class GiftCard:
    """A gift card; amounts in major units, times in Unix seconds, `expiry_time` 0 for never."""

    id: str
    code: str
    total_value: Decimal
    balance: Decimal
    currency: str
    created: int
    start_time: int = 0
    expiry_time: int = 0
    active_status: str = "1"
    tag: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    redemptions: dict[str, Redemption] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "href": f"{URL}/gift-cards/{self.id}",
            "type": "gift-card",
            "id": self.id,
            "gift_card_code": self.code,
            "tag": self.tag,
            "created": self.created,
            "start_time": self.start_time,
            "expiry_time": self.expiry_time,
            "total_value": f"{self.total_value:.2f}",
            "balance": f"{self.balance:.2f}",
            "value_unit": "value",
            "currency": self.currency,
            "active_status": self.active_status,
            "brand_id": "brand-150601234559cb5f2a0c1d2",
            "teams": [],
            "brands": [],
            "metadata": self.metadata,
        }


class Vauchar:
    """An account at Vauchar. Every method is atomic; methods that name a card raise KeyError where there is none.

    Switches for what the reference leaves open: `delete_restores` (deleting a redemption puts its value back on the
    card) and `echo_transaction_id` (a redemption keeps the transaction_id it was sent with; else it shows "").
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cards: dict[str, GiftCard] = {}
        self.delete_restores = True
        self.echo_transaction_id = True
        self._made = 0

    def add(
        self, code: str | None, value: Decimal, currency: str, *, balance: Decimal | None = None, **fields: Any
    ) -> GiftCard:
        """Make a card; without a `code` it gets one like GIFT0C307PBFJC3A5."""
        with self.lock:
            created, identity = self._identity("gift")
            remaining = value if balance is None else balance
            card = GiftCard(
                identity, code or f"GIFT{identity[-13:].upper()}", value, remaining, currency, created, **fields
            )
            self.cards[card.id] = card
            return card

    def by_code(self, code: str) -> GiftCard:
        with self.lock:
            return {card.code: card for card in self.cards.values()}[code]

    def validate(self, card: GiftCard, value_used: Decimal) -> tuple[int, str]:
        """Return the status and the message of a validation; nothing is reserved."""
        now = int(time.time())
        if card.active_status != "1":
            return INACTIVE
        if card.start_time > now:
            return NOT_STARTED
        if 0 < card.expiry_time <= now:
            return EXPIRED
        return VALID if value_used <= card.balance else INSUFFICIENT

    def redeem(self, card_id: str, value_used: Decimal, **fields: str) -> Redemption:
        """Take `value_used` off a card, however often it is asked for. Raises NotRedeemable."""
        with self.lock:
            card = self.cards[card_id]
            verdict = self.validate(card, value_used)
            if verdict != VALID or value_used <= 0:
                raise NotRedeemable(verdict[1])
            if not self.echo_transaction_id:
                fields["transaction_id"] = ""
            created, identity = self._identity("res")
            redemption = Redemption(identity, card_id, value_used, created, **fields)
            card.balance -= value_used
            card.redemptions[redemption.id] = redemption
            return redemption

    def delete_redemption(self, card_id: str, redemption_id: str) -> None:
        with self.lock:
            card = self.cards[card_id]
            redemption = card.redemptions.pop(redemption_id)
            if self.delete_restores:
                card.balance += redemption.value_used

    def spend_elsewhere(self, code: str, amount: Decimal) -> Redemption:
        """Redeem as a shop's till would: without a transaction_id."""
        with self.lock:
            return self.redeem(self.by_code(code).id, amount)

    def _identity(self, kind: str) -> tuple[int, str]:
        """Return the second, and an id made of it as Vauchar does: 10 digits, then 13 hexadecimal ones."""
        self._made += 1
        now = int(time.time())
        return now, f"{kind}-{now:010d}{now:08x}{self._made % 0x100000:05x}"
