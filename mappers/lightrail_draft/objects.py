"""Objects knows what the draft's answers hold: value stores, programs and transactions (Lightrail V2 draft, 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

# A secure code is shown as this and its last four characters.
ELLIPSIS = "…"


class Malformed(ValueError):
    """An answer that is not what the draft describes; the message names a field, never its content."""


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
    """What a gift card is. `value` in minor units, None where a rule makes it up; `ruled`: not plain value."""

    id: str
    currency: str
    value: int | None
    ruled: bool
    active: bool
    frozen: bool
    uses: int | None
    start: datetime | None
    end: datetime | None
    created: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Program:
    """What value stores are issued from: which initial values, in minor units, it allows."""

    id: str
    currency: str
    active: bool
    discount: bool
    lowest: int | None
    highest: int | None
    fixed: tuple[int, ...]


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
    row = _object(body)
    metadata = row.get("metadata")
    rules = row.get("redemptionRule") is not None or row.get("valueRule") is not None
    return ValueStore(
        id=_text(row, "valueStoreId"),
        currency=_text(row, "currency"),
        value=_optional_integer(row, "value"),
        ruled=rules or _flag(row, "discount", default=False),
        active=_flag(row, "active", default=True),
        frozen=_flag(row, "frozen", default=False),
        uses=_optional_integer(row, "uses"),
        start=_moment(row, "startDate"),
        end=_moment(row, "endDate"),
        created=_moment(row, "createdDate"),
        metadata=metadata if isinstance(metadata, Mapping) else {},
    )


def program(body: Any) -> Program:
    row = _object(body)
    fixed = row.get("fixedInitialValues")
    return Program(
        id=_text(row, "programId"),
        currency=_text(row, "currency"),
        active=_flag(row, "active", default=True),
        discount=_flag(row, "discount", default=False),
        lowest=_optional_integer(row, "minInitialValue"),
        highest=_optional_integer(row, "maxInitialValue"),
        fixed=() if fixed is None else tuple(_whole(item, "fixedInitialValues") for item in _list(fixed)),
    )


def posting(body: Any) -> Posting:
    row = _object(body)
    if row.get("simulated") not in (None, False):
        raise Malformed("simulated, though it was to be real")
    pending = row.get("pending")
    if not isinstance(pending, str | bool | None) or pending not in PENDING:
        raise Malformed("pending is no word that is known")
    return Posting(
        id=_text(row, "transactionId"),
        kind=_text(row, "transactionType"),
        currency=_text(row, "currency"),
        hold=PENDING[pending],
        changes=tuple(_change(_object(step)) for step in _list(row.get("steps"))),
    )


def simulated_order(body: Any) -> tuple[str, ...]:
    """Return the ids of the value stores that would pay a simulated order."""
    row = _object(body)
    if row.get("simulated") is not True:
        raise Malformed("it does not say that the order was only simulated: look for a transaction of one minor unit")
    steps = [_object(step) for step in _list(row.get("steps"))]
    found = [_text(step, "valueStoreId") for step in steps if step.get("rail", "lightrail") == "lightrail"]
    return tuple(dict.fromkeys(found))


def full_code(body: Any) -> str | None:
    """Return a value store's code, None where it is shown by its last characters only."""
    code = _object(body).get("code")
    return code if isinstance(code, str) and code and not code.startswith(ELLIPSIS) else None


def anything(body: Any) -> Any:
    return body


def _change(step: Mapping[str, Any]) -> BalanceChange:
    return BalanceChange(
        _text(step, "valueStoreId"),
        _whole(step.get("valueChange"), "valueChange"),
        _whole(step.get("valueAfter"), "valueAfter"),
    )


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise Malformed("not an object")
    return body


def _list(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise Malformed("not a list where there should be one")
    return rows


def _text(row: Mapping[str, Any], name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str):
        raise Malformed(f"{name} is not text")
    return found


def _whole(found: Any, name: str) -> int:
    whole = isinstance(found, int) or (isinstance(found, Decimal) and found == found.to_integral_value())
    if isinstance(found, bool) or not whole:
        raise Malformed(f"{name} is not an integer")
    return int(found)


def _optional_integer(row: Mapping[str, Any], name: str) -> int | None:
    return None if row.get(name) is None else _whole(row[name], name)


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


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    if row.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(row, name))
    except ValueError as error:
        raise Malformed(f"{name} is not a date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
