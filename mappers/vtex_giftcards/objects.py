"""What VTEX answers with: cards, transactions, settlements and cancellations (Giftcard API 1.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from mappers.parsing import amount, filled, list_of, member, moment, optional, rows, text

# What an error's code may look like. Its message may hold a code, so it is never shown.
ERROR_CODE = re.compile(r"[A-Za-z0-9_]{1,60}")

# From this year on a date says that a card never ends; this one stands for it where a date is required.
ENDLESS_YEAR = 2999
ENDLESS = "2999-12-31T23:59:59.000"


class Rejected(Exception):
    """VTEX said no, and did nothing. `code` is its own word for why, where it gives one."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class GiftCard:
    """A card as VTEX shows it, its balance in major units. `code` is mostly masked: `***********ASDQ`."""

    id: str
    balance: Decimal
    currency: str | None
    created: datetime | None
    expires: datetime | None
    caption: str | None
    relation_name: str | None
    code: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A debit or credit of a card, in major units. `request_id` is what its sender named it."""

    operation: str  # "debit" or "credit"
    value: Decimal
    request_id: str
    date: datetime
    description: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Movement:
    """A settlement or a cancellation, in major units. VTEX does not tell its requestId."""

    oid: str
    value: Decimal
    date: datetime


def gift_card(data: Any) -> GiftCard:
    return GiftCard(
        id=filled(data, "id"),
        balance=amount(data, "balance"),
        currency=optional(text, data, "currencyCode") or None,
        created=optional(moment, data, "emissionDate"),
        expires=_end(data),
        caption=optional(text, data, "caption") or None,
        relation_name=optional(text, data, "relationName") or None,
        code=optional(text, data, "redemptionCode") or "",
        token=optional(text, data, "redemptionToken") or "",
    )


def transaction(data: Any) -> Transaction:
    return Transaction(
        operation=filled(data, "operation").lower(),
        value=amount(data, "value"),
        request_id=optional(text, data, "requestId") or "",
        date=moment(data, "date"),
        description=optional(text, data, "description") or "",
    )


def movement(data: Any) -> Movement:
    return Movement(filled(data, "oid"), amount(data, "value"), moment(data, "date"))


def made(data: Any) -> str:
    """Read the id of the transaction that was made."""
    return filled(data, "id")


def ids(data: Any) -> list[str]:
    """Read the ids in a list. The Giftcard API has a search's under `items`, the provider protocol as the answer."""
    return list_of(made)(rows(data, "items") if isinstance(data, Mapping) else data)


movements = list_of(movement)


def error_code(data: Any) -> str:
    code = member(member(data, "error"), "code")
    return code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else ""


def _end(data: Any) -> datetime | None:
    """Read when a card ends: `0001-01-01...`, .NET's "none", and a year far away say never."""
    end = optional(moment, data, "expiringDate") if member(data, "expiringDate") else None
    return end if end and 1 < end.year < ENDLESS_YEAR else None
