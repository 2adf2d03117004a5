"""The description of the eleven calls in OpenAPI 3.1, made from their routes, schemas and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from werkzeug.routing import Rule

from app.protocol import auth, errors, paging, routes, schemas

Json = dict[str, Any]

# The number of this description: the second part grows with what is added, the first with what is taken away.
VERSION = "1.0"

INTRODUCTION = (
    "The calls of VTEX's Gift Card Hub to a gift card provider, as giftbridge answers them. A path begins with the id "
    "of the provider. Amounts are JSON numbers in the provider's currency; dates are in UTC. A card's id in a path is "
    "the one that a search answers. A call that moves money may be repeated with the same requestId: it moves the "
    "money once."
)

MEDIA_TYPES = ("application/json", "application/vnd.vtex.giftcards.v1+json")

MEANINGS = {
    400: "The request cannot be understood, or did not come whole. No money moved.",
    401: "A credential is missing. The body is empty.",
    403: "The credentials are wrong, or there is no such provider. The body is empty.",
    404: "There is no such card or transaction.",
    409: "The same requestId came before, with another value.",
    413: "The body is too large.",
    422: "Refused. No money moved, and a repeat will not help.",
    500: "A fault of giftbridge. Its log has it under the name in the message.",
    503: "Repeat it later. A settlement or cancellation on record is finished without a repeat, too.",
    504: "It may have happened. Repeat it with the same requestId, or read the transaction.",
}

OF_A_BODY = (400, 413)


@dataclass(frozen=True, slots=True)
class Call:
    """What is said of one call. `answers` names a schema; `many` of them are a list."""

    summary: str
    answers: str
    answered: Any
    many: bool = False
    takes: str | None = None
    taken: Any = None
    note: str = ""


CARD_ID = "3b1abc17_24"
TRANSACTION_ID = "gb-7Qm3vYk0cJtW1xZ5bN8aLr2e"
CARD_LINK = f"/acme/giftcards/{CARD_ID}"
TRANSACTION_LINK = f"{CARD_LINK}/transactions/{TRANSACTION_ID}"
MOVED = {"oid": "gb-4Hs9tKd2fXoP6uVe", "value": 15.3, "date": "2026-05-04T12:00:00.252Z"}
OPENED = {"cardId": CARD_ID, "id": TRANSACTION_ID, "_self": {"href": TRANSACTION_LINK}}
CHANGED = {"value": 15.3, "requestId": "B56CBE11D16B4F0C9C5B3B8C2A4C7E10"}
DATES = {"emissionDate": "2026-05-04T00:00:00.000Z", "expiringDate": "2027-05-04T23:59:59.000Z"}

# By the name of its view.
CALLS: dict[str, Call] = {
    "search": Call(
        "Find the card of a code, or the cards of a customer",
        "FoundCard",
        [
            {
                "id": CARD_ID,
                "provider": "acme",
                "balance": 15.3,
                "caption": "Acme gift card",
                "relationName": "loyalty-program",
                **DATES,
                "redemptionCode": "****SEYG",
                "_self": {"href": CARD_LINK},
                "transaction": {"href": f"{CARD_LINK}/transactions"},
            }
        ],
        many=True,
        takes="Search",
        taken={
            "client": {"id": "3b1abc17-988e", "email": "shopper@example.com", "document": "10617764093"},
            "cart": {"grandTotal": 182, "relationName": None, "redemptionCode": "XTYB-IOBW-WLJE-SEYG"},
        },
        note=(
            "Nothing in a search is required. One without a code finds the customer's own cards; where the backend or "
            "Redis is down it finds none, so that the payment page works. A code that is unknown, or that was tried "
            "too often, finds none. A cart that is too large finds none, too."
        ),
    ),
    "get_card": Call(
        "Show a card",
        "Card",
        {
            "id": CARD_ID,
            "provider": "acme",
            "caption": "Acme gift card",
            "relationName": "loyalty-program",
            "redemptionToken": "****SEYG",
            "redemptionCode": "****SEYG",
            "balance": 15.3,
            **DATES,
            "currencyCode": "BRL",
            "discount": False,
            "transaction": {"href": f"{CARD_LINK}/transactions"},
            "transactions": {"href": f"{CARD_LINK}/transactions"},
        },
    ),
    "issue": Call(
        "Issue a card",
        "IssuedCard",
        {
            "id": "card-38",
            "provider": "acme",
            "relationName": "loyalty-program",
            "caption": "Loyalty program",
            "profileId": "shopper@example.com",
            "redemptionCode": "QFJA-AUKP-TXKU-GCKV",
            "redemptionToken": "QFJA-AUKP-TXKU-GCKV",
            "balance": 0.0,
            **DATES,
            "restrictedToOwner": True,
            "multipleRedemptions": True,
            "multipleCredits": True,
            "currencyCode": "BRL",
            "discount": False,
            "transaction": {"href": "/acme/giftcards/card-38/transactions"},
        },
        takes="NewCard",
        taken={
            "profileId": "shopper@example.com",
            "relationName": "loyalty-program",
            "caption": "Loyalty program",
            "expiringDate": "2099-05-04",
            "restrictedToOwner": True,
        },
        note=(
            "Provider, profileId and relationName name the card: sent again, on any day, they answer the same one. The "
            "code is in clear in this answer alone. The new card has no money; a credit adds it."
        ),
    ),
    "authorize": Call(
        "Authorize a debit, or credit the card",
        "TransactionLink",
        OPENED,
        takes="Authorization",
        taken={
            "operation": "Debit",
            "value": 15.3,
            "description": "GiftCardHub",
            "requestId": "B56CBE11D16B4F0C9C5B3B8C2A4C7E10",
            "orderInfo": {"orderId": "v2915869org-01", "clientProfile": {"email": "shopper@example.com"}},
        },
        note="The card is the one in the path: codes in the body are not read.",
    ),
    "transactions": Call("List the transactions of a card", "TransactionLink", [OPENED], many=True),
    "transaction": Call(
        "Show a transaction",
        "Transaction",
        {
            "value": 15.3,
            "description": "GiftCardHub",
            "date": "2026-05-04T12:00:00.252Z",
            "requestId": "B56CBE11D16B4F0C9C5B3B8C2A4C7E10",
            "operation": "Debit",
            "settlement": {"href": f"{TRANSACTION_LINK}/settlements"},
            "cancellation": {"href": f"{TRANSACTION_LINK}/cancellations"},
            "authorization": {"href": f"{TRANSACTION_LINK}/authorization"},
        },
        note="What is not resolved of it is resolved with the backend first.",
    ),
    "authorization": Call("Show the authorization of a transaction", "Movement", MOVED),
    "settle": Call(
        "Take money that is held",
        "Movement",
        MOVED,
        takes="Change",
        taken=CHANGED,
        note="There can be several. Captured and voided together are at most what was authorized.",
    ),
    "settlements": Call("List the settlements of a transaction", "Movement", [MOVED], many=True),
    "cancel": Call(
        "Give money back",
        "Movement",
        MOVED,
        takes="Change",
        taken=CHANGED,
        note="Voids what is held first, and then refunds what was captured.",
    ),
    "cancellations": Call("List the cancellations of a transaction", "Movement", [MOVED], many=True),
}


def document(rules: Iterable[Rule]) -> Json:
    """Return the description of the protocol's calls among the routes of an application, as JSON values."""
    spec = APISpec(
        title="giftbridge: Gift Card Provider Protocol",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin()],
        info={
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        servers=[
            {
                "url": "/{provider}",
                "description": "A provider, at the host that this description comes from.",
                "variables": {"provider": {"default": "acme", "description": "The provider's id."}},
            }
        ],
        security=[{"appKey": [], "appToken": []}],
    )
    for name, header in (("appKey", auth.APP_KEY_HEADER), ("appToken", auth.APP_TOKEN_HEADER)):
        spec.components.security_scheme(name, {"type": "apiKey", "in": "header", "name": header})
    for name, schema in schemas.requests().items():
        spec.components.schema(name, schema=schema)
    spec.components.schemas["Authorization"]["properties"] |= BESIDE_THE_MONEY
    for name, component in COMPONENTS.items():
        spec.components.schema(name, component)
    for name, parameter in PARAMETERS.items():
        spec.components.parameter(name, parameter["in"], parameter)
    for status in MEANINGS:
        spec.components.response(str(status), _error(status))
    for path, method, name in _calls(rules):
        spec.path(path, operations={method: _operation(path, name, CALLS[name])})
    return spec.to_dict()


