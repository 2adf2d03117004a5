"""Voucherify's documented examples, and the steps that its wire tests send."""

from __future__ import annotations

from typing import Any

from mappers.base import Customer, Holds, Memo, Secret, Step, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions

URL = "https://api.voucherify.io"
VOUCHER_ID = "v_dky7ksKfPX50Wb2Bxvcoeb1xT20b6tcp"
CODE = "h73YQbhR"
VOUCHER_URL = f"{URL}/v1/vouchers/{VOUCHER_ID}"
TRANSACTIONS_URL = f"{VOUCHER_URL}/transactions"
REDEMPTIONS_URL = f"{URL}/v1/redemptions"
VALIDATIONS_URL = f"{URL}/v1/validations"
REDEMPTION_ID = "r_0c656311b5878a2031"
ROLLBACK_ID = "rr_0c5eba630bc4979e70"
KEY = "gb-0123456789abcdef-1"

VOUCHER = {
    "id": VOUCHER_ID,
    "code": CODE,
    "campaign": "Gift cards October",
    "type": "GIFT_VOUCHER",
    "discount": None,
    "gift": {"amount": 10000, "balance": 10000, "effect": "APPLY_TO_ORDER"},
    "loyalty_card": None,
    "start_date": None,
    "expiration_date": None,
    "active": True,
    "metadata": {},
    "created_at": "2022-09-19T07:56:22.355Z",
    "redemption": {"quantity": None, "redeemed_quantity": 0, "object": "list"},
    "object": "voucher",
}
REDEMPTION = {
    "id": REDEMPTION_ID,
    "object": "redemption",
    "date": "2021-12-22T10:13:06.487Z",
    "metadata": {},
    "amount": 5000,
    "redemption": None,
    "result": "SUCCESS",
    "status": "SUCCEEDED",
    "voucher": VOUCHER | {"gift": {"amount": 10000, "balance": 5000}},
}
REDEEMED = {"redemptions": [REDEMPTION], "order": {"id": "ord_1"}}
ROLLBACK = {
    "id": ROLLBACK_ID,
    "object": "redemption_rollback",
    "date": "2023-01-27T16:05:23.631Z",
    "metadata": None,
    "amount": -5000,
    "redemption": REDEMPTION_ID,
    "result": "SUCCESS",
}
BALANCE = {"amount": 2000, "total": 12000, "balance": 12000, "type": "gift_voucher", "object": "balance"}
TRANSACTION: dict[str, Any] = {
    "id": "vtx_0c9dccc4d5813e71bd",
    "source_id": None,
    "voucher_id": VOUCHER_ID,
    "campaign_id": None,
    "source": None,
    "reason": None,
    "type": "CREDITS_REDEMPTION",
    "details": {
        "balance": {"type": "gift_voucher", "total": 10000, "amount": -5000, "object": "balance", "balance": 5000},
        "order": {"id": "ord_1", "source_id": KEY},
        "redemption": {"id": REDEMPTION_ID},
    },
    "related_transaction_id": None,
    "created_at": "2023-03-17T15:50:00.786Z",
}


def mapper(currency: str = "USD", holds: Holds = Holds.LEDGER, **options: Any) -> Voucherify:
    defaults = {"app_id": "app", "app_token": Secret("token")}
    return Voucherify("shop", Currency.of(currency), holds, VoucherifyOptions(**defaults | options))


def soon() -> Deadline:
    return Deadline.after(5)


def step(verb: Verb = Verb.DEBIT, amount: int = 5000, reference: str = "", **fields: Any) -> Step:
    memo = Memo("order-1", "shoes", Customer("12345678909", "profile-1", "ana@example.com", "12345678909"))
    return Step(verb, amount, VOUCHER_ID, reference, key=KEY, memo=memo, **fields)


def refusal(key: str, status: int = 400) -> dict[str, Any]:
    """Return an error as documented; its details hold the code."""
    return {"code": status, "key": key, "message": key.replace("_", " "), "details": CODE, "request_id": "v-1"}


def listed(*transactions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"object": "list", "data_ref": "data", "data": list(transactions), "has_more": False} | fields


def failed(**arguments: Any) -> dict[str, Any]:
    """Return the refusal of a redemption among the 200s, as a project with partial redemptions answers."""
    item = {"status": "INAPPLICABLE", "id": CODE, "object": "voucher", "result": {"error": refusal(**arguments)}}
    return {"redemptions": [], "inapplicable_redeemables": [item], "skipped_redeemables": []}


def validated(*, credits: int = 10000) -> dict[str, Any]:  # noqa: A002 - Voucherify's word
    """Return what a validation says of a voucher that may pay."""
    result = {"gift": {"credits": credits, "balance": 10000}}
    item = {"status": "APPLICABLE", "id": CODE, "object": "voucher", "result": result}
    return {"valid": True, "redeemables": [item], "stacking_rules": {}}


def ruled_out(key: str, status: str = "INAPPLICABLE", where: str = "error") -> dict[str, Any]:
    """Return what a validation says of a voucher that may not."""
    item = {"status": status, "id": CODE, "object": "voucher", "result": {where: refusal(key)}}
    return {"valid": False, "redeemables": [item], "stacking_rules": {}}
