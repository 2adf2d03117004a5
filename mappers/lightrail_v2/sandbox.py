"""A sandbox of Lightrail V2 under /v2: its routes, its credentials and the cards it starts with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from mappers import lightrail_sandbox
from mappers.lightrail_sandbox import FUTURE, PAST, ApiError, Json, stamp
from mappers.lightrail_v2 import sandbox_checks as check
from mappers.lightrail_v2.sandbox_model import SandboxState
from mappers.lightrail_v2.sandbox_pages import page, place
from mappers.lightrail_v2.sandbox_values import masked

DEFAULT_PORT = 28700
API_KEY = "lightrail-sandbox-key"
# Has the role pointOfSale: may read values by id and debit by code, but not list values.
POINT_OF_SALE_KEY = "lightrail-point-of-sale-key"
# Has the roles customerServiceRepresentative and contactManager: all that payments need.
SERVICE_KEY = "lightrail-service-key"
_FORBIDDEN: dict[str, tuple[str, ...]] = {
    POINT_OF_SALE_KEY: ("/v2/values?", "/v2/currencies?"),
    SERVICE_KEY: ("/v2/currencies", "/v2/programs"),
}
DEMO_OPTIONS: Callable[[str], dict[str, Any]] = lambda url: {"base_url": f"{url}/v2", "api_key": API_KEY}  # noqa: E731

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

# The properties that lists of values can be filtered by.
FILTERS = ("id", "code", "contactId", "currency", "active", "canceled", "frozen")

Page = tuple[Response, dict[str, str]]

# code -> (what it is, what it is created with beside its code; BRL unless it says otherwise)
_CARDS: dict[str, tuple[str, Json]] = {
    "LIGHT-ACTIVE-250": ("active, 250.00 BRL", {"balance": 25000, "endDate": FUTURE}),
    "LIGHT-ACTIVE-100": ("active, 100.00 BRL", {"balance": 10000}),
    "LIGHT-ACTIVE-10": ("active, 10.00 BRL", {"balance": 1000}),
    "LIGHT-ZERO": ("active, 0.00 BRL", {"balance": 0}),
    "LIGHT-EXPIRED": ("expired, 50.00 BRL", {"balance": 5000, "endDate": PAST}),
    "LIGHT-FROZEN": ("frozen, 50.00 BRL", {"balance": 5000, "frozen": True}),
    "LIGHT-CANCELED": ("canceled, 50.00 BRL", {"balance": 5000, "canceled": True}),
    "LIGHT-NOT-STARTED": ("starts in the far future, 50.00 BRL", {"balance": 5000, "startDate": FUTURE}),
    "LIGHT-INACTIVE": ("inactive, 50.00 BRL", {"balance": 5000, "active": False}),
    "LIGHT-DOLLARS": ("active, 50.00 USD", {"balance": 5000, "currency": "USD"}),
    "LIGHT-GENERIC": (
        "a generic code, not a gift card",
        {"balance": 5000, "isGenericCode": True, "genericCodeOptions": {"perContact": {"balance": 500}}},
    ),
    "LIGHT-RULE": ("a balance rule, not a gift card", {"balance": None, "balanceRule": {"rule": "500"}}),
    "LIGHT-ONCE-50": ("may be used once, 50.00 BRL", {"balance": 5000, "usesRemaining": 1}),
    "LIGHT-CARTS-OF-100": (
        "active, 50.00 BRL, only for carts of 100.00 and more",
        {"balance": 5000, "redemptionRule": {"rule": "totals.subtotal >= 10000", "explanation": "Carts of 100."}},
    ),
    "LIGHT-DISCOUNT": ("active, 50.00 BRL of discount, no money", {"balance": 5000, "discount": True}),
    "LIGHT-YEN-5000": ("active, 5000 JPY", {"balance": 5000, "currency": "JPY"}),
    "LIGHT-POINTS-900": ("active, 900 points", {"balance": 900, "currency": "XXX"}),
    "LIGHT /+=.%#é ODD": ("active, 75.00 BRL, a code that needs encoding", {"balance": 7500}),
}
SEEDS = {code: description for code, (description, _) in _CARDS.items()}
_CURRENCIES = (("BRL", "R$", 2), ("USD", "$", 2), ("JPY", "¥", 0), ("XXX", "pts", 0))


def new_program(body: Json, now: str) -> Json:
    defaults = dict.fromkeys(check.PROGRAM) | {"discount": False, "pretax": False, "active": True}
    return defaults | body | {"createdDate": now, "updatedDate": now, "createdBy": "user-sandbox-TEST"}


def _seeded() -> SandboxState:
    model = SandboxState()
    now = stamp(model.now())
    for code, symbol, digits in _CURRENCIES:
        model.currencies[code] = {"code": code, "name": code, "symbol": symbol, "decimalPlaces": digits}
    for name, currency in (("gift-cards-brl", "BRL"), ("gift-cards-usd", "USD")):
        limits = {"minInitialBalance": 100, "maxInitialBalance": 100000}
        model.programs[name] = new_program({"id": name, "name": name, "currency": currency} | limits, now)
    for number, (code, (_, given)) in enumerate(_CARDS.items(), 1):
        model.create_value({"id": f"value-{number:03}", "currency": "BRL", "code": code} | given)
    for entry in model.transactions.values():
        entry.created = LONG_AGO
    return model


def _body() -> Any:
    """Return the request's JSON. Lightrail does not look at a body of any other content type."""
    if not request.data or request.mimetype not in ("", "application/json"):
        return None
    try:
        return request.get_json(force=True)
    except HTTPException as error:
        raise ApiError(400, "The request body is not valid JSON.") from error


