"""Objects knows the shapes of what Lightrail answers with: values and transactions (Lightrail V2 OpenAPI)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

Parsed = TypeVar("Parsed")


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


class Malformed(ValueError):
    """An answer that is not what the API describes; the message names a field, never its content."""


def list_of(parse: Callable[[Any], Parsed]) -> Callable[[Any], list[Parsed]]:
    def parse_all(rows: Any) -> list[Parsed]:
        if not isinstance(rows, list):
            raise Malformed("not a list")
        return [parse(row) for row in rows]

    return parse_all


def _text(row: Any, name: str) -> str:
    found = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(found, str):
        raise Malformed(f"{name} is not text")
    return found


def _integer(row: Mapping[str, Any], name: str) -> int:
    found = row.get(name)
    whole = isinstance(found, int) or (isinstance(found, Decimal) and found == found.to_integral_value())
    if isinstance(found, bool) or not whole:
        raise Malformed(f"{name} is not an integer")
    return int(found)  # type: ignore[arg-type]


def _optional_integer(row: Mapping[str, Any], name: str) -> int | None:
    return None if row.get(name) is None else _integer(row, name)


def _flag(row: Mapping[str, Any], name: str) -> bool:
    found = row.get(name)
    if not isinstance(found, bool):
        raise Malformed(f"{name} is not a boolean")
    return found


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    if row.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(row, name))
    except ValueError as error:
        raise Malformed(f"{name} is not a date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def parse_value(row: Any) -> Value:
    return Value(
        id=_text(row, "id"),
        currency=_text(row, "currency"),
        balance=_optional_integer(row, "balance"),
        code=None if row.get("code") is None else _text(row, "code"),
        generic=_flag(row, "isGenericCode"),
        active=_flag(row, "active"),
        frozen=_flag(row, "frozen"),
        canceled=_flag(row, "canceled"),
        start=_moment(row, "startDate"),
        end=_moment(row, "endDate"),
        created=_moment(row, "createdDate"),
        uses_remaining=_optional_integer(row, "usesRemaining"),
        metadata=_metadata(row),
    )


def _step(row: Any) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise Malformed("a step is not an object")
    return row


def _moves(step: Mapping[str, Any]) -> bool:
    """Tell whether a step moves a balance here: others, in transactions of shops, charge Stripe or count uses."""
    return _text(step, "rail") == "lightrail" and step.get("balanceChange", 0) is not None


def _change(row: Mapping[str, Any]) -> BalanceChange:
    return BalanceChange(_text(row, "valueId"), _integer(row, "balanceChange"), _integer(row, "balanceAfter"))


def parse_posting(row: Any) -> Posting:
    if not isinstance(row, Mapping) or row.get("simulated"):
        raise Malformed("not a transaction")
    return Posting(
        id=_text(row, "id"),
        kind=_text(row, "transactionType"),
        currency=_text(row, "currency"),
        pending=row.get("pending") is True,
        changes=tuple(_change(step) for step in list_of(_step)(row.get("steps")) if _moves(step)),
        created=_moment(row, "createdDate"),
        metadata=_metadata(row),
    )


def parse_currency(row: Any) -> tuple[str, int]:
    return _text(row, "code"), _integer(row, "decimalPlaces")


def written(moment: datetime) -> str:
    """Return a date as Lightrail writes it, cut to the second, which is as exact as it keeps them."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
