"""A sandbox of Lightrail V1 under /v1: its routes, its credentials and the cards it starts with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

from mappers import lightrail_sandbox
from mappers.lightrail_sandbox import ApiError, Json
from mappers.lightrail_v1.sandbox_cards import SandboxCard, stamp
from mappers.lightrail_v1.sandbox_model import SandboxState
from mappers.lightrail_v1.sandbox_seeds import CUSTOMERS, PROGRAM, SEEDS, seeded

__all__ = ["API_KEY", "CUSTOMERS", "DEFAULT_PORT", "DEMO_OPTIONS", "SEEDS", "create_app"]

DEFAULT_PORT = 28720
API_KEY = "lightrail-v1-sandbox-key"
DEMO_OPTIONS: Callable[[str], dict[str, Any]] = lambda url: {  # noqa: E731
    "base_url": f"{url}/v1",
    "api_key": API_KEY,
    "program_id": PROGRAM,
    "loyalty_caption": "Store credit",
}

MAXIMUM_LIMIT = 1000


def create_app() -> Flask:
    """Return the sandbox with fresh seeded state; `app.extensions["backend"]` is its SandboxState."""
    model = seeded()
    app = lightrail_sandbox.create_app("lightrail_v1", model, _admit, status_name="status")
    _add_cards(app, model)
    _add_transactions(app, model)
    _add_registers(app, model)
    return app


def _admit(authorization: str) -> tuple[Json, int] | None:
    if authorization == f"Bearer {API_KEY}":
        return None
    return {"status": 401, "message": "Unauthorized", "code": "CREDENTIALS_INVALID"}, 401


def _body() -> Json:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, "The request body is not a JSON object.")
    return body


def _page(name: str, rows: Iterable[Json], *filters: str) -> Json:
    """Answer one page of the rows that the query's `filters` let through."""
    wanted = {key: request.args[key] for key in filters if key in request.args}
    found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    limit = min(request.args.get("limit", 100, int), MAXIMUM_LIMIT)
    offset = request.args.get("offset", 0, int)
    page = found[offset : offset + limit]
    counts = {"count": len(page), "limit": limit, "maxLimit": MAXIMUM_LIMIT, "offset": offset}
    return {name: page, "pagination": counts | {"totalCount": len(found)}}


def _finders(model: SandboxState) -> dict[str, Callable[[str], SandboxCard]]:
    """Return how a card is found by what stands in the path: its id, or its code."""

    def by_id(card_id: str) -> SandboxCard:
        if card_id not in model.cards:
            raise ApiError(404, f"SandboxCard with id '{card_id}' does not exist.", "CardNotFound")
        return model.cards[card_id]

    def by_code(code: str) -> SandboxCard:
        try:
            card = model.by_code(code)
        except KeyError as error:
            raise ApiError(404, "The code does not exist.") from error
        if card.pin is not None and request.args.get("pin") != card.pin:
            raise ApiError(404, "The code does not exist.")
        return card

    return {"cards": by_id, "codes": by_code}


def _add_cards(app: Flask, model: SandboxState) -> None:
    find = _finders(model)["cards"]

    @app.post("/v1/cards")
    def create_card() -> Json:
        body = _body()
        return model.once("card", request.path, body, lambda: {"card": model.create_card(body).json})

    @app.get("/v1/cards")
    def list_cards() -> Json:
        rows = (card.json for card in reversed(model.cards.values()))
        return _page("cards", rows, "contactId", "cardType", "currency", "userSuppliedId")

    @app.get("/v1/cards/<card_id>")
    def get_card(card_id: str) -> Json:
        return {"card": find(card_id).json}

    @app.patch("/v1/cards/<card_id>")
    def change_card(card_id: str) -> Json:
        find(card_id).json["contactId"] = model.contact(_body().get("contactId", ""))["contactId"]
        return {"card": find(card_id).json}

    @app.get("/v1/cards/<card_id>/fullcode")
    def get_code(card_id: str) -> Json:
        if find(card_id).code is None:
            raise ApiError(404, "An account card has no code.")
        return {"fullcode": {"code": find(card_id).code}}

    @app.post("/v1/cards/<card_id>/<any(freeze, unfreeze, activate, cancel):change>")
    def switch_card(card_id: str, change: str) -> Json:
        card, body = find(card_id), _body()
        kind = "CANCELLATION" if change == "cancel" else change.upper()

        def switch() -> Json:
            row = model.switch(card, kind, body)
            return {"transaction": row} if change != "cancel" else {"card": card.json}

        return model.once("transaction", request.path, body, switch)

    @app.get("/v1/cards/<card_id>/valueStores")
    def list_value_stores(card_id: str) -> Json:
        return _page("valueStores", find(card_id).details(model.now())["valueStores"])

    @app.post("/v1/cards/<card_id>/valueStores")
    def attach(card_id: str) -> Json:
        card, body = find(card_id), _body()

        def make() -> Json:
            store = model.attach(card, body)
            shown: Json = {"cardId": card.id, "valueStoreId": store.id, "valueStoreType": store.kind}
            shown |= {"currency": card.json["currency"], "programId": store.program_id}
            return {"valueStore": shown | {"expires": store.expires and stamp(store.expires)}}

        return model.once("valueStore", request.path, body, make)

    @app.post("/v1/cards/<card_id>/valueStores/<store_id>/<any(freeze, unfreeze, cancel):change>")
    def switch_store(card_id: str, store_id: str, change: str) -> Json:
        card, body = find(card_id), _body()
        stores = [store for store in card.stores if store.id == store_id]
        if not stores:
            raise ApiError(404, f"Value store with id '{store_id}' does not exist.")
        kind = "CANCELLATION" if change == "cancel" else change.upper()
        make = lambda: {"transaction": model.switch(card, kind, body, stores)}  # noqa: E731
        return model.once("transaction", request.path, body, make)


