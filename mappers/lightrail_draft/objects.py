"""What the draft answers with: value stores, programs and transactions (Lightrail V2 draft, 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from http import HTTPStatus
from typing import Any

from mappers.lightrail import Program
from mappers.parsing import Malformed, integer, mapping, metadata, moment, optional, rows, text, whole

# A secure code is shown as this and its last four characters.
ELLIPSIS = "…"


class Hold(Enum):
    """What a transaction's `pending` says of it; unset unless it was created pending."""

    NONE = 1
    OPEN = 2
    CAPTURED = 3
    VOIDED = 4


# The draft lists pending, capture and void, its examples show captured and void, and what is sent is true.
PENDING = {
    None: Hold.NONE,
    False: Hold.NONE,
    True: Hold.OPEN,
    "pending": Hold.OPEN,
    "capture": Hold.CAPTURED,
    "captured": Hold.CAPTURED,
    "void": Hold.VOIDED,
    "voided": Hold.VOIDED,
}


@dataclass(frozen=True, slots=True)
class ValueStore:
    """What a gift card is. `value` in minor units, None where a rule makes it up.

    `ruled`: a redemption rule decides for each order if it pays. `promotion`: it is no money, or made up by a rule.
    """

    id: str
    currency: str
    value: int | None
    ruled: bool
    promotion: bool
    active: bool
    frozen: bool
    expired: bool
    uses: int | None
    start: datetime | None
    end: datetime | None
    created: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """What a transaction did to one value store, in minor units."""

    store_id: str
    amount: int
    value_after: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction; capture and void change its `hold` and nothing else."""

    id: str
    kind: str
    currency: str
    hold: Hold
    changes: tuple[BalanceChange, ...]


def value_store(body: Any) -> ValueStore:
    row = mapping(body)
    # The draft's documents write preTax, its server wrote pretax.
    promotion = any(_flag(row, name, default=False) for name in ("discount", "preTax", "pretax"))
    return ValueStore(
        id=text(row, "valueStoreId"),
        currency=text(row, "currency"),
        value=optional(integer, row, "value"),
        ruled=row.get("redemptionRule") is not None,
        promotion=promotion or row.get("valueRule") is not None,
        active=_flag(row, "active", default=True),
        frozen=_flag(row, "frozen", default=False),
        expired=_flag(row, "expired", default=False),
        uses=optional(integer, row, "uses"),
        start=optional(moment, row, "startDate"),
        end=optional(moment, row, "endDate"),
        created=optional(moment, row, "createdDate"),
        metadata=metadata(row),
    )


def program(body: Any) -> Program:
    row = mapping(body)
    return Program(
        id=text(row, "programId"),
        currency=text(row, "currency"),
        active=_flag(row, "active", default=True),
        other_kind="discounts" if _flag(row, "discount", default=False) else None,
        lowest=optional(integer, row, "minInitialValue"),
        highest=optional(integer, row, "maxInitialValue"),
        fixed=tuple(whole(item, "fixedInitialValues") for item in optional(rows, row, "fixedInitialValues") or ()),
    )


def posting(body: Any) -> Posting:
    row = mapping(body)
    if row.get("simulated") not in (None, False):
        raise Malformed("simulated, though it was to be real")
    pending = row.get("pending")
    if not isinstance(pending, str | bool | None) or pending not in PENDING:
        raise Malformed("pending is no word that is known")
    return Posting(
        id=text(row, "transactionId"),
        kind=text(row, "transactionType"),
        currency=_currency(row),
        hold=PENDING[pending],
        changes=tuple(_change(mapping(step)) for step in rows(row, "steps")),
    )


def simulated(body: Any, status: int) -> dict[str, int]:
    """Return what a simulated transaction would take of each value store, in minor units, by the store's id.

    The draft's documents show `simulated`. Its server did not, and answered 200 instead of 201.
    """
    row = mapping(body)
    if not (row.get("simulated") is True or ("simulated" not in row and status == HTTPStatus.OK)):
        raise Malformed("it does not say that it was only simulated: look for a transaction of one minor unit")
    taken: dict[str, int] = {}
    for step in (mapping(step) for step in rows(row, "steps")):
        if step.get("rail", "lightrail") == "lightrail":
            store_id = text(step, "valueStoreId")
            # The example of an order shows the second.
            change = integer(step, "valueChange" if "valueChange" in step else "amount")
            taken[store_id] = taken.get(store_id, 0) - change
    return taken


def full_code(body: Any) -> str | None:
    """Return a value store's code, None where it is shown by its last characters only."""
    code = mapping(body).get("code")
    return code if isinstance(code, str) and code and not code.startswith(ELLIPSIS) else None


def anything(body: Any) -> Any:
    return body


def _currency(row: Mapping[str, Any]) -> str:
    """Return a transaction's currency: the draft's server showed that of its steps only."""
    in_steps = {text(mapping(step), "currency") for step in rows(row, "steps")} if "currency" not in row else set()
    return in_steps.pop() if len(in_steps) == 1 else text(row, "currency")


def _change(step: Mapping[str, Any]) -> BalanceChange:
    return BalanceChange(
        text(step, "valueStoreId"),
        integer(step, "valueChange"),
        integer(step, "valueAfter"),
    )


def _flag(row: Mapping[str, Any], name: str, *, default: bool) -> bool:
    # The draft's programs show booleans as text.
    match row.get(name):
        case None:
            return default
        case True | "true":
            return True
        case False | "false":
            return False
    raise Malformed(f"{name} is not a boolean")