def _calls(rules: Iterable[Rule]) -> Iterator[tuple[str, str, str]]:
    """Yield path below the provider, method and name of each call."""
    for rule in rules:
        blueprint, _, name = rule.endpoint.partition(".")
        if blueprint == routes.NAME:
            path = rule.rule.removeprefix("/<provider_id>").replace("<", "{").replace(">", "}")
            [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            yield path, method.lower(), name


def _operation(path: str, name: str, call: Call) -> Json:
    parameters = [parameter for parameter in ("card_id", "transaction_id") if f"{{{parameter}}}" in path]
    # A search that is too large is answered empty.
    unused = {413} if name == "search" else set() if call.takes else {*OF_A_BODY}
    schema: Json = {"$ref": f"#/components/schemas/{call.answers}"}
    if call.many:
        schema = {"type": "array", "items": schema}
    answer: Json = {
        "description": "Done.",
        "content": {"application/json": {"schema": schema, "example": call.answered}},
    }
    operation: Json = {"operationId": name, "summary": call.summary}
    if call.note:
        operation["description"] = call.note
    if name == "search":
        parameters.append("range")
        answer["headers"] = {paging.RESPONSE_HEADER: CONTENT_RANGE}
    operation["parameters"] = [*parameters, "operation"]
    if call.takes:
        body = {"schema": {"$ref": f"#/components/schemas/{call.takes}"}, "example": call.taken}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(MEDIA_TYPES, body)}
    refused = {str(status): str(status) for status in MEANINGS if status not in unused}
    return operation | {"responses": {"200": answer} | refused}