def _add_transactions(app: Flask, model: SandboxState) -> None:
    finders = _finders(model)
    access = {"cards": "CARDID", "codes": "RAWCODE"}

    @app.get("/v1/<any(cards, codes):kind>/<name>/details")
    def get_details(kind: str, name: str) -> Json:
        return {"details": finders[kind](name).details(model.now())}

    @app.get("/v1/cards/<name>/balance", defaults={"kind": "cards"})
    @app.get("/v1/codes/<name>/card/balance", defaults={"kind": "codes"})
    def get_balance(kind: str, name: str) -> Json:
        """Answer what the details answer, as deprecated."""
        details = finders[kind](name).details(model.now())
        stores = [
            (store["valueStoreType"], {"currentValue": store["value"]} | store) for store in details["valueStores"]
        ]
        balance = {key: details[key] for key in ("currency", "cardType", "cardId")}
        balance |= {"principal": stores[0][1], "attached": [store for kind, store in stores if kind == "ATTACHED"]}
        return {"balance": balance | {"balanceDate": details["asAtDate"]}}

    @app.get("/v1/<any(cards, codes):kind>/<name>/transactions")
    def list_transactions(kind: str, name: str) -> Json:
        rows = reversed(finders[kind](name).transactions)
        return _page("transactions", rows, "userSuppliedId", "transactionType")

    @app.get("/v1/<any(cards, codes):kind>/<name>/transactions/<transaction_id>")
    def get_transaction(kind: str, name: str, transaction_id: str) -> Json:
        rows = {row["transactionId"]: row for row in finders[kind](name).transactions}
        if transaction_id not in rows:
            raise ApiError(404, f"Transaction with id '{transaction_id}' does not exist.")
        return {"transaction": rows[transaction_id]}

    @app.post("/v1/<any(cards, codes):kind>/<name>/transactions")
    def transact(kind: str, name: str) -> Json:
        card, body = finders[kind](name), _body()
        make = lambda: {"transaction": model.transact(card, body, access[kind])}  # noqa: E731
        return model.once("transaction", request.path, body, make)

    @app.post("/v1/<any(cards, codes):kind>/<name>/transactions/dryRun")
    def dry_run(kind: str, name: str) -> Json:
        card, body = finders[kind](name), _body()
        done = [row for row in card.transactions if row["userSuppliedId"] == body.get("userSuppliedId")]
        return {"transaction": done[0] if done else model.transact(card, body, access[kind], dry=True)}

    @app.post("/v1/cards/<name>/transactions/<transaction_id>/<any(capture, void, refund):end>")
    def end(name: str, transaction_id: str, end: str) -> Json:
        card, body = finders["cards"](name), _body()
        act = {"capture": model.capture, "void": model.void, "refund": model.refund}[end]
        return model.once("transaction", request.path, body, lambda: {"transaction": act(card, transaction_id, body)})


def _add_registers(app: Flask, model: SandboxState) -> None:
    """Add contacts, programs and the key's own page."""

    @app.post("/v1/contacts")
    def create_contact() -> Json:
        body = _body()
        return model.once("contact", request.path, body, lambda: {"contact": model.create_contact(body)})

    @app.get("/v1/contacts")
    def list_contacts() -> Json:
        return _page("contacts", model.contacts.values(), "email", "firstName", "lastName", "userSuppliedId")

    @app.get("/v1/contacts/<contact_id>")
    def get_contact(contact_id: str) -> Json:
        return {"contact": model.contact(contact_id)}

    @app.get("/v1/programs")
    def list_programs() -> Json:
        return _page("programs", model.programs.values())

    @app.get("/v1/programs/<program_id>")
    def get_program(program_id: str) -> Json:
        if program_id not in model.programs:
            raise ApiError(404, f"Program with id '{program_id}' does not exist.", "ProgramNotFound")
        return {"program": model.programs[program_id]}

    @app.get("/v1/ping")
    def ping() -> Json:
        user = {"username": "sandbox@example.com", "mode": "TEST", "scopes": [], "roles": ["accountManager"]}
        return {"user": user | {"effectiveScopes": []}}