def _shown(value: Json) -> Json:
    return value if request.args.get("showCode") == "true" else value | {"code": masked(value)}


def _values(model: SandboxState, **wanted: str) -> Iterator[Json]:
    """Yield the values that the request's filters ask for, newest first."""
    filters = {name: value.strip() for name, value in request.args.items() if name in FILTERS} | wanted
    for value in reversed(model.values.values()):
        if (row := model.shown(value)) is None:
            continue
        rich = "balance.gt" not in request.args or (row["balance"] or 0) > int(request.args["balance.gt"])
        if rich and all(_text(row[name]) == text for name, text in filters.items()):
            yield _shown(row)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _page(rows: Iterable[Json]) -> Page:
    found, headers = page(request.path, request.args, rows)
    return jsonify(found), headers


def create_app() -> Flask:
    """Return the sandbox with fresh seeded state; `app.extensions["backend"]` is its SandboxState."""
    model = _seeded()

    def admit(authorization: str) -> None:
        if authorization not in [f"Bearer {key}" for key in (API_KEY, *_FORBIDDEN)]:
            raise ApiError(401, "Unauthorized")
        forbidden = next((paths for key, paths in _FORBIDDEN.items() if authorization == f"Bearer {key}"), ())
        if request.method == "GET" and f"{request.path}?".startswith(forbidden):
            raise ApiError(403, "Forbidden")
        model.void_overdue()

    unknown_path = {"message": "Not Found", "statusCode": 404}
    app = lightrail_sandbox.create_app("lightrail_v2", model, admit, unknown_path=unknown_path)
    _add_values(app, model)
    _add_transactions(app, model)
    _add_registers(app, model)
    return app


def _add_values(app: Flask, model: SandboxState) -> None:
    def found(value_id: str) -> Json:
        value = model.values.get(value_id)
        if value is None or model.shown(value) is None:
            raise ApiError(404, f"Value with id '{value_id}' not found.", "ValueNotFound")
        return value

    @app.post("/v2/values")
    def create_value() -> tuple[Json, int]:
        return _shown(model.create_value(check.checked_value(check.checked(_body(), check.VALUE, "id")))), 201

    @app.get("/v2/values")
    def list_values() -> Page:
        return _page(_values(model))

    @app.get("/v2/values/<value_id>")
    def get_value(value_id: str) -> Json:
        return _shown(model.shown(found(value_id)) or {})

    @app.patch("/v2/values/<value_id>")
    def change_value(value_id: str) -> Json:
        value = found(value_id)
        change = check.checked_value(check.checked(_body(), check.VALUE_CHANGE), before=value)
        value.update(change, updatedDate=stamp(model.now()))
        return _shown(value)


