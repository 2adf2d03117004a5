"""The report: what was taken, given back and held, by day and provider, for the accountant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from flask import Response, render_template, request

from app.admin import totals
from app.admin.people.users import Role
from app.admin.totals import NAMES, DayTotals
from app.console.csv_lines import line
from app.console.current import parts
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _, _l

page = Page("report", _l("Report"), place=80)

# Without another wish, as many days until today.
DAYS = 30

AMOUNTS = (*NAMES, "held")

HEAD = ("day", "provider", "currency", *AMOUNTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the report is about. `problem` says what of it could not be understood."""

    first: date
    last: date
    provider: str
    problem: str = ""


@page.get("/report")
@allowed(Role.VIEWER)
def index() -> str | tuple[str, int]:
    wanted = _wanted()
    rows = [] if wanted.problem else _rows(wanted)
    shown = render_template(
        "report.html",
        wanted=wanted,
        rows=rows,
        sums=list(_sums(rows)),
        names=AMOUNTS,
        providers=[(provider.id, provider.id) for provider in parts().registry.all()],
    )
    return (shown, 422) if wanted.problem else shown


@page.get("/report.csv")
@allowed(Role.VIEWER)
def download() -> Response | tuple[str, int]:
    wanted = _wanted()
    if wanted.problem:
        return wanted.problem, 422
    rows = [(row.day, row.provider, row.currency, *(getattr(row, name) for name in AMOUNTS)) for row in _rows(wanted)]
    name = f"giftbridge-{wanted.first}-{wanted.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("".join(map(line, [HEAD, *rows])), mimetype="text/csv", headers=headers)


def _wanted() -> Wanted:
    today = parts().totals.today()
    provider = request.args.get("provider", "")
    try:
        last = date.fromisoformat(request.args.get("to") or str(today))
        first = date.fromisoformat(request.args.get("from") or str(last - timedelta(days=DAYS - 1)))
    except (ValueError, OverflowError):
        return Wanted(today, today, provider, _("Write a day as year-month-day, such as 2030-01-31."))
    return Wanted(first, last, provider, _("The first day is after the last one.") if first > last else "")


def _rows(wanted: Wanted) -> list[DayTotals]:
    return totals.of(parts(), wanted.first, wanted.last, [wanted.provider] if wanted.provider else ())


def _sums(rows: list[DayTotals]) -> Iterator[tuple[str, str, dict[str, Decimal]]]:
    """Yield the sums of each provider and currency; what is held is that of the last day."""
    for provider, currency in sorted({(row.provider, row.currency) for row in rows}):
        own = [row for row in rows if (row.provider, row.currency) == (provider, currency)]
        amounts = {name: sum((getattr(row, name) for row in own), Decimal(0)) for name in NAMES}
        yield provider, currency, amounts | {"held": own[-1].held}
