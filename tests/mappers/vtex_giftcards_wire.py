"""VTEX's documented examples, and the steps that the wire tests of its gift cards send."""

from __future__ import annotations

from typing import Any

from mappers.base import Cart, CartItem, Customer, Holds, Memo, Secret, Step, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.vtex_giftcards.mapper import VtexGiftcards, VtexGiftcardsOptions

URL = "https://brandb.vtexcommercestable.com.br/api"
SEARCH_URL = f"{URL}/giftcards/_search"
CARD_URL = f"{URL}/giftcards/954"
TRANSACTIONS_URL = f"{CARD_URL}/transactions"
DEBIT_URL = f"{TRANSACTIONS_URL}/2541"
SETTLEMENTS_URL = f"{DEBIT_URL}/settlements"
CANCELLATIONS_URL = f"{DEBIT_URL}/cancellations"
CODE = "BAHD-ASDB-ADQW-ASDQ"
TOKEN = "32ScL57220Vapb8pc50HJ3mWH1cl1L8x"
KEY = "gb-0123456789abcdef-1"

CARD: dict[str, Any] = {
    "id": "954",
    "redemptionToken": TOKEN,
    "redemptionCode": "***********ASDQ",
    "balance": 100.0,
    "emissionDate": "2014-04-24T20:22:58.163",
    "expiringDate": "2096-01-01T00:00:00",
    "currencyCode": "USD",
    "transactions": {"href": "cards/954/transactions"},
}
OPENED = {"id": "2541", "_self": {"href": "providers/VtexGiftCardProvider/cards/954/transactions/2541"}}
DEBIT = {
    "value": 15.3,
    "description": "GiftCardHub",
    "date": "2023-06-02T18:24:49.252855Z",
    "requestId": KEY,
    "settlement": {"href": "/cosmetics2/giftcards/954/transactions/2541/settlements"},
    "cancellation": {"href": "/cosmetics2/giftcards/954/transactions/2541/cancellations"},
    "authorization": {"href": "/cosmetics2/giftcards/954/transactions/2541/authorization"},
    "operation": "Debit",
}
FIRST = {"oid": "b8e0c606b2fe543e5b0e639575cd9723", "value": 17.4, "date": "2016-04-06T00:00:00"}
SECOND = {"oid": "6cb6cd63c16e219b1eee61f2", "value": 10.4, "date": "2016-05-06T00:00:00"}

MEMO = Memo(
    order_id="v5006128str-01",
    customer=Customer("02906792063", "3b1abc17", "michael.scott96@mail.com", "02906792063", name="Michael Scott"),
    cart=Cart(2998, (CartItem("2001023", 2, 1499),)),
)


def mapper(currency: str = "USD", **options: Any) -> VtexGiftcards:
    defaults = {"base_url": URL, "app_key": Secret("vtexappkey-brandb"), "app_token": Secret("a-token")}
    return VtexGiftcards("shop", Currency.of(currency), Holds.NATIVE, VtexGiftcardsOptions(**defaults | options))


def step(verb: Verb, amount: int, before: int = 0) -> Step:
    data = {} if verb in (Verb.HOLD, Verb.CREDIT) else {"before": before}
    return Step(verb, amount, "954", "2541" if data else "", memo=MEMO, data=data, key=KEY)


def refused(status: int, code: str = "SomeCode") -> dict[str, Any]:
    return {"status": status, "json": {"error": {"code": code, "message": f"{CODE} is refused", "exception": None}}}


def soon() -> Deadline:
    return Deadline.after(5)
