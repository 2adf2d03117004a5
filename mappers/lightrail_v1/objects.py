"""Objects knows what Lightrail V1's answers hold, and refuses all others (Lightrail V1 API docs, data structures)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


class Malformed(ValueError):
    """An answer that is not what the API describes; the message names a field, never its content."""


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


@dataclass(frozen=True, slots=True)
class Program:
    """What cards may be issued: values in minor units, None where nothing limits them."""

    id: str
    currency: str
    active: bool
    store_kind: str
    lowest: int | None
    highest: int | None
    fixed: tuple[int, ...]


def details(row: Mapping[str, Any]) -> Details:
    stores = row.get("valueStores")
    if not isinstance(stores, list):
        raise Malformed("valueStores is not a list")
    return Details(
        card_id=text(row, "cardId"),
        currency=text(row, "currency"),
        card_type=text(row, "cardType"),
        stores=tuple(_value_store(store) for store in stores),
        last_four=_optional_text(row, "codeLastFour"),
    )


def _value_store(row: Any) -> ValueStore:
    return ValueStore(
        kind=text(row, "valueStoreType"),
        value=integer(row, "value"),
        state=text(row, "state"),
        start=_moment(row, "startDate"),
        expires=_moment(row, "expires"),
        restricted=bool(row.get("restrictions")),
    )


def card_record(row: Any) -> CardRecord:
    categories = row.get("categories") if isinstance(row, Mapping) else None
    return CardRecord(
        id=text(row, "cardId"),
        key=_optional_text(row, "userSuppliedId") or "",
        contact_id=_optional_text(row, "contactId") or "",
        card_type=text(row, "cardType"),
        currency=text(row, "currency"),
        created=_moment(row, "dateCreated"),
        categories=_categories(categories),
    )


def _categories(rows: Any) -> dict[str, str]:
    """Read what the store's people may have written as well: what is no label of text is left out."""
    labels = (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping))
    pairs = ((label.get("key"), label.get("value")) for label in labels)
    return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}


def posting(row: Any) -> Posting:
    metadata = row.get("metadata") if isinstance(row, Mapping) else None
    return Posting(
        id=text(row, "transactionId"),
        key=_optional_text(row, "userSuppliedId") or "",
        kind=text(row, "transactionType"),
        value=integer(row, "value"),
        currency=text(row, "currency"),
        parent=_optional_text(row, "parentTransactionId") or "",
        created=_moment(row, "dateCreated"),
        metadata=metadata if isinstance(metadata, Mapping) else {},
    )


def contact(row: Any) -> Contact:
    return Contact(
        text(row, "contactId"), _optional_text(row, "userSuppliedId") or "", _optional_text(row, "email") or ""
    )


def program(row: Any) -> Program:
    fixed = row.get("fixedCodeValues") if isinstance(row, Mapping) else None
    return Program(
        id=text(row, "programId"),
        currency=text(row, "currency"),
        active=row.get("active") is not False,
        store_kind=_optional_text(row, "valueStoreType") or "PRINCIPAL",
        lowest=_optional_integer(row, "codeValueMin"),
        highest=_optional_integer(row, "codeValueMax"),
        fixed=tuple(value for value in fixed if isinstance(value, int)) if isinstance(fixed, list) else (),
    )


def unwrapped(body: Any, name: str) -> Mapping[str, Any]:
    """Return the object that an answer wraps in its name."""
    found = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        raise Malformed(f"{name} is not there")
    return found


def text(row: Any, name: str) -> str:
    found = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(found, str) or not found:
        raise Malformed(f"{name} is not text")
    return found


def integer(row: Mapping[str, Any], name: str) -> int:
    found = row.get(name)
    whole = isinstance(found, int) or (isinstance(found, Decimal) and found == found.to_integral_value())
    if isinstance(found, bool) or not whole:
        raise Malformed(f"{name} is not an integer")
    return int(found)  # type: ignore[arg-type]


def _optional_text(row: Mapping[str, Any], name: str) -> str | None:
    return None if row.get(name) is None else text(row, name)


def _optional_integer(row: Mapping[str, Any], name: str) -> int | None:
    return None if row.get(name) is None else integer(row, name)


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    if row.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(text(row, name))
    except ValueError as error:
        raise Malformed(f"{name} is not a date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
