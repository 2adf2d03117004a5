"""What is measured: each case is a request to the service, and the bare handler's that it is compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.ledger import names
from bench.backend import CODE
from bench.load import CARDS, Request

SEARCH = {
    "client": {"id": "3b1abc17-0000-4000-8000-000000000000", "email": "email@domain.com", "document": "234235"},
    "cart": {
        "grandTotal": 182,
        "relationName": None,
        "redemptionCode": f"{CODE}CARD",
        "discounts": -20,
        "shipping": 2,
        "taxes": 0,
        "items": [
            {"productId": "2000000", "id": f"200000{n}", "refId": "MEV41", "name": None, "price": 200, "quantity": 1}
            for n in range(3)
        ],
        "itemsTotal": 200,
    },
}

ORDER: dict[str, Any] = {
    "orderId": "v2915869org-01",
    "sequence": 2915869,
    "cart": {
        "items": [
            {
                "id": f"200033{n}",
                "refId": None,
                "name": None,
                "value": 15,
                "price": 15,
                "quantity": 1,
                "shippingDiscount": 0,
                "discount": 0,
                "priceTags": [],
            }
            for n in range(3)
        ],
        "redemptionCode": None,
        "grandTotal": 44.77,
        "discounts": -7.5,
        "shipping": 7.27,
        "taxes": 0,
        "itemsTotal": 45,
    },
    "clientProfile": {
        "email": "email@domain.com",
        "firstName": "Ana",
        "lastName": "Souza",
        "document": "10617764093",
        "documentType": "cpf",
        "phone": "+5511999999999",
        "birthDate": "0001-01-01T00:00:00",
        "isCorporate": False,
    },
    "shipping": {
        "receiverName": "Ana Souza",
        "postalCode": "01001-000",
        "city": "Sao Paulo",
        "state": "SP",
        "country": "BRA",
        "street": "Praca da Se",
        "number": "1",
        "neighborhood": "Se",
        "complement": "",
        "reference": None,
    },
}


def transaction(request_id: str = "NUMBER") -> dict[str, Any]:
    """Return VTEX's body of a debit, whole: some 1.3 KB."""
    return {
        "operation": "Debit",
        "value": 1.5,
        "description": "GiftCardHub",
        "redemptionToken": None,
        "redemptionCode": "****",
        "requestId": request_id,
        "orderInfo": ORDER,
    }


def authorize(provider: str = "bench") -> Request:
    return Request("POST", f"/{provider}/giftcards/CARD/transactions", json.dumps(transaction()))


SEARCHES = Request("POST", "/bench/giftcards/_search", json.dumps(SEARCH))
GETS = Request("GET", "/bench/giftcards/CARD")
REPLAYS = Request("POST", "/native/giftcards/card-1/transactions", json.dumps(transaction("replayed")))
DENIED = Request("POST", "/bench/giftcards/CARD/transactions", json.dumps(transaction()), token="wrong")

AMOUNT = 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """`after`: what must be authorized before, by this provider, for a change of it to be measured."""

    name: str
    request: Request | None
    bare: Request
    after: str = ""
    change: str = ""


# Lightrail V1 holds in one call of the backend, V2 in two: it looks at the card first. The bare handler makes one.
CASES = (
    Case("search", SEARCHES, SEARCHES),
    Case("get", GETS, GETS),
    Case("authorize (native)", authorize("native"), authorize()),
    Case("authorize (native, two backend calls)", authorize("bench"), authorize()),
    Case("authorize (upfront)", authorize("upfront"), authorize()),
    Case("authorize (ledger)", authorize("ledger"), authorize()),
    Case("settle", None, authorize(), after="native", change="settlements"),
    Case("cancel", None, authorize(), after="native", change="cancellations"),
    Case("replay", REPLAYS, authorize()),
    Case("denied", DENIED, authorize()),
)


def changes(provider: str, run_names: list[str], change: str) -> Request:
    """Return the settlement or cancellation of all that these requests have authorized."""
    paths = []
    for name in run_names:
        card = f"card-{int(name.rpartition('-')[2]) % CARDS}"
        transaction_id = names.transaction_id(provider, card, "Debit", name)
        paths.append(f"/{provider}/giftcards/{card}/transactions/{transaction_id}/{change}")
    return Request("POST", "", json.dumps({"value": AMOUNT, "requestId": "NUMBER"}), paths=tuple(paths))
