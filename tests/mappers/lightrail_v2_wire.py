"""What Lightrail V2 was seen to answer, and a mapper to answer it to."""

from __future__ import annotations

from typing import Any

from mappers.base import (
    Holds,
    Secret,
    Step,
    Verb,
)
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency

URL = "https://api.lightrail.com/v2"
KEY = "gb-0123-1"
CODE = "GIFT-ABCD-1234-WXYZ"

# Answers of the real server
VALUE = {
    "id": "gc-1", "currency": "BRL", "balance": 2500, "usesRemaining": None, "programId": "gift-cards-brl",
    "issuanceId": None, "code": "…WXYZ", "isGenericCode": False, "contactId": None, "pretax": False, "active": True,
    "canceled": False, "frozen": False, "discount": False, "discountSellerLiability": None,
    "discountSellerLiabilityRule": None, "redemptionRule": None, "balanceRule": None, "startDate": None,
    "endDate": None, "metadata": {}, "createdDate": "2026-11-21T09:43:37.000Z",
    "updatedDate": "2026-11-21T09:43:37.000Z", "updatedContactIdDate": None, "createdBy": "user-local-TEST",
}  # fmt: skip
STEP = {
    "rail": "lightrail", "valueId": "gc-1", "contactId": None, "code": "…WXYZ", "balanceBefore": 2500,
    "balanceChange": -1000, "balanceAfter": 1500, "usesRemainingBefore": None, "usesRemainingChange": None,
    "usesRemainingAfter": None, "balanceRule": None,
}  # fmt: skip
PENDING = {
    "id": KEY, "transactionType": "debit", "currency": "BRL", "createdDate": "2026-11-21T09:43:37.000Z", "tax": None,
    "totals": {"remainder": 0}, "lineItems": None, "steps": [STEP], "paymentSources": None, "pending": True,
    "pendingVoidDate": "2026-11-28T09:43:37.000Z", "metadata": None, "createdBy": "user-local-TEST",
}  # fmt: skip
DEBIT = {name: value for name, value in PENDING.items() if name != "pendingVoidDate"} | {"pending": False}
CAPTURE = DEBIT | {"transactionType": "capture", "totals": None, "steps": []}
BACK = STEP | {"balanceBefore": 1500, "balanceChange": 1000, "balanceAfter": 2500}
VOID = DEBIT | {"transactionType": "void", "steps": [BACK]}
REVERSE = VOID | {"transactionType": "reverse"}
CREDIT = VOID | {"transactionType": "credit", "totals": None}
NO_TRANSACTION = {"message": "no such", "statusCode": 404, "messageCode": "TransactionNotFound"}


def build(holds: Holds = Holds.NATIVE, **options: Any) -> LightrailV2:
    return LightrailV2("acme", Currency("BRL", 2), holds, LightrailV2Options(Secret("jwt"), **options))


def step(verb: Verb, amount: int = 1000, reference: str = "", **fields: Any) -> Step:
    return Step(verb, amount, "gc-1", reference, key=KEY, **fields)


def told(operation: str, **more: Any) -> dict[str, Any]:
    return {"giftbridge": {"operation": operation} | more}


def refused(code: str | None, message: str = "no") -> dict[str, Any]:
    return {"message": message, "statusCode": 409} | ({"messageCode": code} if code else {})