def _add_transactions(app: Flask, model: SandboxState) -> None:
    def answer(json: Json) -> tuple[Json, int]:
        return json, 200 if json.get("simulated") else 201

    def moving(body: Json) -> Json:
        if not {"amount", "uses"} & set(body):
            raise ApiError(422, "The requestBody has 1 validation error(s): it needs amount or uses.")
        return body

    @app.post("/v2/transactions/debit")
    def debit() -> tuple[Json, int]:
        return answer(model.debit(moving(check.checked(_body(), check.DEBIT, "id", "source", "currency"))))

    @app.post("/v2/transactions/credit")
    def credit() -> tuple[Json, int]:
        return answer(model.credit(moving(check.checked(_body(), check.CREDIT, "id", "destination", "currency"))))

    @app.post("/v2/transactions/checkout")
    def checkout() -> tuple[Json, int]:
        body = check.checked(_body(), check.CHECKOUT, "id", "currency", "lineItems", "sources")
        return answer(model.checkout(body))

    @app.post("/v2/transactions/<transaction_id>/capture")
    def capture(transaction_id: str) -> tuple[Json, int]:
        return model.capture(transaction_id, check.checked(_body(), check.TRANSACTION, "id")), 201

    @app.post("/v2/transactions/<transaction_id>/void")
    def void(transaction_id: str) -> tuple[Json, int]:
        return model.void(transaction_id, check.checked(_body(), check.TRANSACTION, "id")), 201

    @app.post("/v2/transactions/<transaction_id>/reverse")
    def reverse(transaction_id: str) -> tuple[Json, int]:
        return answer(model.reverse(transaction_id, check.checked(_body(), check.TRANSACTION, "id")))

    @app.get("/v2/transactions/<transaction_id>")
    def get_transaction(transaction_id: str) -> Json:
        return model.find_transaction(transaction_id).json

    @app.get("/v2/transactions/<transaction_id>/chain")
    def get_chain(transaction_id: str) -> Response:
        root = model.find_transaction(transaction_id).root
        rows = [entry.json for entry in model.chain(root) if model.visible(entry)]
        return jsonify(sorted(rows, key=place))

    @app.get("/v2/transactions")
    def list_transactions() -> Page:
        return listed(request.args.get("valueId"))

    @app.get("/v2/values/<value_id>/transactions")
    def list_value_transactions(value_id: str) -> Page:
        return listed(value_id)

    def listed(value_id: str | None) -> Page:
        wanted = {name: request.args[name] for name in ("id", "transactionType", "currency") if name in request.args}
        since = request.args.get("createdDate.gte")
        return _page(
            entry.json
            for entry in model.transactions.values()
            if model.visible(entry)
            and all(entry.json[name] == value for name, value in wanted.items())
            and (value_id is None or any(step["valueId"] == value_id for step in entry.json["steps"]))
            and (since is None or datetime.fromisoformat(entry.json["createdDate"]) >= datetime.fromisoformat(since))
        )


def _add_registers(app: Flask, model: SandboxState) -> None:
    """Add what values belong to: currencies, programs, contacts."""

    def add(kind: str, schema: dict[str, check.Check], key: str, *required: str) -> None:
        # Asked for anew each time: between two tests the state is another one.
        def rows() -> dict[str, Json]:
            found: dict[str, Json] = getattr(model, kind)
            return found

        singular = {"currencies": "Currency", "programs": "Program", "contacts": "Contact"}[kind]

        def create() -> tuple[Json, int]:
            body = check.checked(_body(), schema, key, *required)
            if body[key] in rows():
                exists = "Exists" if key == "code" else "IdExists"
                raise ApiError(409, f"{singular} '{body[key]}' already exists.", f"{singular}{exists}")
            now = stamp(datetime.now(UTC))
            dates = {"createdDate": now, "updatedDate": now, "createdBy": "user-sandbox-TEST"}
            row = new_program(body, now) if kind == "programs" else dict.fromkeys(schema) | body | dates
            rows()[body[key]] = row
            return row, 201

        def get(name: str) -> Json:
            if name not in rows():
                raise ApiError(404, f"{singular} '{name}' not found.", f"{singular}NotFound")
            return rows()[name]

        def list_all() -> Response:
            wanted = {name: request.args[name].casefold() for name in request.args if name in schema}
            fits = lambda row: all(_text(row[name]).casefold() == wanted[name] for name in wanted)  # noqa: E731
            return jsonify(list(filter(fits, rows().values())))

        app.add_url_rule(f"/v2/{kind}", f"create_{kind}", create, methods=["POST"])
        app.add_url_rule(f"/v2/{kind}", f"list_{kind}", list_all)
        app.add_url_rule(f"/v2/{kind}/<name>", f"get_{kind}", get)

    add("currencies", check.CURRENCY, "code", "name", "symbol", "decimalPlaces")
    add("programs", check.PROGRAM, "id", "name", "currency")
    add("contacts", check.CONTACT, "id")

    @app.post("/v2/contacts/<contact_id>/values/attach")
    def attach(contact_id: str) -> Json:
        wanted = check.checked(_body(), check.ATTACH)
        if contact_id not in model.contacts:
            raise ApiError(404, f"Contact '{contact_id}' not found.", "ContactNotFound")
        key, name = ("code", "code") if "code" in wanted else ("id", "valueId")
        value = next((row for row in model.values.values() if row[key] == wanted.get(name)), None)
        if value is None:
            raise ApiError(404, "Value not found.", "ValueNotFound")
        return _shown(model.attach(contact_id, value))

    @app.get("/v2/contacts/<contact_id>/values")
    def contact_values(contact_id: str) -> Page:
        return _page(_values(model, contactId=contact_id))
