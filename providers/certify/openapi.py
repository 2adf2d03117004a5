"""What each call is answered with, as VTEX's OpenAPI document of the Gift Card Provider Protocol says.

Taken from the schemas of the 200s. A field that the document does not require may be missing or null: it gives no
field as nullable, and the Hub's own examples have nulls. Fields that it does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Link(msgspec.Struct):
    """Where something is."""

    href: str


class FoundCard(msgspec.Struct):
    """A card in the answer to a search."""

    id: str
    provider: str
    balance: int | float
    self: Link = msgspec.field(name="_self")


class Card(msgspec.Struct):
    """The answer to a card's GET."""

    id: str | None = None
    redemptionToken: str | None = None  # noqa: N815 - the names of fields are VTEX's
    redemptionCode: str | None = None  # noqa: N815
    balance: int | float | None = None
    emissionDate: str | None = None  # noqa: N815
    expiringDate: str | None = None  # noqa: N815
    currencyCode: str | None = None  # noqa: N815
    discount: bool | None = None
    transactions: Link | None = None


class NewCard(msgspec.Struct):
    """The answer to the issue of a card."""

    id: str | None = None
    relationName: str | None = None  # noqa: N815
    emissionDate: str | None = None  # noqa: N815
    expiringDate: str | None = None  # noqa: N815
    caption: str | None = None
    restrictedToOwner: bool | None = None  # noqa: N815
    multipleRedemptions: bool | None = None  # noqa: N815
    multipleCredits: bool | None = None  # noqa: N815
    profileId: str | None = None  # noqa: N815
    currencyCode: str | None = None  # noqa: N815


class Opened(msgspec.Struct):
    """A transaction where it is opened or listed."""

    id: str
    cardId: str  # noqa: N815
    self: Link = msgspec.field(name="_self")


class Transaction(msgspec.Struct):
    """The answer to a transaction's GET."""

    value: int | float | None = None
    description: str | None = None
    date: str | None = None
    requestId: str | None = None  # noqa: N815
    operation: str | None = None
    settlement: Link | None = None
    cancellation: Link | None = None
    authorization: Link | None = None


class Move(msgspec.Struct):
    """An authorization, a settlement or a cancellation."""

    oid: str
    value: int | float
    date: str


class ListedSettlement(msgspec.Struct):
    """A settlement in its list, of which the document requires nothing."""

    oid: str | None = None
    value: int | float | None = None
    date: str | None = None


_TRANSACTIONS = "/giftcards/{id}/transactions"

ANSWERS: Mapping[str, Any] = {
    "POST /giftcards/_search": list[FoundCard],
    "GET /giftcards/{id}": Card,
    "POST /giftcards": NewCard,
    f"POST {_TRANSACTIONS}": Opened,
    f"GET {_TRANSACTIONS}": list[Opened],
    f"GET {_TRANSACTIONS}/{{tid}}": Transaction,
    f"GET {_TRANSACTIONS}/{{tid}}/authorization": Move,
    f"POST {_TRANSACTIONS}/{{tid}}/settlements": Move,
    f"GET {_TRANSACTIONS}/{{tid}}/settlements": list[ListedSettlement],
    f"POST {_TRANSACTIONS}/{{tid}}/cancellations": Move,
    f"GET {_TRANSACTIONS}/{{tid}}/cancellations": list[Move],
}


def deviation(call: str, content: bytes) -> str | None:
    """Say where an answer to `call` is not as the document says, in the words of msgspec; None where it is."""
    try:
        msgspec.json.decode(content, type=ANSWERS[call])
    except msgspec.DecodeError as error:
        return f"{error}".replace("`", "")
    return None
