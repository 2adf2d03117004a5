"""What Lightrail V2 answers with: values and transactions (Lightrail V2 OpenAPI)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mappers.lightrail import Program
from mappers.parsing import Malformed, flag, integer, mapping, member, metadata, moment, optional, rows, text, whole


@dataclass(frozen=True, slots=True)
class Value:
    """What a gift card is at Lightrail. `balance` in minor units, None where a rule makes it up on the spot.

    `code` is masked (an ellipsis and the last four characters) unless asked for; a generic code never is.
    """

    id: str
    currency: str
    balance: int | None
    code: str | None = field(repr=False)
    generic: bool
    active: bool
    frozen: bool
    canceled: bool
    start: datetime | None
    end: datetime | None
    created: datetime | None
    uses_remaining: int | None
    contact_id: str | None = field(repr=False)
    ruled: bool  # a rule, or what is bought, decides what it pays
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """What a transaction did to one value, in minor units."""

    value_id: str
    amount: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction at Lightrail. `pending` says that it began as a hold, and stays true after capture or void.

    A capture has no `changes`: its hold made them. Dates are exact to the second.
    """

    id: str
    kind: str
    currency: str
    pending: bool
    changes: tuple[BalanceChange, ...]
    created: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def balance_after(self) -> int | None:
        return self.changes[-1].balance_after if self.changes else None


def parse_value(row: Any) -> Value:
    return Value(
        id=text(row, "id"),
        currency=text(row, "currency"),
        balance=optional(integer, row, "balance"),
        code=optional(text, row, "code"),
        generic=flag(row, "isGenericCode"),
        active=flag(row, "active"),
        frozen=flag(row, "frozen"),
        canceled=flag(row, "canceled"),
        start=optional(moment, row, "startDate"),
        end=optional(moment, row, "endDate"),
        created=optional(moment, row, "createdDate"),
        uses_remaining=optional(integer, row, "usesRemaining"),
        contact_id=optional(text, row, "contactId"),
        ruled=member(row, "redemptionRule") is not None
        or bool(optional(flag, row, "discount") or optional(flag, row, "pretax")),
        metadata=metadata(row),
    )


def _moves(step: Mapping[str, Any]) -> bool:
    """Tell whether a step moves a balance here: others, in transactions of shops, charge Stripe or count uses."""
    return text(step, "rail") == "lightrail" and step.get("balanceChange", 0) is not None


def _change(row: Mapping[str, Any]) -> BalanceChange:
    return BalanceChange(text(row, "valueId"), integer(row, "balanceChange"), integer(row, "balanceAfter"))


def parse_posting(row: Any) -> Posting:
    if not isinstance(row, Mapping) or row.get("simulated"):
        raise Malformed("not a transaction")
    return Posting(
        id=text(row, "id"),
        kind=text(row, "transactionType"),
        currency=text(row, "currency"),
        pending=row.get("pending") is True,
        changes=tuple(_change(step) for step in map(mapping, rows(row, "steps")) if _moves(step)),
        created=optional(moment, row, "createdDate"),
        metadata=metadata(row),
    )


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    email: str


def parse_contact(row: Any) -> Contact:
    return Contact(text(row, "id"), optional(text, row, "email") or "")


def parse_program(row: Any) -> Program:
    """Read a program. Cards are issued with a balance and without uses; one that begins later cannot be credited."""
    now = datetime.now(UTC)
    start, end = optional(moment, row, "startDate"), optional(moment, row, "endDate")
    kinds = {
        "discounts": optional(flag, row, "discount"),
        "promotions on prices before tax": optional(flag, row, "pretax"),
        "cards with a balance rule": member(row, "balanceRule"),
        "cards for a number of uses": optional(rows, row, "fixedInitialUsesRemaining"),
    }
    return Program(
        id=text(row, "id"),
        currency=text(row, "currency"),
        active=flag(row, "active") and (start is None or start <= now) and (end is None or end > now),
        other_kind=next((kind for kind, applies in kinds.items() if applies), None),
        lowest=optional(integer, row, "minInitialBalance"),
        highest=optional(integer, row, "maxInitialBalance"),
        fixed=tuple(
            whole(balance, "fixedInitialBalances") for balance in optional(rows, row, "fixedInitialBalances") or ()
        ),
    )


def parse_payable(row: Any) -> int:
    """Read what a simulated checkout says that its sources pay: as money, or as a discount."""
    if not isinstance(row, Mapping) or row.get("simulated") is not True:
        raise Malformed("not a simulation")
    totals = mapping(row.get("totals"), "totals")
    return integer(totals, "paidLightrail") + integer(totals, "discountLightrail")


def parse_currency(row: Any) -> tuple[str, int]:
    return text(row, "code"), integer(row, "decimalPlaces")
