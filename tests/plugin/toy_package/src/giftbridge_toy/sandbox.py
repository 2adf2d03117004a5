"""A sandbox of Toy on this machine. Its API is made up: bend it to what Toy documents."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any

from flask import Flask, request

from giftbridge.sandbox import CONTROL, create_sandbox

DEFAULT_PORT = 29590
API_KEY = "demo-toy-key"

SEEDS = {
    "TOY-ACTIVE-250": "active, 250.00 BRL",
    "TOY-ACTIVE-100": "active, 100.00 BRL",
    "TOY-EMPTY": "active, 0.00 BRL",
    "TOY-BLOCKED-50": "blocked, 50.00 BRL",
    "TOY-EXPIRED-50": "expired, 50.00 BRL",
    "TOY-DOLLARS-50": "active, 50.00 USD",
}

Json = dict[str, Any]


def demo_options(url: str) -> dict[str, str]:
    """Return the mapper options that work against a sandbox at `url`."""
    return {"base_url": url, "api_key": API_KEY}


DEMO_OPTIONS = demo_options


class ApiError(Exception):
    """What Toy answers instead of a result."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(slots=True)
class SandboxCard:
    """A card; amounts in major units. `holds` are its pending holds, by key, and no longer in the balance."""

    id: str
    code: str
    balance: Decimal
    currency: str
    state: str = "active"  # active, blocked or expired
    reference: str = ""
    notes: Json = field(default_factory=dict)
    holds: dict[str, Decimal] = field(default_factory=dict)

    def json(self) -> Json:
        return {
            "id": self.id,
            "code": self.code,
            "balance": f"{self.balance:f}",
            "currency": self.currency,
            "state": self.state,
            "notes": self.notes,
        }

    def take(self, amount: Decimal) -> None:
        if amount > self.balance:
            raise ApiError(422, "insufficient_balance")
        self.balance -= amount

    def lower_hold(self, hold: str, amount: Decimal) -> None:
        if amount > self.holds.get(hold, Decimal()):
            raise ApiError(422, "hold_too_small")
        self.holds[hold] -= amount


class SandboxState:
    """An account at Toy. Every method is atomic."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cards: dict[str, SandboxCard] = {}
        self._movements: dict[str, tuple[dict[str, str], Json]] = {}

    def add(self, balance: Decimal, currency: str, code: str = "", **fields: Any) -> SandboxCard:
        """Make a card, with a code of its own unless one is given."""
        with self.lock:
            card = SandboxCard(f"card-{len(self.cards) + 1}", code or secrets.token_hex(8), balance, currency, **fields)
            self.cards[card.id] = card
            return card

    def with_reference(self, reference: str) -> SandboxCard | None:
        with self.lock:
            return next((card for card in self.cards.values() if card.reference == reference), None)

    def card(self, card_id: str) -> SandboxCard:
        with self.lock:
            if card_id not in self.cards:
                raise ApiError(404, "card_not_found")
            return self.cards[card_id]

    def movement(self, key: str) -> Json:
        with self.lock:
            if key not in self._movements:
                raise ApiError(404, "movement_not_found")
            return self._movements[key][1]

    def move(self, body: Mapping[str, Any]) -> tuple[Json, int]:
        """Move money once under the key in `body`, and answer a repeat as the first time."""
        wanted = {name: _text(body, name) for name in ("key", "card", "kind", "amount")}
        wanted["hold"] = str(body.get("hold", ""))
        key, amount = wanted["key"], _amount(wanted["amount"])
        with self.lock:
            if key in self._movements:
                done, told = self._movements[key]
                if done != wanted:
                    raise ApiError(409, "key_reused")
                return told, 200
            card = self.card(wanted["card"])
            if wanted["kind"] in ("hold", "debit", "credit") and card.state != "active":
                raise ApiError(422, "card_not_active")
            match wanted["kind"]:
                case "hold":
                    card.take(amount)
                    card.holds[key] = amount
                case "debit":
                    card.take(amount)
                case "credit":
                    card.balance += amount
                case "capture":
                    card.lower_hold(wanted["hold"], amount)
                case "void":
                    card.lower_hold(wanted["hold"], amount)
                    card.balance += amount
                case _:
                    raise ApiError(400, "invalid_kind")
            answer: Json = wanted | {"amount": f"{amount:f}", "balance": f"{card.balance:f}"}
            self._movements[key] = wanted, answer
            return answer, 201


def create_app() -> Flask:
    """Return a sandbox with the cards of SEEDS; its SandboxState is `app.extensions["backend"]`."""
    app = create_sandbox("toy")
    model = SandboxState()
    app.extensions["backend"] = model
    for code, text in SEEDS.items():
        state, balance, currency = text.replace(",", "").split()
        model.add(Decimal(balance), currency, code, state=state)
    app.before_request(_authenticate)
    app.register_error_handler(ApiError, lambda error: ({"error": error.code}, error.status))
    _add_routes(app, model)
    return app


def _authenticate() -> None:
    if not request.path.startswith(CONTROL) and request.headers.get("Authorization") != f"Bearer {API_KEY}":
        raise ApiError(401, "unauthorized")


def _add_routes(app: Flask, model: SandboxState) -> None:
    @app.get("/account")
    def account() -> Json:
        return {"name": "Toy"}

    @app.get("/cards")
    def find_cards() -> Json:
        with model.lock:
            return {"cards": [card.json() for card in model.cards.values() if card.code == request.args.get("code")]}

    @app.get("/cards/<card_id>")
    def get_card(card_id: str) -> Json:
        with model.lock:
            return model.card(card_id).json()

    @app.post("/cards")
    def create_card() -> tuple[Json, int]:
        body = _body()
        with model.lock:
            known = model.with_reference(_text(body, "reference"))
            if known:
                return known.json(), 200
            fields = {"reference": body["reference"], "notes": body.get("notes", {})}
            return model.add(_amount(_text(body, "balance")), _text(body, "currency"), **fields).json(), 201

    @app.post("/movements")
    def move() -> tuple[Json, int]:
        return model.move(_body())

    @app.get("/movements/<key>")
    def get_movement(key: str) -> Json:
        return model.movement(key)


def _body() -> Json:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_json")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, f"invalid_{name}")
    return value


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except DecimalException as error:
        raise ApiError(400, "invalid_amount") from error
    if not amount.is_finite() or amount < 0:
        raise ApiError(400, "invalid_amount")
    return amount
