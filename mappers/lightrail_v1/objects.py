"""What Lightrail V1 answers with: cards, value stores, transactions and contacts (V1 API docs, data structures)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mappers.lightrail import Program
from mappers.parsing import filled, integer, member, metadata, moment, optional, rows


@dataclass(frozen=True, slots=True)
class ValueStore:
    """A part of a card's value, in minor units. `kind` is PRINCIPAL or ATTACHED (a promotion).

    `restricted`: whether redemption rules decide about each transaction if it can be used.
    """

    kind: str
    value: int
    state: str
    start: datetime | None
    expires: datetime | None
    restricted: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What a card is worth at this moment."""

    card_id: str
    currency: str
    card_type: str
    stores: tuple[ValueStore, ...]
    last_four: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What is known of a card beside its value. `key` is the userSuppliedId, `categories` the labels it was given."""

    id: str
    key: str
    contact_id: str
    card_type: str
    currency: str
    created: datetime | None
    categories: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction. `key` is the userSuppliedId it was made under, `value` what it added, in minor units.

    `parent` is the transaction that a capture, void or refund ended; `metadata` what it was made with.
    """

    id: str
    key: str
    kind: str
    value: int
    currency: str
    parent: str
    created: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer. `key` is the userSuppliedId."""

    id: str
    key: str
    email: str = field(repr=False)


def details(row: Any) -> Details:
    return Details(
        card_id=filled(row, "cardId"),
        currency=filled(row, "currency"),
        card_type=filled(row, "cardType"),
        stores=tuple(_value_store(store) for store in rows(row, "valueStores")),
        last_four=optional(filled, row, "codeLastFour"),
    )


def _value_store(row: Any) -> ValueStore:
    return ValueStore(
        kind=filled(row, "valueStoreType"),
        value=integer(row, "value"),
        state=filled(row, "state"),
        start=optional(moment, row, "startDate"),
        expires=optional(moment, row, "expires"),
        restricted=bool(row.get("restrictions")),
    )


def card_record(row: Any) -> CardRecord:
    return CardRecord(
        id=filled(row, "cardId"),
        key=optional(filled, row, "userSuppliedId") or "",
        contact_id=optional(filled, row, "contactId") or "",
        card_type=filled(row, "cardType"),
        currency=filled(row, "currency"),
        created=optional(moment, row, "dateCreated"),
        categories=_categories(member(row, "categories")),
    )


def _categories(found: Any) -> dict[str, str]:
    """Read what the store's people may have written as well: what is no label of text is left out."""
    labels = (row for row in (found if isinstance(found, list) else ()) if isinstance(row, Mapping))
    pairs = ((label.get("key"), label.get("value")) for label in labels)
    return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}


def posting(row: Any) -> Posting:
    return Posting(
        id=filled(row, "transactionId"),
        key=optional(filled, row, "userSuppliedId") or "",
        kind=filled(row, "transactionType"),
        value=integer(row, "value"),
        currency=filled(row, "currency"),
        parent=optional(filled, row, "parentTransactionId") or "",
        created=optional(moment, row, "dateCreated"),
        metadata=metadata(row),
    )


def contact(row: Any) -> Contact:
    return Contact(
        filled(row, "contactId"), optional(filled, row, "userSuppliedId") or "", optional(filled, row, "email") or ""
    )


def program(row: Any) -> Program:
    fixed = member(row, "fixedCodeValues")
    return Program(
        id=filled(row, "programId"),
        currency=filled(row, "currency"),
        active=row.get("active") is not False,
        other_kind="promotions" if optional(filled, row, "valueStoreType") not in (None, "PRINCIPAL") else None,
        lowest=optional(integer, row, "codeValueMin"),
        highest=optional(integer, row, "codeValueMax"),
        fixed=tuple(value for value in fixed if isinstance(value, int)) if isinstance(fixed, list) else (),
    )
