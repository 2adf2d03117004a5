"""A sandbox of Vauchar on this machine. It behaves as the API reference says, without idempotency."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from decimal import Decimal, DecimalException
from http import HTTPStatus
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

from mappers.sandbox import CONTROL, create_sandbox
from mappers.vauchar.model import URL, NotRedeemable, Vauchar

DEFAULT_PORT = 28710
MERCHANT_ID = "demo-merchant"
API_KEY = "demo-vauchar-key"

SEEDS = {
    "VAUCHAR-ACTIVE-250": "active, 250.00 BRL",
    "VAUCHAR-ACTIVE-100": "active, 100.00 BRL",
    "VAUCHAR-ACTIVE-10": "active, exactly 10.00 BRL",
    "VAUCHAR-SIGNS/50+A=B.C%": "active, 50.00 BRL, with signs in its code that URLs treat specially",
    "VAUCHAR-EMPTY-0": "active, all of its 30.00 BRL spent",
    "VAUCHAR-EXPIRED-50": "50.00 BRL, expired",
    "VAUCHAR-NOT-STARTED-50": "50.00 BRL, valid from next year",
    "VAUCHAR-INACTIVE-50": "50.00 BRL, switched off",
    "VAUCHAR-USD-75": "active, 75.00 USD",
}

Json = dict[str, Any]


def DEMO_OPTIONS(url: str) -> dict[str, Any]:  # noqa: N802 - a constant of every sandbox, here a function
    """Return the mapper options that work against a sandbox at `url`."""
    return {"base_url": url, "merchant_id": MERCHANT_ID, "api_key": API_KEY}


def create_app() -> Flask:
    """Return a sandbox with the cards of SEEDS; its Vauchar is `app.extensions["backend"]`."""
    app = create_sandbox("vauchar")
    backend = _seeded()
    app.extensions["backend"] = backend
    app.before_request(_authenticate)
    app.register_error_handler(KeyError, lambda _: _error(HTTPStatus.NOT_FOUND, "Not Found"))
    app.register_error_handler(NotRedeemable, lambda error: _error(HTTPStatus.BAD_REQUEST, str(error)))
    app.register_error_handler(_Invalid, lambda error: _error(HTTPStatus.BAD_REQUEST, str(error)))
    _add_card_routes(app, backend)
    _add_validation_routes(app, backend)
    _add_redemption_routes(app, backend)
    return app


def _seeded() -> Vauchar:
    backend = Vauchar()
    now, day = int(time.time()), 86_400
    backend.add("VAUCHAR-ACTIVE-250", Decimal(250), "BRL")
    backend.add("VAUCHAR-ACTIVE-100", Decimal(100), "BRL", expiry_time=now + 365 * day)
    backend.add("VAUCHAR-ACTIVE-10", Decimal(10), "BRL")
    backend.add("VAUCHAR-SIGNS/50+A=B.C%", Decimal(50), "BRL")
    backend.add("VAUCHAR-EMPTY-0", Decimal(30), "BRL")
    backend.spend_elsewhere("VAUCHAR-EMPTY-0", Decimal(30))
    backend.add("VAUCHAR-EXPIRED-50", Decimal(50), "BRL", expiry_time=now - day)
    backend.add("VAUCHAR-NOT-STARTED-50", Decimal(50), "BRL", start_time=now + 365 * day)
    backend.add("VAUCHAR-INACTIVE-50", Decimal(50), "BRL", active_status="0")
    backend.add("VAUCHAR-USD-75", Decimal(75), "USD")
    return backend


def _authenticate() -> ResponseReturnValue | None:
    sent = request.authorization
    if request.path.startswith(CONTROL):
        return None
    given = f"{sent.username}:{sent.password}" if sent and sent.type == "basic" else ""
    if not hmac.compare_digest(given.encode(), f"{MERCHANT_ID}:{API_KEY}".encode()):
        return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized")
    return None


def _add_card_routes(app: Flask, backend: Vauchar) -> None:
    @app.get("/verifycredentials")
    def verify_credentials() -> Json:
        return {"status": "ok"}

    @app.get("/gift-cards")
    def list_cards() -> Json:
        with backend.lock:
            return {"href": f"{URL}/gift-cards", "data": [card.to_json() for card in backend.cards.values()]}

    @app.post("/gift-cards")
    def create_card() -> ResponseReturnValue:
        body = _body()
        value, currency = _amount(body.get("value")), body.get("currency")
        if not isinstance(currency, str):
            raise _Invalid("currency is required")
        optional = {name: body[name] for name in ("start_time", "expiry_time", "tag", "metadata") if name in body}
        card = backend.add(None, value, currency, active_status=_active_status(body, "1"), **optional)
        return card.to_json(), HTTPStatus.CREATED

    @app.get("/gift-cards/<card_id>")
    def get_card(card_id: str) -> Json:
        with backend.lock:
            return backend.cards[card_id].to_json()

    @app.put("/gift-cards/<card_id>")
    def update_card(card_id: str) -> Json:
        body = _body()
        with backend.lock:
            card = backend.cards[card_id]
            card.active_status = _active_status(body, card.active_status)
            card.metadata = body.get("metadata", card.metadata)
            return card.to_json()

    @app.delete("/gift-cards/<card_id>")
    def delete_card(card_id: str) -> ResponseReturnValue:
        with backend.lock:
            del backend.cards[card_id]
        return "", HTTPStatus.NO_CONTENT


def _add_validation_routes(app: Flask, backend: Vauchar) -> None:
    @app.get("/gift-cards/validate")
    def validate_code() -> Json:
        if "gift_card_code" not in request.args:
            raise _Invalid("gift_card_code is required")
        return validation(lambda: backend.by_code(request.args["gift_card_code"]).id)

    @app.get("/gift-cards/<card_id>/validate")
    def validate_id(card_id: str) -> Json:
        return validation(lambda: card_id)

    def validation(card_id: Callable[[], str]) -> Json:
        value_used = _amount(request.args.get("value_used"))
        with backend.lock:
            card = backend.cards[card_id()]
            status, message = backend.validate(card, value_used)
            return {"validation_status": {"status": status, "message": message}, "data": card.to_json()}


def _add_redemption_routes(app: Flask, backend: Vauchar) -> None:
    @app.get("/gift-cards/<card_id>/redemptions")
    def list_redemptions(card_id: str) -> Json:
        with backend.lock:
            redemptions = [redemption.to_json() for redemption in backend.cards[card_id].redemptions.values()]
        return {"href": f"{URL}/gift-cards/{card_id}/redemptions", "data": redemptions}

    @app.post("/gift-cards/<card_id>/redemptions")
    def redeem(card_id: str) -> ResponseReturnValue:
        body = _body()
        names = ("user_id", "user_email", "user_phone", "transaction_id")
        fields = {name: str(body[name]) for name in names if name in body}
        return backend.redeem(card_id, _amount(body.get("value_used")), **fields).to_json(), HTTPStatus.CREATED

    @app.get("/gift-cards/<card_id>/redemptions/<redemption_id>")
    def get_redemption(card_id: str, redemption_id: str) -> Json:
        with backend.lock:
            return backend.cards[card_id].redemptions[redemption_id].to_json()

    @app.delete("/gift-cards/<card_id>/redemptions/<redemption_id>")
    def delete_redemption(card_id: str, redemption_id: str) -> ResponseReturnValue:
        backend.delete_redemption(card_id, redemption_id)
        return "", HTTPStatus.NO_CONTENT


class _Invalid(Exception):
    """The request lacks something, or has something that cannot be read (400)."""


def _error(status: HTTPStatus, message: str) -> ResponseReturnValue:
    # The reference says that errors are JSON, not what they look like.
    return {"status": int(status), "message": message}, status


def _body() -> Json:
    try:
        body = json.loads(request.get_data(), parse_float=Decimal)
    except ValueError as error:
        raise _Invalid("the body is not JSON") from error
    if not isinstance(body, dict):
        raise _Invalid("the body is not an object")
    return body


def _amount(value: Any) -> Decimal:
    """Read a positive amount: a number or, as clients in the wild send it, a string."""
    try:
        amount = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else Decimal()
    except DecimalException as error:
        raise _Invalid("the amount cannot be read") from error
    if not (amount.is_finite() and amount > 0):
        raise _Invalid("an amount is required")
    return amount


def _active_status(body: Json, default: str) -> str:
    status = body.get("active_status", default)
    if status not in ("0", "1"):
        raise _Invalid('active_status is "0" or "1"')
    return str(status)