def codes(status: int) -> list[str]:
    """Return the error codes that come with a status."""
    known = {code for known, code in errors.STATUSES.values() if known == status}
    return sorted(known | {code for other, code in errors.HTTP_CODES.items() if other == status})


def _error(status: int) -> Json:
    response: Json = {"description": MEANINGS[status]}
    if status in (401, 403):
        return response
    if status == 503:
        response["headers"] = {"Retry-After": RETRY_AFTER}
    listed = codes(status) or ["InternalError"]
    code = {"properties": {"error": {"properties": {"code": {"enum": listed}}}}}
    response["content"] = {
        "application/json": {
            "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, code]},
            "example": {"error": {"code": listed[0], "message": "what is wrong, and what to do", "exception": None}},
        }
    }
    return response


def _object(members: Json, *, optional: Iterable[str] = ()) -> Json:
    return {
        "type": "object",
        "required": [name for name in members if name not in optional],
        "properties": members,
    }


def _text(description: str, **more: Any) -> Json:
    return {"type": "string", "description": description, **more}


def _flag(description: str) -> Json:
    return {"type": "boolean", "description": description}


def _amount(description: str) -> Json:
    return {"type": "number", "description": description}


def _moment(description: str) -> Json:
    return _text(description, format="date-time")


def _link(to: str) -> Json:
    return {"$ref": "#/components/schemas/Link", "description": f"Where {to} is, relative to the host."}


_ID = _text("The card's id: letters, digits and - . _ alone, and no part of its code.", pattern="^[A-Za-z0-9._-]+$")
_PROVIDER = _text("The provider's id.")
_CAPTION = _text("What the shopper reads.")
_RELATION = _text("The loyalty program of the card.")
_BALANCE = _amount("What can be spent: the balance at the backend, less what is reserved.")
_EMITTED = _moment("From when on it pays; the year 1970 where the backend keeps no date.")
_ENDS = _moment("Until when it pays; the year 2999 where it does not end.")
_MASKED = _text("The code, masked; empty where the backend does not show one.")
_CURRENCY = _text("The provider's currency in ISO 4217.")
_DISCOUNT = {"const": False, "type": "boolean", "description": "A gift card is a payment and no discount."}

_TRANSACTIONS = _link("the list of its transactions")

