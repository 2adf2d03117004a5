"""A sandbox of Voucherify on this machine. It behaves as the API reference says, without idempotency."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from mappers.sandbox import CONTROL, create_sandbox
from mappers.voucherify.sandbox_model import ApiError, Purchase, Voucherify

DEFAULT_PORT = 28740
APP_ID = "demo-voucherify-app"
APP_TOKEN = "demo-voucherify-token"

LAST_PAGE = 99

SEEDS = {
    "VOUCHERIFY-ACTIVE-250": "active, 250.00 BRL",
    "VOUCHERIFY-ACTIVE-100": "active, 100.00 BRL",
    "VOUCHERIFY-ACTIVE-10": "active, exactly 10.00 BRL",
    "VOUCHERIFY-SIGNS/50+A=B.C%": "active, 50.00 BRL, with signs in its code that URLs treat specially",
    "VOUCHERIFY-EMPTY-0": "active, all of its 30.00 BRL spent",
    "VOUCHERIFY-EXPIRED-50": "50.00 BRL, expired",
    "VOUCHERIFY-NOT-STARTED-50": "50.00 BRL, valid from next year",
    "VOUCHERIFY-DISABLED-50": "50.00 BRL, switched off",
    "VOUCHERIFY-ORDERS-FROM-200-50": "active, 50.00 BRL, for orders of 200.00 BRL and more",
    "VOUCHERIFY-HOLDER-50": "active, 50.00 BRL, for ana@example.com only",
    "VOUCHERIFY-OTHER-DAY-50": "50.00 BRL, valid tomorrow and on that weekday only",
    "VOUCHERIFY-PRODUCT-50": "active, 50.00 BRL, pays for the product sku-1 only",
    "VOUCHERIFY-ONCE-50": "50.00 BRL, may be redeemed once",
    "VOUCHERIFY-DISCOUNT-10": "no gift card: a discount of 10.00 BRL",
    "VOUCHERIFY-USD-75": "active, 75.00 USD",
}

Json = dict[str, Any]


def demo_options(url: str) -> dict[str, Any]:
    """Return the mapper options that work against a sandbox at `url`."""
    return {"base_url": url, "app_id": APP_ID, "app_token": APP_TOKEN}


DEMO_OPTIONS = demo_options


def create_app() -> Flask:
    """Return a sandbox with the vouchers of SEEDS; its Voucherify is `app.extensions["backend"]`."""
    app = create_sandbox("voucherify")
    backend = _seeded()
    app.extensions["backend"] = backend
    app.before_request(_authenticate)
    app.before_request(lambda: _limit_rate(backend))
    app.after_request(_tell_rate)
    app.register_error_handler(ApiError, lambda error: (error.json(), error.status))
    app.register_error_handler(404, lambda _: ({"code": 404, "message": "Not Found"}, 404))
    _add_voucher_routes(app, backend)
    _add_redemption_routes(app, backend)
    return app


def _seeded() -> Voucherify:
    backend = Voucherify()
    now, day = datetime.now(UTC), timedelta(days=1)
    special: dict[str, Json] = {
        "VOUCHERIFY-ACTIVE-100": {"expiration_date": now + 365 * day},
        "VOUCHERIFY-EXPIRED-50": {"expiration_date": now - day},
        "VOUCHERIFY-NOT-STARTED-50": {"start_date": now + 365 * day},
        "VOUCHERIFY-DISABLED-50": {"active": False},
        "VOUCHERIFY-ONCE-50": {"quantity": 1},
        "VOUCHERIFY-ORDERS-FROM-200-50": {"order_from": 200_00},
        "VOUCHERIFY-HOLDER-50": {"holder": "ana@example.com"},
        "VOUCHERIFY-OTHER-DAY-50": {"weekdays": (now.isoweekday() % 7 + 1,)},
        "VOUCHERIFY-PRODUCT-50": {"products": ("sku-1",)},
        "VOUCHERIFY-DISCOUNT-10": {"type": "DISCOUNT_VOUCHER"},
        "VOUCHERIFY-USD-75": {"metadata": {"currency": "USD"}},
    }
    for code in SEEDS:
        units = 50 if "/50" in code else int(code.rpartition("-")[2]) or 30
        backend.add(units * 100, code, **{"metadata": {"currency": "BRL"}} | special.get(code, {}))
    backend.spend_elsewhere("VOUCHERIFY-EMPTY-0", 3000)
    return backend


def _authenticate() -> None:
    if request.path.startswith(CONTROL):
        return
    given = f"{request.headers.get('X-App-Id')} {request.headers.get('X-App-Token')}"
    if not hmac.compare_digest(given.encode(), f"{APP_ID} {APP_TOKEN}".encode()):
        raise ApiError(401, "unauthorized")


def _limit_rate(backend: Voucherify) -> None:
    if request.path.startswith(CONTROL) or backend.calls_left is None:
        return
    with backend.lock:
        if backend.calls_left <= 0:
            raise ApiError(429, "too_many_requests")
        backend.calls_left -= 1


def _tell_rate(response: Response) -> Response:
    response.headers["X-Rate-Limit-Retry"] = str(int(time.time()) + 60)
    return response


def _add_voucher_routes(app: Flask, backend: Voucherify) -> None:
    @app.get("/v1/vouchers")
    def list_vouchers() -> Json:
        limit, number = _limit(), request.args.get("page", 1, int)
        after = _moment(dict(request.args), "created_at[after]")
        if not 1 <= number <= LAST_PAGE:
            raise ApiError(400, "invalid_query_params", "page")
        with backend.lock:
            found = [voucher for voucher in backend.vouchers.values() if after is None or voucher.created_at > after]
        if customer := request.args.get("customer"):  # an id or a source_id
            found = [
                voucher for voucher in found if voucher.holder and customer.removeprefix("cust_") == voucher.holder
            ]
        if request.args.get("order") != "created_at":
            found.reverse()
        page = [voucher.json() for voucher in found[(number - 1) * limit : number * limit]]
        return {"object": "list", "data_ref": "vouchers", "vouchers": page, "total": len(found)}

    @app.get("/v1/customers/<customer>")
    def get_customer(customer: str) -> Json:
        source_id = customer.removeprefix("cust_")
        with backend.lock:
            if not any(voucher.holder == source_id for voucher in backend.vouchers.values()):
                raise ApiError(404, "resource_not_found", customer)
        return {"id": f"cust_{source_id}", "source_id": source_id, "object": "customer"}

    @app.post("/v1/vouchers")
    def create_voucher() -> Json:
        body = _body()
        if body.get("type") != "GIFT_VOUCHER":
            raise ApiError(400, "invalid_voucher", "the sandbox makes gift vouchers only")
        amount = _integer(body.get("gift"), "amount", "invalid_gift")
        if amount < 0:
            raise ApiError(400, "invalid_gift")
        voucher = backend.add(
            amount,
            str(body.get("code") or ""),
            active=body.get("active", True),
            quantity=(body.get("redemption") or {}).get("quantity"),
            start_date=_moment(body, "start_date"),
            expiration_date=_moment(body, "expiration_date"),
            metadata=body.get("metadata") or {},
        )
        return voucher.json()

    @app.get("/v1/vouchers/<code>")
    def get_voucher(code: str) -> Json:
        with backend.lock:
            return backend.find(code).json()

    @app.post("/v1/vouchers/<code>/balance")
    def change_balance(code: str) -> Json:
        body = _body()
        amount = _integer(body, "amount", "invalid_add_balance_params")
        if amount == 0:
            raise ApiError(400, "invalid_add_balance_params")
        return backend.change_balance(code, amount, body.get("source_id"), body.get("reason"))

    @app.delete("/v1/vouchers/<code>/sessions/<key>")
    def release_session(code: str, key: str) -> ResponseReturnValue:
        backend.release_session(code, key)
        return "", 204

    @app.get("/v1/vouchers/<code>/transactions")
    def list_transactions(code: str) -> Json:
        limit, after, order = _limit(), request.args.get("starting_after_id"), request.args.get("order", "-id")
        if order not in ("id", "-id"):
            raise ApiError(400, "invalid_query_params", "order")
        with backend.lock:
            transactions = list(backend.find(code).transactions)
        if order == "-id":
            transactions.reverse()
        names = [transaction["id"] for transaction in transactions]
        rest = transactions[names.index(after) + 1 :] if after in names else transactions
        more = len(rest) > limit
        return {
            "object": "list",
            "data_ref": "data",
            "data": rest[:limit],
            "has_more": more,
            "more_starting_after": rest[limit - 1]["id"] if more else None,
        }


def _add_redemption_routes(app: Flask, backend: Voucherify) -> None:
    @app.post("/v1/redemptions")
    def redeem() -> Json:
        body = _body()
        asked = _purchase(body)
        try:
            done = backend.redeem(asked, body.get("metadata") or {})
        except ApiError as error:
            if not backend.partial:
                raise
            return {"redemptions": [], "inapplicable_redeemables": [_inapplicable(asked, error)]}
        return {"redemptions": [done], "order": done["order"]}

    @app.post("/v1/validations")
    def validate() -> Json:
        body = _body()
        asked, session = _purchase(body), body.get("session") or {}
        try:
            paid = backend.validate(asked)
            if session.get("type") == "LOCK":
                asked = replace(asked, session=asked.session or f"ssn_{secrets.token_hex(12)}")
                backend.lock_session(asked, _lasts(session))
        except ApiError as error:
            if error.status != 400:
                raise
            return {"valid": False, "redeemables": [_inapplicable(asked, error)]}
        result = {"gift": {"credits": paid, "balance": backend.find(asked.code).balance}}
        applicable = {"status": "APPLICABLE", "id": asked.code, "object": "voucher", "result": result}
        told = {"valid": True, "redeemables": [applicable], "order": asked.order}
        return told | ({"session": session | {"key": asked.session}} if session else {})

    @app.get("/v1/redemptions/<redemption_id>")
    def get_redemption(redemption_id: str) -> Json:
        with backend.lock:
            if redemption_id not in backend.redemptions:
                raise ApiError(404, "resource_not_found", redemption_id)
            return dict(backend.redemptions[redemption_id])

    @app.post("/v1/redemptions/<redemption_id>/rollback")
    def roll_back(redemption_id: str) -> Json:
        return backend.roll_back(redemption_id, _body().get("metadata") or {}, through_parent=False)

    @app.post("/v1/redemptions/<redemption_id>/rollbacks")
    def roll_back_all(redemption_id: str) -> ResponseReturnValue:
        done = backend.roll_back(redemption_id, _body().get("metadata") or {}, through_parent=True)
        return {"rollbacks": [done], "parent_rollback": {"id": f"rr_{redemption_id}"}}


def _purchase(body: Json) -> Purchase:
    redeemables, order = body.get("redeemables"), body.get("order")
    if not isinstance(redeemables, list) or len(redeemables) != 1:
        raise ApiError(400, "invalid_payload", "the sandbox takes one voucher at a time")
    if not isinstance(order, dict):
        raise ApiError(400, "missing_order")
    [item] = redeemables
    amount = _integer(item.get("gift"), "credits", "invalid_gift")
    if _integer(order, "amount", "missing_amount") < amount or amount <= 0:
        raise ApiError(400, "invalid_amount")
    customer, session = body.get("customer") or {}, body.get("session") or {}
    return Purchase(str(item.get("id")), amount, order, customer, str(session.get("key") or ""))


def _lasts(session: Json) -> timedelta:
    """Return how long a session lasts: seven days where the body does not say."""
    unit = str(session.get("ttl_unit", "DAYS"))
    if unit not in ("DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS", "MICROSECONDS"):
        raise ApiError(400, "invalid_payload", "session.ttl_unit")
    return timedelta(**{unit.lower(): session.get("ttl", 7)})


def _inapplicable(asked: Purchase, error: ApiError) -> Json:
    return {"status": "INAPPLICABLE", "id": asked.code, "object": "voucher", "result": {"error": error.json()}}


def _body() -> Json:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_payload")
    return body


def _integer(data: Any, name: str, key: str) -> int:
    value = data.get(name) if isinstance(data, dict) else None
    if type(value) is not int:
        raise ApiError(400, key)
    return value


def _moment(body: Json, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(body[name]) if body.get(name) else None
    except (TypeError, ValueError) as error:
        raise ApiError(400, "invalid_voucher", name) from error


def _limit() -> int:
    limit = request.args.get("limit", "10")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise ApiError(400, "invalid_query_params", "limit")
    return int(limit)
