"""A sandbox of Square's gift cards on this machine: what its reference describes, refusals included.

What no page of Square says is assumed here, and listed in the README: an unknown number or id is 404 NOT_FOUND, a card
that is not active is 400 BAD_REQUEST, a repeat is answered as the first time (or refused, with `refuses_repeats`).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, request

from giftbridge.parsing import written
from giftbridge.sandbox import CONTROL, create_sandbox

DEFAULT_PORT = 29545
ACCESS_TOKEN = "demo-square-token"
LOCATION_ID = "L-DEMO"
MERCHANT_ID = "M-DEMO"

SEEDS = {
    "7783320000000250": "ACTIVE, 250.00 USD",
    "7783320000000100": "ACTIVE, 100.00 USD",
    "7783320000000000": "ACTIVE, 0.00 USD",
    "7783320000000051": "BLOCKED, 50.00 USD",
    "7783320000000052": "DEACTIVATED, 50.00 USD",
    "7783320000000053": "PENDING, 0.00 USD",
    "7783320000000054": "ACTIVE, 50.00 CAD",
}

Json = dict[str, Any]


def demo_options(url: str) -> dict[str, str]:
    """Return the mapper options that work against a sandbox at `url`."""
    return {"base_url": url, "access_token": ACCESS_TOKEN, "location_id": LOCATION_ID, "merchant_id": MERCHANT_ID}


DEMO_OPTIONS = demo_options


class ApiError(Exception):
    """What Square answers instead of a result."""

    def __init__(self, status: int, code: str, category: str = "INVALID_REQUEST_ERROR", field: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.error = {"category": category, "code": code} | ({"field": field} if field else {})


@dataclass(slots=True)
class SandboxCard:
    """A card; its balance in the smallest unit of its currency."""

    id: str
    gan: str
    balance: int
    currency: str
    state: str
    created_at: datetime

    def json(self, balance: int) -> Json:
        return {
            "id": self.id,
            "type": "DIGITAL",
            "gan_source": "SQUARE",
            "state": self.state,
            "balance_money": {"amount": balance, "currency": self.currency},
            "gan": self.gan,
            "created_at": written(self.created_at),
        }


class SandboxState:
    """A seller's gift cards. Every method is atomic.

    Reads go to a replica that is `read_lag_seconds` late, and so does what a REDEEM or a REFUND looks up before it is
    done. With `refuses_repeats`, what was done under a key is not answered again.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cards: dict[str, SandboxCard] = {}
        self.currency = "USD"
        self.refuses_repeats = False
        self.read_lag_seconds = 0.0
        self._activities: list[tuple[datetime, int, Json]] = []  # when, by how much, and what is shown
        self._answered: dict[str, tuple[Json, Json]] = {}

    def add(self, balance: int, currency: str, gan: str = "", state: str = "ACTIVE") -> SandboxCard:
        """Make a card, with a number of its own unless one is given."""
        with self.lock:
            gan = gan or f"778332{secrets.randbelow(10**10):010}"
            card = SandboxCard(f"gftc:{secrets.token_hex(16)}", gan, balance, currency, state, datetime.now(UTC))
            self.cards[card.id] = card
            return card

    def card(self, card_id: str) -> SandboxCard:
        with self.lock:
            if card_id not in self.cards:
                raise ApiError(404, "NOT_FOUND", field="gift_card_id")
            return self.cards[card_id]

    def with_gan(self, gan: str) -> SandboxCard:
        with self.lock:
            for card in self.cards.values():
                if card.gan == gan:
                    return card
            raise ApiError(404, "NOT_FOUND", field="gan")

    def create_activity(self, key: str, wanted: Json) -> Json:
        """Change a card once under `key`."""
        with self.lock:
            if key in self._answered:
                done, answer = self._answered[key]
                if done != wanted:
                    raise ApiError(400, "IDEMPOTENCY_KEY_REUSED", field="idempotency_key")
                if self.refuses_repeats:
                    raise ApiError(400, "BAD_REQUEST")
                return answer
            change, activity = self._changed(wanted)
            self._activities.append((datetime.now(UTC), change, activity))
            self._answered[key] = wanted, activity
            return activity

    def _shown(self) -> list[Json]:
        """Return the activities that the replica has."""
        seen = datetime.now(UTC) - timedelta(seconds=self.read_lag_seconds)
        return [activity for when, _, activity in self._activities if when <= seen]

    def shown_balance(self, card: SandboxCard) -> int:
        """Return a card's balance as the replica has it."""
        seen = datetime.now(UTC) - timedelta(seconds=self.read_lag_seconds)
        late = (change for when, change, told in self._activities if when > seen and told["gift_card_id"] == card.id)
        return card.balance - sum(late)

    def _changed(self, wanted: Json) -> tuple[int, Json]:
        """Do what is wanted of a card; return by how much it changed, and the activity."""
        kind, card = _text(wanted, "type"), self.card(_text(wanted, "gift_card_id"))
        if _text(wanted, "location_id") != LOCATION_ID:
            raise ApiError(404, "NOT_FOUND", field="location_id")
        name = f"{kind.lower()}_activity_details"
        details = wanted.get(name)
        if not isinstance(details, dict):
            raise ApiError(400, "MISSING_REQUIRED_PARAMETER", field=name)
        amount = _amount(details, card.currency)
        if card.state != "ACTIVE":
            raise ApiError(400, "BAD_REQUEST", field="gift_card_id")
        match kind:
            case "REDEEM":
                if amount > min(card.balance, self.shown_balance(card)):
                    raise ApiError(400, "INSUFFICIENT_FUNDS", "PAYMENT_METHOD_ERROR")
                details, amount = details | {"status": "COMPLETED"}, -amount
            case "REFUND":
                if amount > self._refundable(card, _text(details, "redeem_activity_id")):
                    raise ApiError(400, "REFUND_AMOUNT_INVALID", "REFUND_ERROR")
            case "UNLINKED_ACTIVITY_REFUND":
                pass
            case _:
                raise ApiError(400, "INVALID_ENUM_VALUE", field="type")
        card.balance += amount
        return amount, wanted | {
            "id": f"gcact_{secrets.token_hex(16)}",
            "gift_card_gan": card.gan,
            "gift_card_balance_money": {"amount": card.balance, "currency": card.currency},
            "created_at": written(datetime.now(UTC)),
            name: details,
        }

    def _refundable(self, card: SandboxCard, redeem_activity_id: str) -> int:
        """Return what of a redemption was not given back yet."""
        if not any(told["id"] == redeem_activity_id and told["gift_card_id"] == card.id for told in self._shown()):
            raise ApiError(404, "NOT_FOUND", field="redeem_activity_id")
        left = 0
        for _, change, activity in self._activities:
            refund = activity.get("refund_activity_details", {})
            if redeem_activity_id in (activity["id"], refund.get("redeem_activity_id")):
                left -= change
        return left

    def page(self, query: Mapping[str, str]) -> Json:
        """Return a page of the activities; a cursor is the place of the first one of the next."""
        with self.lock:
            begin, card_id = query.get("begin_time", ""), query.get("gift_card_id")
            found = [
                activity
                for activity in self._shown()
                if activity["created_at"] >= begin and card_id in (None, activity["gift_card_id"])
            ]
        if query.get("sort_order", "DESC") == "DESC":
            found.reverse()
        start, limit = int(query.get("cursor", "0")), min(int(query.get("limit", "50")), 100)
        page: Json = {"gift_card_activities": found[start : start + limit]} if found else {}
        return page | ({"cursor": str(start + limit)} if start + limit < len(found) else {})