COMPONENTS: dict[str, Json] = {
    "Link": _object({"href": _text("A path, relative to the host.")}),
    "FoundCard": _object(
        {
            "id": _ID,
            "provider": _PROVIDER,
            "balance": _BALANCE,
            "caption": _CAPTION,
            "relationName": _RELATION,
            "emissionDate": _EMITTED,
            "expiringDate": _ENDS,
            "redemptionCode": _MASKED,
            "_self": _link("the card"),
            "transaction": _TRANSACTIONS,
        },
        optional=["relationName"],
    ),
    "Card": _object(
        {
            "id": _ID,
            "provider": _PROVIDER,
            "caption": _CAPTION,
            "relationName": _RELATION,
            "redemptionToken": _MASKED,
            "redemptionCode": _MASKED,
            "balance": _BALANCE,
            "emissionDate": _EMITTED,
            "expiringDate": _ENDS,
            "currencyCode": _CURRENCY,
            "discount": _DISCOUNT,
            "transaction": _TRANSACTIONS,
            "transactions": _TRANSACTIONS,
        }
    ),
    "IssuedCard": _object(
        {
            "id": _ID,
            "provider": _PROVIDER,
            "relationName": _RELATION,
            "caption": _CAPTION,
            "profileId": _text("The customer whose card it is."),
            "redemptionCode": _text("The code in clear; empty where the backend shows none."),
            "redemptionToken": _text("The token in clear, or else the code."),
            "balance": _BALANCE,
            "emissionDate": _EMITTED,
            "expiringDate": _ENDS,
            "restrictedToOwner": _flag("Whether the card pays for its owner alone."),
            "multipleRedemptions": _flag("Whether the card makes more than one payment."),
            "multipleCredits": _flag("Whether the card gets more than one credit."),
            "currencyCode": _CURRENCY,
            "discount": _DISCOUNT,
            "transaction": _TRANSACTIONS,
        }
    ),
    "TransactionLink": _object(
        {
            "cardId": _ID,
            "id": _text(
                "The transaction's id: the same for every repeat.", pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
            ),
            "_self": _link("the transaction"),
        }
    ),
    "Transaction": _object(
        {
            "value": _amount("What was authorized or credited."),
            "description": {"type": ["string", "null"], "description": "As it was sent."},
            "date": _moment("When it was opened."),
            "requestId": _text("The name under which it was sent."),
            "operation": _text("What it does.", enum=["Debit", "Credit"]),
            "settlement": _link("the list of its settlements"),
            "cancellation": _link("the list of its cancellations"),
            "authorization": _link("its authorization"),
        }
    ),
    "Movement": _object(
        {
            "oid": _text("The name of this authorization, settlement or cancellation."),
            "value": _amount("The amount."),
            "date": _moment("When it was done."),
        }
    ),
    "Error": _object(
        {
            "error": _object(
                {
                    "code": _text("What kind of error it is."),
                    "message": _text("What is wrong, and what to do."),
                    "exception": {"type": "null"},
                }
            )
        }
    ),
    "Customer": {
        "type": "object",
        "description": "Who pays. The first of corporateDocument, document, email and id that is there names them.",
        "properties": {
            "id": _text("The customer's id at VTEX."),
            "email": _text("The e-mail address."),
            "document": _text("The document of a person."),
            "corporateDocument": _text("The document of a company."),
            "ip": _text("The shopper's address, in a search. Guessing codes is rationed by it."),
        },
    },
    "Cart": {
        "type": "object",
        "description": "What is in the cart. What cannot be read is left out.",
        "properties": {
            "grandTotal": _amount("The total."),
            "itemsTotal": _amount("The total of the items, where there is no grandTotal."),
            "relationName": {"type": ["string", "null"], "description": "The loyalty program to search cards of."},
            "redemptionCode": {
                "type": ["string", "null"],
                "description": (
                    f"The code as the shopper typed it, of {schemas.CODE_MINIMUM_LENGTH} to "
                    f"{schemas.CODE_MAXIMUM_LENGTH} characters. null or empty: no code."
                ),
            },
            "items": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "properties": {
                        "id": _text("The SKU."),
                        "price": _amount("The price of one."),
                        "quantity": {"type": "integer", "description": "How many."},
                    },
                },
            },
        },
    },
    "Search": {
        "type": "object",
        "properties": {
            "client": {"$ref": "#/components/schemas/Customer"},
            "cart": {"$ref": "#/components/schemas/Cart"},
        },
    },
}

# Read of an authorization where it can be read; nothing in it is refused.
BESIDE_THE_MONEY: Json = {
    "description": {"type": ["string", "null"], "description": "For people; kept with the transaction."},
    "redemptionToken": {"type": ["string", "null"], "description": "The card's PIN, where it has one; masked: none."},
    "orderInfo": {
        "type": ["object", "null"],
        "properties": {
            "orderId": {"type": ["string", "null"], "description": "VTEX's order."},
            "clientProfile": {"$ref": "#/components/schemas/Customer"},
            "cart": {"$ref": "#/components/schemas/Cart"},
        },
    },
}

PARAMETERS: dict[str, Json] = {
    "card_id": {
        "in": "path",
        "name": "card_id",
        "description": "The card's id, from a search.",
        "schema": {"type": "string"},
    },
    "transaction_id": {
        "in": "path",
        "name": "transaction_id",
        "description": "The transaction's id, from its authorization.",
        "schema": {"type": "string"},
    },
    "range": {
        "in": "header",
        "name": paging.REQUEST_HEADER,
        "description": "Which cards of the result: both ends count. By default the first fifty.",
        "schema": {"type": "string"},
        "example": "resources=0-9",
    },
    "operation": {
        "in": "header",
        "name": auth.OPERATION_ID_HEADER,
        "description": "The sender's name for this call. The log and the history of the transaction have it.",
        "schema": {"type": "string", "maxLength": auth.CORRELATION_ID_MAXIMUM_LENGTH},
    },
}

CONTENT_RANGE: Json = {
    "description": "Which cards these are, of how many.",
    "schema": {"type": "string", "pattern": r"^resources \d+-\d+/\d+$"},
}
RETRY_AFTER: Json = {
    "description": "After how many seconds to repeat it, where the backend says so.",
    "schema": {"type": "integer"},
}
