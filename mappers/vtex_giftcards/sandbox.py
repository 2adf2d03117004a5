"""A sandbox of a VTEX account's Giftcard API on this machine, cut from VTEX's OpenAPI document (version 1.0)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Flask, Response, request

from mappers import exact_json
from mappers.sandbox import CONTROL, create_sandbox
from mappers.vtex_giftcards.sandbox_model import ApiError, SandboxTransaction, VtexAccount

DEFAULT_PORT = 28750
APP_KEY = "vtexappkey-demo-ABCDEF"
APP_TOKEN = "demo-vtex-token"

SEEDS = {
    "VTEX-ACTIVE-250": "active, 250.00 BRL",
    "VTEX-ACTIVE-100": "active, 100.00 BRL",
    "VTEX-ACTIVE-10": "active, exactly 10.00 BRL",
    "VTEX-EMPTY-0": "active, 0.00 BRL",
    "VTEX-EXPIRED-50": "50.00 BRL, expired",
    "VTEX-SWITCHED-OFF-50": "50.00 BRL, switched off in the admin: no search finds it",
    "VTEX-LOYALTY-30": "active, 30.00 BRL, of shopper@example.com",
    "VTEX-USD-75": "active, 75.00 USD",
}

Json = dict[str, Any]


def demo_options(url: str) -> Json:
    """Return the mapper options that work against a sandbox at `url`."""
    return {"base_url": f"{url}/api", "app_key": APP_KEY, "app_token": APP_TOKEN}


DEMO_OPTIONS = demo_options


def create_app() -> Flask:
    """Return a sandbox with the cards of SEEDS; its VtexAccount is `app.extensions["backend"]`."""
    app = create_sandbox("vtex_giftcards")
    account = VtexAccount()
    app.extensions["backend"] = account
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    special: dict[str, Json] = {
        "VTEX-EXPIRED-50": {"expires": yesterday},
        "VTEX-SWITCHED-OFF-50": {"active": False},
        "VTEX-LOYALTY-30": {"owner": "shopper@example.com", "relation_name": "loyalty", "caption": "Loyalty"},
        "VTEX-USD-75": {"currency": "USD"},
    }
    for code in SEEDS:
        account.add(Decimal(code.rpartition("-")[2]), code, **special.get(code, {}))
    app.before_request(_authenticate)
    app.register_error_handler(ApiError, lambda error: _answer(error.json(), error.status))
    _add_card_routes(app, account)
    _add_transaction_routes(app, account)
    return app


def _authenticate() -> None:
    if request.path.startswith(CONTROL):
        return
    given = f"{request.headers.get('X-VTEX-API-AppKey')} {request.headers.get('X-VTEX-API-AppToken')}"
    if not hmac.compare_digest(given.encode(), f"{APP_KEY} {APP_TOKEN}".encode()):
        raise ApiError(401, "Unauthorized")


def _add_card_routes(app: Flask, account: VtexAccount) -> None:
    @app.post("/api/giftcards")
    def create_card() -> Response:
        card = account.issue(_body())
        told = {"relationName": card.relation_name, "caption": card.caption}
        return _answer(card.json(code=card.code) | told)

    @app.post("/api/giftcards/_search")
    def search() -> Response:
        body = _body()
        cart, client = body.get("cart"), body.get("client")
        if not isinstance(cart, dict) or not isinstance(client, dict):
            raise ApiError(400, "InvalidRequest")
        found = account.search(cart, client)
        items = [{"id": card.id, "_self": {"href": f"cards/{card.id}"}} for card in found[:10]]
        paging = {"page": 0, "perPage": 10, "total": len(found), "pages": -(-len(found) // 10)}
        return _answer({"items": items, "paging": paging})

    @app.get("/api/giftcards/<card_id>")
    def get_card(card_id: str) -> Response:
        with account.lock:
            return _answer(account.card(card_id).json())


def _add_transaction_routes(app: Flask, account: VtexAccount) -> None:
    transactions = "/api/giftcards/<card_id>/transactions"

    @app.get(transactions)
    def list_transactions(card_id: str) -> Response:
        with account.lock:
            return _answer([_link(card_id, name) for name in account.card(card_id).transactions])

    @app.post(transactions)
    def create_transaction(card_id: str) -> Response:
        body = _body()
        required = ("operation", "value", "description", "redemptionToken", "redemptionCode", "requestId")
        if any(body.get(name) is None for name in required) or body["operation"] not in ("Debit", "Credit"):
            raise ApiError(400, "InvalidRequest")
        return _answer(_link(card_id, account.open(card_id, body, _value(body)).id))

    @app.get(f"{transactions}/<transaction_id>")
    def get_transaction(card_id: str, transaction_id: str) -> Response:
        return _answer(_json(card_id, account.transaction(card_id, transaction_id)))

    @app.get(f"{transactions}/<transaction_id>/authorization")
    def get_authorization(card_id: str, transaction_id: str) -> Response:
        made = account.transaction(card_id, transaction_id)
        return _answer({"oid": made.id, "value": made.value, "date": made.date})

    @app.get(f"{transactions}/<transaction_id>/settlements")
    def list_settlements(card_id: str, transaction_id: str) -> Response:
        return _answer(list(account.transaction(card_id, transaction_id).settlements))

    @app.post(f"{transactions}/<transaction_id>/settlements")
    def settle(card_id: str, transaction_id: str) -> Response:
        return _answer(account.settle(card_id, transaction_id, _value(_change())))

    @app.get(f"{transactions}/<transaction_id>/cancellations")
    def list_cancellations(card_id: str, transaction_id: str) -> Response:
        return _answer(list(account.transaction(card_id, transaction_id).cancellations))

    @app.post(f"{transactions}/<transaction_id>/cancellations")
    def cancel(card_id: str, transaction_id: str) -> Response:
        return _answer(account.cancel(card_id, transaction_id, _value(_change())))


def _link(card_id: str, name: str) -> Json:
    return {"id": name, "_self": {"href": f"cards/{card_id}/transactions/{name}"}}


def _json(card_id: str, made: SandboxTransaction) -> Json:
    path = f"/giftcards/{card_id}/transactions/{made.id}"
    return {
        "value": made.value,
        "description": made.description,
        "date": made.date,
        "requestId": made.request_id,
        "settlement": {"href": f"{path}/settlements"},
        "cancellation": {"href": f"{path}/cancellations"},
        "authorization": {"href": f"{path}/authorization"},
        "operation": made.operation,
    }


def _change() -> Mapping[str, Any]:
    body = _body()
    if not isinstance(body.get("requestId"), str) or not body["requestId"]:
        raise ApiError(400, "InvalidRequest")
    return body


def _body() -> Mapping[str, Any]:
    try:
        body = exact_json.decode(request.get_data())
    except exact_json.InvalidJson as error:
        raise ApiError(400, "InvalidRequest") from error
    if not isinstance(body, dict):
        raise ApiError(400, "InvalidRequest")
    return body


def _value(body: Mapping[str, Any]) -> Decimal:
    value = body.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        raise ApiError(400, "InvalidRequest")
    return Decimal(value)


def _answer(value: Any, status: int = 200) -> Response:
    return Response(exact_json.encode(value), status, content_type="application/json")
