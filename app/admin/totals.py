"""What was taken, given back and held, by provider and day: for the accountant, and for whoever looks at today."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.ledger.storage.totals import NOTHING, Kind, Total
from app.parts import Parts
from mappers.money import Currency


@dataclass(frozen=True, slots=True)
class DayTotals:
    """What was done for one provider in one currency on one day (UTC). Amounts in major units.

    `held`: what was authorized by the end of the day and neither settled nor voided by then. `acts`: how many acts an
    amount comes from, by its name. Of credits there are `credited` and `taken_back` only.
    """

    day: date
    provider: str
    currency: str
    authorized: Decimal
    settled: Decimal
    voided: Decimal
    refunded: Decimal
    credited: Decimal
    taken_back: Decimal
    held: Decimal
    acts: Mapping[str, int]


# How the amounts are called here, and in the ledger.
NAMES = {
    "authorized": Kind.AUTHORIZED,
    "settled": Kind.CAPTURED,
    "voided": Kind.VOIDED,
    "refunded": Kind.REFUNDED,
    "credited": Kind.CREDITED,
    "taken_back": Kind.TAKEN_BACK,
}


def of(parts: Parts, first: date, last: date, providers: Collection[str] = ()) -> list[DayTotals]:
    """Return the totals of each day from `first` to `last`, oldest first; without `providers`, of all.

    A day on which nothing was done and nothing held is left out. Days are kept for 400 days. Raises LedgerUnavailable.
    """
    of_all_time, of_days = parts.totals.since(first)
    rows = []
    for series in sorted(of_all_time):
        if providers and series.provider_id not in providers:
            continue
        held = of_all_time[series].held
        for day in sorted(of_days, reverse=True):
            total = of_days[day].get(series, NOTHING)
            if day <= last and (total.acts or held):
                rows.append(_row(day, series.provider_id, series.currency, total, held))
            held -= total.held
    return sorted(rows, key=lambda row: (row.day, row.provider, row.currency))


def _row(day: date, provider_id: str, currency: Currency, total: Total, held: int) -> DayTotals:
    amounts = {name: currency.to_decimal(total.amounts[kind]) for name, kind in NAMES.items()}
    acts = {name: total.acts[kind] for name, kind in NAMES.items()}
    return DayTotals(
        day=day, provider=provider_id, currency=currency.code, held=currency.to_decimal(held), acts=acts, **amounts
    )
