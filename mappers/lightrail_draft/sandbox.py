"""A sandbox of Lightrail's early V2 draft under /v2: its routes, its credentials and the cards it starts with.

The draft was never released as it is described, so much of how it refuses is assumed here; the README lists what.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from mappers import lightrail_sandbox
from mappers.lightrail_draft.sandbox_model import SandboxState, required
from mappers.lightrail_sandbox import FUTURE, PAST, ApiError, Json, stamp

DEFAULT_PORT = 28730
API_KEY = "lightrail-draft-key"
DEMO_OPTIONS: Callable[[str], dict[str, Any]] = lambda url: {  # noqa: E731
    "base_url": f"{url}/v2",
    "api_key": API_KEY,
    "program_id": "gift-cards-brl",
}

# code -> (what it is, what it is created with beside its code; BRL unless it says otherwise)
_CARDS: dict[str, tuple[str, Json]] = {
    "VS-ACTIVE-250": ("active, 250.00 BRL", {"value": 25000, "endDate": FUTURE}),
    "VS-ACTIVE-100": ("active, 100.00 BRL", {"value": 10000}),
    "VS-ACTIVE-10": ("active, 10.00 BRL", {"value": 1000}),
    "VS-EMPTY": ("active, 0.00 BRL", {"value": 0}),
    "VS-EXPIRED": ("expired, 50.00 BRL", {"value": 5000, "endDate": PAST}),
    "VS-NOT-STARTED": ("starts in the far future, 50.00 BRL", {"value": 5000, "startDate": FUTURE}),
    "VS-OVER": ("marked as expired, 50.00 BRL", {"value": 5000, "expired": True}),
    "VS-FROZEN": ("frozen, 50.00 BRL", {"value": 5000, "frozen": True}),
    "VS-INACTIVE": ("inactive, 50.00 BRL", {"value": 5000, "active": False}),
    "VS-NO-USES": ("no uses left, 50.00 BRL", {"value": 5000, "uses": 0}),
    "VS-DOLLARS": ("active, 50.00 USD", {"value": 5000, "currency": "USD"}),
    "VS-CART-50": (
        "50.00 BRL, for orders of 100.00 or more",
        {"value": 5000, "redemptionRule": {"rule": "order.total >= 10000", "explanation": "For large orders."}},
    ),
    "VS-HAT-50": (
        "50.00 BRL, for the item red-hat",
        {"value": 5000, "redemptionRule": {"rule": "item.productId == 'red-hat'", "explanation": "For hats."}},
    ),
    "VS-PRETAX": ("pays before taxes, not a gift card", {"value": 5000, "preTax": True}),
    "VS-DISCOUNT": ("a promotion, not a gift card", {"value": 5000, "discount": True}),
    "VS-YEN-5000": ("active, 5000 JPY", {"value": 5000, "currency": "JPY"}),
    "VS-DINARS-75": ("active, 75.000 KWD", {"value": 75000, "currency": "KWD"}),
    "VS-POINTS-900": ("active, 900 points", {"value": 900, "currency": "XXX"}),
    "VS-MEGABUCKS-500": ("active, 500 MEGABUCKS", {"value": 500, "currency": "MEGABUCKS"}),
    "VS /+=.%#é ODD": ("active, 75.00 BRL, a code that needs encoding", {"value": 7500}),
}
SEEDS = {code: description for code, (description, _) in _CARDS.items()}
_PROGRAMS: dict[str, Json] = {
    "gift-cards-brl": {"currency": "BRL", "minInitialValue": 100, "maxInitialValue": 100000},
    "gift-cards-fixed": {"currency": "BRL", "fixedInitialValues": [500, 1500, 2500]},
    "gift-cards-usd": {"currency": "USD", "minInitialValue": 500, "maxInitialValue": 100000},
    "gift-cards-megabucks": {"currency": "MEGABUCKS"},
    "gift-cards-retired": {"currency": "BRL", "active": False},
    "discounts": {"currency": "BRL", "discount": True},
}

_FILTERS = ("programId", "currency")
_CHANGEABLE = ("active", "frozen", "startDate", "endDate", "redemptionRule", "valueRule", "uses", "metadata")


def _seeded() -> SandboxState:
    model = SandboxState()
    for name, given in _PROGRAMS.items():
        model.create_program({"programId": name, "name": name, "access": "secureCode"} | given)
    for number, (code, (_, given)) in enumerate(_CARDS.items(), 1):
        model.create_store({"valueStoreId": f"store-{number:03}", "currency": "BRL", "code": code} | given)
    return model


def _body() -> Any:
    try:
        return request.get_json(force=True)
    except HTTPException as error:
        raise ApiError(400, "The request body is not valid JSON.") from error


def create_app() -> Flask:
    """Return the sandbox with fresh seeded state; `app.extensions["backend"]` is its SandboxState."""
    model = _seeded()

    def admit(authorization: str) -> None:
        if authorization != f"Bearer {API_KEY}":
            raise ApiError(401, "Unauthorized")
        model.void_overdue()

    app = lightrail_sandbox.create_app("lightrail_draft", model, admit)
    _add_programs(app, model)
    _add_stores(app, model)
    _add_transactions(app, model)
    return app


def _made(answer: Json, body: Any) -> tuple[Json, int]:
    """Answer what was made; what was only simulated was not."""
    return answer, 200 if body.get("simulate") else 201


def _page(rows: list[Json]) -> Response:
    """Answer one page of `rows`. Filters that the draft does not name are ignored, as it knows none but these."""
    limit, offset = min(request.args.get("limit", 100, int), 1000), request.args.get("offset", 0, int)
    wanted = {name: request.args[name] for name in _FILTERS if name in request.args}
    page = [row for row in rows if all(row[name] == value for name, value in wanted.items())][offset : offset + limit]
    response = jsonify(page)
    response.headers |= {"Limit": str(limit), "MaxLimit": "1000", "Offset": str(offset), "Count": str(len(page))}
    return response


def _add_programs(app: Flask, model: SandboxState) -> None:
    @app.post("/v2/programs")
    def create_program() -> Json:
        return model.create_program(_body())

    @app.get("/v2/programs")
    def list_programs() -> Response:
        return _page(list(model.programs.values()))

    @app.get("/v2/programs/<program_id>")
    def get_program(program_id: str) -> Json:
        if program_id not in model.programs:
            raise ApiError(404, f"Program with programId '{program_id}' not found.", "ProgramNotFound")
        return model.programs[program_id]


def _add_stores(app: Flask, model: SandboxState) -> None:
    def found(store_id: str) -> Json:
        if store_id not in model.stores:
            raise ApiError(404, f"ValueStore with valueStoreId '{store_id}' not found.", "ValueStoreNotFound")
        return model.stores[store_id]

    @app.post("/v2/valueStores")
    def create_store() -> tuple[Json, int]:
        return model.create_store(_body()), 201

    @app.get("/v2/valueStores")
    def list_stores() -> Response:
        return _page(list(model.stores.values()))

    @app.get("/v2/valueStores/<store_id>")
    def get_store(store_id: str) -> Json:
        return found(store_id)

    @app.patch("/v2/valueStores/<store_id>")
    def change_store(store_id: str) -> Json:
        changes = {name: value for name, value in required(_body()).items() if name in _CHANGEABLE}
        found(store_id).update(changes, updatedDate=stamp(datetime.now(UTC)))
        return found(store_id)

    @app.get("/v2/valueStores/<store_id>/code")
    def get_code(store_id: str) -> Json:
        found(store_id)
        return model.code(store_id)

    @app.put("/v2/valueStores/<store_id>/code")
    def set_code(store_id: str) -> Json:
        found(store_id)
        body = required(_body())
        model.set_code(store_id, body.get("code"), secure=body.get("secure") is True)
        return model.code(store_id)

    @app.delete("/v2/valueStores/<store_id>/code")
    def delete_code(store_id: str) -> Json:
        found(store_id)
        model.codes.pop(store_id, None)
        return {}


def _add_transactions(app: Flask, model: SandboxState) -> None:
    @app.post("/v2/transactions/debit")
    def debit() -> tuple[Json, int]:
        return _made(model.debit(_body()), _body())

    @app.post("/v2/transactions/credit")
    def credit() -> tuple[Json, int]:
        return _made(model.credit(_body()), _body())

    @app.post("/v2/transactions/orders")
    def order() -> tuple[Json, int]:
        return _made(model.order(_body()), _body())

    @app.post("/v2/transactions/<transaction_id>/capture")
    def capture(transaction_id: str) -> Json:
        return model.end(transaction_id, "captured")

    @app.post("/v2/transactions/<transaction_id>/void")
    def void(transaction_id: str) -> Json:
        return model.end(transaction_id, "void")

    @app.get("/v2/transactions/<transaction_id>")
    def get_transaction(transaction_id: str) -> Json:
        return model.transaction(transaction_id)
