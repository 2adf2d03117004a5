"""The use case of a store admin who asks: is everything all right, and what needs me now?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

from app.admin.doctor import examine
from app.admin.providers.checks import Check, check_redis
from app.parts import Parts


@dataclass(frozen=True, slots=True)
class Overview:
    """How the installation stands, by what Redis alone can tell.

    `parked` and `refused` count transactions that wait for a person; `overdue` is how long the oldest unfinished one
    has been due, `doubts` why Redis may have forgotten something.
    """

    redis: tuple[Check, ...]
    parked: int
    refused: int
    overdue: timedelta
    doubts: tuple[str, ...]
    providers: tuple[str, ...]


def look(parts: Parts) -> Overview:
    """Raises LedgerUnavailable."""
    return Overview(
        redis=tuple(check_redis(parts.connection)),
        parked=len(parts.index.parked()),
        refused=len(parts.index.refused()),
        overdue=parts.index.overdue(),
        doubts=tuple(doubt.reason for doubt in parts.history.doubts()),
        providers=tuple(provider.id for provider in parts.registry.all()),
    )


def examine_everything(parts: Parts) -> Iterator[Check]:
    """Yield every check of `giftbridge doctor`, made from inside the service; some take seconds."""
    return examine(lambda _: nullcontext(parts.connection), lambda _: parts.settings)
