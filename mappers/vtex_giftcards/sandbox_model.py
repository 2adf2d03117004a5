"""The state of a VTEX account's gift cards, as far as VTEX documents it; where it does not, the worse for a caller."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

MASKED = "***********"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class ApiError(Exception):
    """What VTEX answers instead of a result. Which codes it has is undocumented: these are made up."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code

    def json(self) -> Json:
        return {"error": {"code": self.code, "message": f"{self.code}.", "exception": None}}


@dataclass(slots=True)
class SandboxTransaction:
    """A debit or a credit, in major units. Both lists have the latest last."""

    id: str
    operation: str
    value: Decimal
    description: str
    request_id: str
    date: str
    settlements: list[Json] = field(default_factory=list)
    cancellations: list[Json] = field(default_factory=list)
    released: Decimal = Decimal(0)  # of what was reserved: a cancellation gives that back first

    @property
    def settled(self) -> Decimal:
        return sum((one["value"] for one in self.settlements), Decimal(0))

    @property
    def canceled(self) -> Decimal:
        return sum((one["value"] for one in self.cancellations), Decimal(0))

    @property
    def reserved(self) -> Decimal:
        """What of a debit is neither settled nor given back."""
        return self.value - self.settled - self.released if self.operation == "Debit" else Decimal(0)

    def settle(self, value: Decimal) -> Json:
        if value > self.reserved:
            raise ApiError(400, "SettlementValueExceeded")
        self.settlements.append(_movement(value))
        return self.settlements[-1]

    def cancel(self, value: Decimal) -> Json:
        if self.operation != "Debit" or self.canceled + value > self.value:
            raise ApiError(400, "CancellationValueExceeded")
        self.released += min(value, self.reserved)
        self.cancellations.append(_movement(value))
        return self.cancellations[-1]


@dataclass(slots=True)
class SandboxCard:
    """A card. `owner` is its profileId. `active` is what somebody switched off in the admin: no answer shows it."""

    id: str
    code: str
    balance: Decimal
    currency: str
    owner: str = ""
    relation_name: str = ""
    caption: str = ""
    expires: str = "2999-12-31T23:59:59"
    active: bool = True
    restricted: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    created: str = field(default_factory=_now)
    transactions: dict[str, SandboxTransaction] = field(default_factory=dict)

    def json(self, *, code: str = "") -> Json:
        """Return the card, its code masked unless it is given."""
        return {
            "id": self.id,
            "redemptionToken": self.token,
            "redemptionCode": code or MASKED + self.code[-4:],
            "balance": self.balance,
            "emissionDate": self.created,
            "expiringDate": self.expires,
            "currencyCode": self.currency,
            "transactions": {"href": f"cards/{self.id}/transactions"},
        }


class VtexAccount:
    """The gift cards of an account. Every method is atomic."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cards: dict[str, SandboxCard] = {}

    def add(self, balance: Decimal, code: str = "", currency: str = "BRL", **fields: Any) -> SandboxCard:
        """Make a card, with a code of its own unless one is given."""
        with self.lock:
            card = SandboxCard(str(954 + len(self.cards)), code or _new_code(), balance, currency, **fields)
            self.cards[card.id] = card
            return card

    def by_code(self, code: str) -> SandboxCard:
        with self.lock:
            return next(card for card in self.cards.values() if card.code == code)

    def issue(self, body: Mapping[str, Any]) -> SandboxCard:
        """Make a card for a customer; there is one of each relationName."""
        missing = [name for name in ("relationName", "expiringDate", "caption", "profileId") if name not in body]
        if missing or not body["profileId"]:
            raise ApiError(400, "InvalidRequest")
        owner, relation = body["profileId"], body["relationName"]
        with self.lock:
            for card in self.cards.values():
                if (card.owner, card.relation_name) == (owner, relation):
                    return card
            return self.add(
                Decimal(0),
                currency=body.get("currencyCode") or "BRL",
                owner=owner,
                relation_name=relation,
                caption=body["caption"],
                expires=body["expiringDate"],
                restricted=bool(body.get("restrictedToOwner")),
            )

    def search(self, cart: Mapping[str, Any], client: Mapping[str, Any]) -> list[SandboxCard]:
        """Find the card with a code, or a customer's; those switched off are not "available"."""
        who = {str(client[name]) for name in ("id", "email", "document") if client.get(name)}
        code, relation = cart.get("redemptionCode"), cart.get("relationName")
        with self.lock:
            found = [card for card in self.cards.values() if card.active]
            if code:
                return [one for one in found if one.code == code and (not one.restricted or one.owner in who)]
            return [one for one in found if one.owner in who and relation in (None, "", one.relation_name)]

    def card(self, card_id: str) -> SandboxCard:
        with self.lock:
            if card_id not in self.cards:
                raise ApiError(404, "GiftCardNotFound")
            return self.cards[card_id]

    def transaction(self, card_id: str, transaction_id: str) -> SandboxTransaction:
        with self.lock:
            transactions = self.card(card_id).transactions
            if transaction_id not in transactions:
                raise ApiError(404, "TransactionNotFound")
            return transactions[transaction_id]

    def open(self, card_id: str, body: Mapping[str, Any], value: Decimal) -> SandboxTransaction:
        """Move money whatever the card's state: VTEX does not look at it, a known fault of its.

        "If you send the same requestId two or more times [...] the gift card balance will not be updated."
        """
        with self.lock:
            card = self.card(card_id)
            request_id, operation = str(body["requestId"]), str(body["operation"]).capitalize()
            for known in card.transactions.values():
                if known.request_id == request_id:
                    return known
            if operation == "Debit" and value > card.balance:
                raise ApiError(400, "BalanceExceeded")
            card.balance += -value if operation == "Debit" else value
            made = SandboxTransaction(
                secrets.token_hex(16), operation, value, str(body["description"]), request_id, _now()
            )
            card.transactions[made.id] = made
            return made

    def settle(self, card_id: str, transaction_id: str, value: Decimal) -> Json:
        """Settle: under the same requestId again, too, since nothing says otherwise."""
        with self.lock:
            return self.transaction(card_id, transaction_id).settle(value)

    def cancel(self, card_id: str, transaction_id: str, value: Decimal) -> Json:
        """Give back: under the same requestId again, too, since nothing says otherwise."""
        with self.lock:
            done = self.transaction(card_id, transaction_id).cancel(value)
            self.card(card_id).balance += value
            return done


def _movement(value: Decimal) -> Json:
    return {"oid": secrets.token_hex(16), "value": value, "date": _now()}


def _new_code() -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))
