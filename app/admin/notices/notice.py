"""What a notice says, and where it may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from app.admin.attention import Attention


@dataclass(frozen=True, slots=True)
class Notice:
    """Something new that waits for a person.

    `id` stays the same however often it is sent. `data` is the entry of the list of what waits (`attention.Attention`)
    in the terms of JSON: dates in ISO 8601, amounts as text. `ledger` is the id of the ledger it is about.
    """

    id: str
    found: datetime
    ledger: str
    data: Mapping[str, Any]
    is_test: bool = False


class NotDelivered(Exception):
    """A target did not take notices; the message says why, and has nothing secret."""


class Target(Protocol):
    """Where notices go. `at_a_time`: how many of them one message may hold."""

    name: str
    at_a_time: int

    def send(self, notices: Sequence[Notice]) -> None:
        """Send them. Raises NotDelivered; then some may have arrived even so."""
        ...


def as_data(item: Attention) -> dict[str, Any]:
    """Return what is told of an item: everything but the name it has for as long as it waits, and what its sentences
    are made of."""
    data = asdict(item)
    for name in ("key", "act_kind", "own_wish", "difference", "detail"):
        del data[name]
    return data | {
        "kind": str(item.kind),
        "since": iso(item.since),
        "until": None if item.until is None else iso(item.until),
        "amount": None if item.amount is None else str(item.amount),
    }


def iso(date: datetime) -> str:
    return date.isoformat(timespec="seconds").replace("+00:00", "Z")
