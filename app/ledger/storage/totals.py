"""What was done, added up by provider, currency and day: the scripts count it in the step that writes it done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from redis.client import Pipeline

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection
from mappers.money import Currency

EPOCH = date(1970, 1, 1)

# For how many days a day can be told after it; see prelude.lua.
DAYS_KEPT = 400

# Buckets that were written to while they were read are read again, this often.
READINGS = 10

# Hashes read in one round trip.
HASHES = 10_000


class Kind(StrEnum):
    """What was done. Of debits: authorized, captured, voided, refunded; of credits: credited, taken back."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"
    CREDITED = "credited"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """What amounts may be added up: those of one provider in one currency."""

    provider_id: str
    code: str
    digits: int

    @property
    def currency(self) -> Currency:
        return Currency(self.code, self.digits)


@dataclass(frozen=True, slots=True)
class Total:
    """Amounts (minor units) by kind, and how many acts they come from."""

    amounts: Mapping[Kind, int]
    acts: Mapping[Kind, int]

    @property
    def held(self) -> int:
        """What was authorized and neither captured nor voided: of all time, what is held now."""
        return self.amounts[Kind.AUTHORIZED] - self.amounts[Kind.CAPTURED] - self.amounts[Kind.VOIDED]


NOTHING = Total(Counter(), Counter())


class Totals:
    """The totals of all buckets. Methods raise LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def today(self) -> date:
        """Return the day (UTC) by Redis's clock."""
        return EPOCH + timedelta(milliseconds=self._connection.now_milliseconds())

    def of_all_time(self) -> dict[Series, Total]:
        """Return the sums since the ledger began; of their acts only the amounts are known."""

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                pipeline.hgetall(_key(bucket))

        return _added(self._connection.pipeline(fill))

    def since(self, first: date) -> tuple[dict[Series, Total], dict[date, dict[Series, Total]]]:
        """Return the sums of all time, and those of each day from `first` until today, as they were at one moment.

        Days that are not kept any more are left out, however early `first` is.
        """
        today = self.today()
        first = max(first, today - timedelta(days=DAYS_KEPT))
        days = [first + timedelta(days=number) for number in range((today - first).days + 2)]
        of_all_time: list[dict[str, str]] = []
        of_days: dict[date, list[dict[str, str]]] = {day: [] for day in days}
        waiting: Sequence[int] = range(names.BUCKETS)
        for reading in range(READINGS):
            again = []
            for bucket, (before, *rows, after) in zip(waiting, self._read(waiting, days), strict=True):
                if before != after and reading < READINGS - 1:
                    again.append(bucket)
                    continue
                of_all_time.append(after)
                for day, row in zip(days, rows, strict=True):
                    of_days[day].append(row)
            waiting = again
            if not waiting:
                break
        return _added(of_all_time), {day: _added(rows) for day, rows in of_days.items()}

    def _read(self, buckets: Sequence[int], days: Sequence[date]) -> Iterator[list[dict[str, str]]]:
        """Yield of each bucket the sums of all time, those of each day, and again those of all time."""
        width = len(days) + 2
        for some in _batched(buckets, max(1, HASHES // width)):

            def fill(pipeline: Pipeline, some: Sequence[int] = some) -> None:
                for bucket in some:
                    for key in (_key(bucket), *(_key(bucket, day) for day in days), _key(bucket)):
                        pipeline.hgetall(key)

            answers: list[Any] = self._connection.pipeline(fill)
            yield from (answers[start : start + width] for start in range(0, len(answers), width))


def _batched(buckets: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    yield from (buckets[start : start + size] for start in range(0, len(buckets), size))


def _key(bucket: int, day: date | None = None) -> str:
    name = "totals" if day is None else f"totals:{(day - EPOCH).days}"
    return keys.in_bucket(bucket, name)


def _added(rows: Iterable[Mapping[str, str]]) -> dict[Series, Total]:
    sums: Counter[str] = Counter()
    for row in rows:
        for field, value in row.items():
            sums[field] += int(value)
    found: dict[Series, tuple[Counter[Kind], Counter[Kind]]] = defaultdict(lambda: (Counter(), Counter()))
    for field, amount in sums.items():
        provider_id, currency = field.split("/", 1)
        code, digits, what = currency.rsplit("/", 2)
        kind, _, of_acts = what.partition(".")
        amounts, acts = found[Series(provider_id, code, int(digits))]
        (acts if of_acts else amounts)[Kind(kind)] = amount
    return {series: Total(*counted) for series, counted in found.items()}
