"""The use case of a store admin who asks: is everything all right, and what needs me now?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.admin import attention, totals
from app.admin.doctor import examine
from app.admin.providers.checks import Check, check_backend, check_redis
from app.admin.reconciliation import results
from app.admin.reconciliation.results import Result
from app.admin.totals import DayTotals
from app.ledger.milliseconds import moment
from app.parts import Parts

DAYS = 30

# Of what needs a person: a page comes soon, whatever has happened.
COUNTED = 100
LOOKED_AT = 1000

# However many look, a backend is asked this often at most.
BACKENDS_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Money:
    """What one provider's cards have paid in one currency (major units): now, today and in 30 days (UTC).

    `days` has those on which something was done or held, oldest first.
    """

    provider: str
    currency: str
    held: Decimal
    today: DayTotals | None
    settled: Decimal
    voided: Decimal
    refunded: Decimal
    days: tuple[DayTotals, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """How the installation stands, by what Redis alone can tell.

    `waiting` counts what needs a person, by kind, COUNTED at most, without those that are zero. `today` is
    the day of Redis's clock.
    """

    waiting: Mapping[attention.Kind, attention.Counted]
    redis: tuple[Check, ...]
    today: date
    money: tuple[Money, ...]
    reconciled: tuple[Result, ...]


def look(parts: Parts) -> Overview:
    """Raises LedgerUnavailable."""
    today = moment(parts.connection.now_milliseconds()).date()
    waiting = attention.counts(parts, COUNTED, LOOKED_AT)
    rows = totals.of(parts, today - timedelta(days=DAYS - 1), today)
    return Overview(
        waiting={kind: found for kind, found in waiting.items() if found.number or found.more},
        redis=tuple(check_redis(parts.connection)),
        today=today,
        money=tuple(_money(rows, today)),
        reconciled=tuple(results.last(parts.documents)),
    )


def orders_waiting(parts: Parts) -> int:
    """Return how many orders wait for a person: parked, too late, or refused something. Raises LedgerUnavailable."""
    return parts.index.waiting()


def backends(parts: Parts) -> tuple[datetime, list[Check]]:
    """Return how each provider's backend answers, and when it was asked. Raises LedgerUnavailable."""
    noted = parts.documents.noted("backends")
    if noted is None:
        checks = [(provider.id, check_backend(provider)) for provider in parts.registry.all()]
        noted = {
            "at": datetime.now(UTC).isoformat(),
            "checks": [asdict(check) | {"name": provider_id} for provider_id, check in checks],
        }
        parts.documents.note("backends", noted, BACKENDS_AGAIN)
    return datetime.fromisoformat(noted["at"]), [Check(**check) for check in noted["checks"]]


def examine_everything(parts: Parts) -> Iterator[Check]:
    """Yield every check of `giftbridge doctor`, made from inside the service; some take seconds."""
    return examine(lambda _: nullcontext(parts.connection), lambda _: parts.settings)


def _money(rows: Iterable[DayTotals], today: date) -> Iterator[Money]:
    by_series: defaultdict[tuple[str, str], list[DayTotals]] = defaultdict(list)
    for row in rows:
        by_series[row.provider, row.currency].append(row)
    for (provider, currency), days in sorted(by_series.items()):
        newest = days[-1]
        yield Money(
            provider=provider,
            currency=currency,
            held=newest.held,
            today=newest if newest.day == today else None,
            settled=sum((day.settled for day in days), newest.settled * 0),
            voided=sum((day.voided for day in days), newest.voided * 0),
            refunded=sum((day.refunded for day in days), newest.refunded * 0),
            days=tuple(days),
        )