def create_app() -> Flask:
    """Return a sandbox with the cards of SEEDS; its SandboxState is `app.extensions["backend"]`."""
    app = create_sandbox("square")
    model = SandboxState()
    app.extensions["backend"] = model
    for gan, seed in SEEDS.items():
        state, balance, currency = seed.replace(",", "").split()
        model.add(int(balance.replace(".", "")), currency, gan, state)
    app.before_request(_authenticate)
    app.register_error_handler(ApiError, lambda error: ({"errors": [error.error]}, error.status))
    _add_routes(app, model)
    return app


def _authenticate() -> None:
    if not request.path.startswith(CONTROL) and request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
        raise ApiError(401, "UNAUTHORIZED", "AUTHENTICATION_ERROR")


def _add_routes(app: Flask, model: SandboxState) -> None:
    @app.get("/v2/locations/<location_id>")
    def get_location(location_id: str) -> Json:
        if location_id != LOCATION_ID:
            raise ApiError(404, "NOT_FOUND", field="location_id")
        return {
            "location": {
                "id": LOCATION_ID,
                "merchant_id": MERCHANT_ID,
                "currency": model.currency,
                "status": "ACTIVE",
            }
        }

    @app.post("/v2/gift-cards/from-gan")
    def card_from_gan() -> Json:
        with model.lock:
            card = model.with_gan(_text(_body(), "gan"))
            return {"gift_card": card.json(model.shown_balance(card))}

    @app.get("/v2/gift-cards/<card_id>")
    def get_card(card_id: str) -> Json:
        with model.lock:
            card = model.card(card_id)
            return {"gift_card": card.json(model.shown_balance(card))}

    @app.post("/v2/gift-cards/activities")
    def create_activity() -> Json:
        body = _body()
        wanted = body.get("gift_card_activity")
        if not isinstance(wanted, dict):
            raise ApiError(400, "MISSING_REQUIRED_PARAMETER", field="gift_card_activity")
        return {"gift_card_activity": model.create_activity(_text(body, "idempotency_key"), wanted)}

    @app.get("/v2/gift-cards/activities")
    def list_activities() -> Json:
        return model.page(request.args)


def _body() -> Json:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, "EXPECTED_JSON_BODY")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, "MISSING_REQUIRED_PARAMETER", field=name)
    return value


def _amount(details: Mapping[str, Any], currency: str) -> int:
    money = details.get("amount_money")
    if not isinstance(money, dict) or type(money.get("amount")) is not int or money["amount"] < 1:
        raise ApiError(400, "INVALID_VALUE", field="amount_money")
    if money.get("currency") != currency:
        raise ApiError(400, "CURRENCY_MISMATCH", "PAYMENT_METHOD_ERROR", field="amount_money")
    return int(money["amount"])
