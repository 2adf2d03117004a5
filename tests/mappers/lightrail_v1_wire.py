"""What Lightrail V1's documentation shows as answers, and a mapper to answer them to."""

from __future__ import annotations

from typing import Any

from responses import RequestsMock

from mappers.base import Cart, CartItem, Customer, Holds, Secret, Step, Verb
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.money import Currency

URL = "https://api.lightrail.com/v1"
KEY = "gb-0123-1"
CODE = "5JBUR-9V922-5EDL8-RP5R5-YYEVY"
CARD_URL = f"{URL}/cards/card-6dxx89"
MONEY = f"{CARD_URL}/transactions"

# The examples of Lightrail's documentation, in our currency and under our key
CARD = {
    "cardId": "card-6dxx89", "userSuppliedId": "anonymous-giftcard28", "cardType": "GIFT_CARD", "currency": "BRL",
    "contactId": None, "dateCreated": "2017-07-28T21:21:00.606Z",
    "categories": [{"categoryId": "category-d2xx57", "key": "giftbit_program", "value": "program-93xxe3"}],
}  # fmt: skip
PRINCIPAL = {
    "valueStoreType": "PRINCIPAL", "value": 33301, "state": "ACTIVE", "expires": None, "startDate": None,
    "programId": "program-1dxxa9", "valueStoreId": "value-2fxxf2", "restrictions": [],
}  # fmt: skip
PROMOTION = PRINCIPAL | {
    "valueStoreType": "ATTACHED", "value": 500, "valueStoreId": "value-3",
    "restrictions": ["If your cart total is at least $100."],
}  # fmt: skip
DETAILS = {
    "valueStores": [PRINCIPAL, PROMOTION], "currency": "BRL", "cardType": "GIFT_CARD",
    "asAtDate": "2017-09-14T18:09:09.520Z", "cardId": "card-6dxx89",
}  # fmt: skip
DRAWDOWN = {
    "transactionId": "transaction-62xx70", "value": -500, "userSuppliedId": KEY,
    "dateCreated": "2017-07-31T18:38:02.449Z", "transactionType": "DRAWDOWN", "transactionAccessMethod": "CARDID",
    "valueAvailableAfterTransaction": 1500, "giftbitUserId": "user-1dxx32", "cardId": "card-6dxx89",
    "currency": "BRL", "metadata": {},
}  # fmt: skip
PENDING = DRAWDOWN | {"transactionType": "PENDING_CREATE"}
FUND = DRAWDOWN | {"transactionType": "FUND", "value": 500}
CAPTURE = DRAWDOWN | {"transactionId": "transaction-38xx52", "parentTransactionId": "tx-1"}
VOID = FUND | {"transactionType": "PENDING_VOID", "parentTransactionId": "tx-1"}
REFUND = FUND | {"transactionType": "DRAWDOWN_REFUND", "parentTransactionId": "tx-1"}
PROGRAM = {
    "programId": "program-1", "name": "Gift Card Program 2017", "active": True, "currency": "BRL",
    "codeValueMin": 100, "codeValueMax": 50000, "fixedCodeValues": None, "valueStoreType": "PRINCIPAL",
}  # fmt: skip
CONTACT = {"contactId": "contact-1", "userSuppliedId": "123", "email": "ana@example.com", "firstName": "Ana"}
CART = Cart(25335, (CartItem("B000F34ZKS", 1, 20695), CartItem("B009L1MF7A", 2, 2320)))
CART_SENT = {
    "total": 25335,
    "items": [
        {"id": "B000F34ZKS", "quantity": 1, "unit_price": 20695},
        {"id": "B009L1MF7A", "quantity": 2, "unit_price": 2320},
    ],
}
ANA = Customer("123", email="ana@example.com", document="123")


def build(holds: Holds = Holds.NATIVE, currency: str = "BRL", digits: int = 2, **options: Any) -> LightrailV1:
    return LightrailV1("acme", Currency(currency, digits), holds, LightrailV1Options(Secret("jwt"), **options))


def step(verb: Verb, amount: int = 500, reference: str = "", **fields: Any) -> Step:
    return Step(verb, amount, "card-6dxx89", reference, key=KEY, **fields)


def error(status: int, code: str | None = None, message: str = "no") -> dict[str, Any]:
    return {"json": {"status": status, "message": message} | ({"messageCode": code} if code else {}), "status": status}


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"transactions": rows, "pagination": {"count": len(rows), "limit": 100}}}


def answer_card(wire: RequestsMock, card: dict[str, Any] = CARD, details: dict[str, Any] = DETAILS) -> None:
    wire.get(CARD_URL, json={"card": card})
    wire.get(f"{CARD_URL}/details", json={"details": details})
