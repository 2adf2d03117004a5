"""The examples of Lightrail's early V2 draft, and a mapper to answer them to."""

from __future__ import annotations

from typing import Any

from mappers.base import Holds, Secret, Step, Verb
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.money import Currency

URL = "https://api.lightrail.com/v2"
KEY = "gb-0123-1"
CODE = "ABCDEFGHIJKLM"

# The examples of the draft, in our currency and under our key
STORE = {
    "valueStoreId": "vs-1", "programId": "gift-cards-brl", "currency": "BRL", "value": 2500, "discount": False,
    "preTax": False, "active": True, "frozen": False, "redemptionRule": None, "valueRule": None, "uses": None,
    "startDate": None, "endDate": None, "metadata": None, "createdDate": "2018-04-17T23:20:08.404Z",
    "updatedDate": "2018-04-17T23:20:08.404Z",
}  # fmt: skip
PROGRAM = {
    "programId": "gift-cards-brl", "name": "Gift Cards", "currency": "BRL", "access": "secureCode",
    "discount": "false", "preTax": "false", "active": "true", "redemptionRule": None, "valueRule": None,
    "minInitialValue": 500, "maxInitialValue": 100000, "fixedInitialValues": None, "uses": None, "tags": ["giftcard"],
    "metadata": None, "createdDate": "2018-04-17T23:20:08.404Z", "updatedDate": "2018-04-17T23:20:08.404Z",
}  # fmt: skip
STEP = {
    "rail": "lightrail", "valueStoreId": "vs-1", "currency": "BRL", "valueBefore": 2500, "valueAfter": 1500,
    "valueChange": -1000,
}  # fmt: skip
DEBIT = {
    "transactionId": KEY, "transactionType": "debit", "currency": "BRL", "steps": [STEP], "remainder": 0,
    "simulated": False, "createdDate": "2018-04-17T23:20:08.404Z", "updatedDate": "2018-04-17T23:20:08.404Z",
    "metadata": {"note": "Reduce loyalty points after 3mo customer inactivity"},
}  # fmt: skip
PENDING = DEBIT | {"pending": "pending"}
CAPTURED = PENDING | {"transactionId": "tx-1", "pending": "captured"}
VOIDED = CAPTURED | {"pending": "void"}
BACK = STEP | {"valueBefore": 1500, "valueAfter": 2500, "valueChange": 1000}
CREDIT = DEBIT | {"transactionType": "credit", "steps": [BACK]}
SIMULATED = DEBIT | {"simulated": True}
PARTY = {"rail": "lightrail", "valueStoreId": "vs-1"}
NO_SUCH = {"message": "Not Found", "statusCode": 404}


def build(**options: Any) -> LightrailDraft:
    given = LightrailDraftOptions(**({"api_key": Secret("jwt")} | options))
    return LightrailDraft("acme", Currency("BRL", 2), Holds.NATIVE, given)


def step(verb: Verb, amount: int = 1000, **fields: Any) -> Step:
    reference = "tx-1" if verb in (Verb.CAPTURE, Verb.VOID) else ""
    return Step(verb, amount, "vs-1", reference, key=KEY, **fields)


def path(verb: Verb) -> str:
    return {
        Verb.HOLD: f"{URL}/transactions/debit",
        Verb.DEBIT: f"{URL}/transactions/debit",
        Verb.CREDIT: f"{URL}/transactions/credit",
        Verb.REFUND: f"{URL}/transactions/credit",
        Verb.CAPTURE: f"{URL}/transactions/tx-1/capture",
        Verb.VOID: f"{URL}/transactions/tx-1/void",
    }[verb]


def refused(code: str | None, status: int = 409) -> dict[str, Any]:
    return {"message": "no", "statusCode": status} | ({"messageCode": code} if code else {})
