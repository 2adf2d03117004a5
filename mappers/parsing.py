"""Readers of a backend's JSON: each returns a value of the kind it names, or raises Malformed.

A reader takes the object that was answered and the name of a member. Numbers come from `mappers.http` as int or
Decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import Any, TypeVar

from mappers.base import BackendUnavailable, OutcomeUnknown

Parsed = TypeVar("Parsed")

# What reading JSON of another shape than expected raises. Of all but Malformed, the text may show what was read.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


# More than any amount, moment or count has. To make an integer of 1e999999 takes minutes, for all threads of a process.
MOST_DIGITS = 30


class Malformed(ValueError):
    """An answer that is not what the backend's API describes. The message names a member, never its content."""


def understood(
    body: Any, parse: Callable[[Any], Parsed], backend: str, operation: str, *, wrote: bool = False
) -> Parsed:
    """Return what `parse` reads from an answer of `backend`.

    Raises BackendUnavailable for what cannot be read; OutcomeUnknown where the call `wrote`.
    """
    try:
        return parse(body)
    except UNREADABLE as error:
        detail = f": {error}" if isinstance(error, Malformed) else ""
        message = f"{backend}'s answer cannot be understood ({operation}){detail}"
        raise (OutcomeUnknown(message, answered=True) if wrote else BackendUnavailable(message)) from error


def mapping(found: Any, name: str = "the answer") -> Mapping[str, Any]:
    """Return `found`, the whole answer or a part of it, as an object."""
    if not isinstance(found, Mapping):
        raise Malformed(f"{name} is not an object")
    return found


def member(row: Any, name: str) -> Any:
    """Return what stands under `name`, whatever it is; None where there is nothing."""
    return row.get(name) if isinstance(row, Mapping) else None


def optional(read: Callable[[Any, str], Parsed], row: Any, name: str) -> Parsed | None:
    """Read a member that may be missing or null."""
    return None if member(row, name) is None else read(row, name)


def text(row: Any, name: str) -> str:
    found = member(row, name)
    if not isinstance(found, str):
        raise Malformed(f"{name} is not text")
    return found


def filled(row: Any, name: str) -> str:
    """Read text that is not empty."""
    found = text(row, name)
    if not found:
        raise Malformed(f"{name} is empty")
    return found


def integer(row: Any, name: str) -> int:
    return whole(member(row, name), name)


def whole(found: Any, name: str) -> int:
    """Return `found`, the member `name` or an item of it, as an integer: 5 and 5.0 are the same in JSON."""
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        raise Malformed(f"{name} is not an integer")
    if isinstance(found, Decimal) and found.adjusted() > MOST_DIGITS:
        raise Malformed(f"{name} is too large")
    if found != int(found):
        raise Malformed(f"{name} is not an integer")
    return int(found)


def amount(row: Any, name: str) -> Decimal:
    """Read an amount of money, a number or text."""
    found = member(row, name)
    if isinstance(found, str | int | Decimal) and not isinstance(found, bool):
        try:
            read = Decimal(found)
        except DecimalException:
            read = Decimal("NaN")
        if read.is_finite():
            return read
    raise Malformed(f"{name} is not an amount")


def flag(row: Any, name: str) -> bool:
    found = member(row, name)
    if not isinstance(found, bool):
        raise Malformed(f"{name} is not a boolean")
    return found


def moment(row: Any, name: str) -> datetime:
    """Read an ISO 8601 date, in UTC where it names no zone."""
    try:
        return _aware(datetime.fromisoformat(text(row, name)))
    except ValueError as error:
        raise Malformed(f"{name} is not a date") from error


def rows(row: Any, name: str) -> list[Any]:
    """Read a list."""
    found = member(row, name)
    if not isinstance(found, list):
        raise Malformed(f"{name} is not a list")
    return found


def list_of(parse: Callable[[Any], Parsed]) -> Callable[[Any], list[Parsed]]:
    """Return what reads a whole answer that is a list, item by item."""

    def parse_all(found: Any) -> list[Parsed]:
        if not isinstance(found, list):
            raise Malformed("not a list")
        return [parse(item) for item in found]

    return parse_all


def metadata(row: Any, name: str = "metadata") -> Mapping[str, Any]:
    """Read notes, in which others may write too: whatever is no object counts as empty."""
    found = member(row, name)
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class OwnNotes:
    """Members of our own notes, which anybody with access to the backend may have changed: None for what is no value
    of the kind that is asked for.
    """

    found: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        return self._read(text, name)

    def flag(self, name: str) -> bool | None:
        return self._read(flag, name)

    def moment(self, name: str) -> datetime | None:
        return self._read(moment, name)

    def _read(self, read: Callable[[Any, str], Parsed], name: str) -> Parsed | None:
        try:
            return read(self.found, name)
        except Malformed:
            return None


def written(moment: datetime) -> str:
    """Return a date as most backends take it: UTC with milliseconds, 2026-11-28T10:15:00.000Z."""
    return _aware(moment).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
