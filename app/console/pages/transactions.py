"""Finds transactions: by order, transaction or requestId, by card, state and date; page by page, or as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import get_timezone
from werkzeug.wrappers import Response as BaseResponse

from app.admin import activity
from app.admin.people.users import Role
from app.admin.transactions import search
from app.admin.transactions.by_hand import REFUSED
from app.admin.transactions.cards import NEVER_USED
from app.admin.transactions.search import Filter, Wanted
from app.admin.transactions.views import Summary
from app.console.csv_lines import line
from app.console.current import parts, user
from app.console.formats import cursor_read
from app.console.guard import allowed, changes_nothing
from app.console.pages._page import Page
from app.console.texts import _, _l
from app.console.words import word

page = Page("transactions", _l("Transactions"), place=30)

ON_A_PAGE = 25

# Whoever asks for a rare state goes on from there: a page comes soon all the same.
LOOKED_AT = 2000

# Less of an order's id stands in too many.
LEAST_OF_A_PART = 3


@dataclass(frozen=True, slots=True)
class Filters:
    """What was typed into the form, as it stands in the address; `to` is a day that is included."""

    name: str = ""
    provider: str = ""
    card: str = ""
    state: str = ""
    since: str = ""
    to: str = ""

    @classmethod
    def of_request(cls) -> Filters:
        return cls(**{one.name: request.args.get(one.name, "").strip() for one in fields(cls)})

    @property
    def wanted(self) -> Wanted:
        """What cannot be read as a date or a state is no condition, and told."""
        since, last = _day(self.since), _day(self.to)
        return Wanted(
            name=self.name or None,
            provider_id=self.provider or None,
            card_id=(self.card or None) if self.provider else None,
            standing=Filter(self.state) if self.state in list(Filter) else None,
            since=_start(since) if since else None,
            before=_start(last + timedelta(days=1)) if last else None,
        )

    @property
    def query(self) -> dict[str, str]:
        """The part of an address that says the same again."""
        return {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name)}


@page.get("/transactions")
@allowed(Role.VIEWER)
def index() -> str:
    filters = Filters.of_request()
    for text in (filters.since, filters.to):
        if text and _day(text) is None:
            flash(
                _("%(text)s is no date: choose one from the calendar, or type it like 2026-01-31.", text=text),
                "problem",
            )
    after, wanted = cursor_read(request.args.get("after")), _by_name_or_part(filters.wanted)
    found = search.find(parts(), wanted, ON_A_PAGE, after, looked_at=LOOKED_AT)
    return _show(filters, found, after=after, by_part=wanted.name_part is not None)


@page.get("/transactions.csv")
@allowed(Role.VIEWER)
def export() -> Response:
    """All that fit the filters, in the figures of the ledger: for spreadsheets and scripts, not for reading."""
    found = search.every(parts(), _by_name_or_part(Filters.of_request().wanted))
    response = Response(_csv(found), mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=transactions.csv"
    return response


@page.post("/transactions/card")
@allowed(Role.VIEWER)
@changes_nothing
def card() -> str | tuple[str, int] | BaseResponse:
    """Find the card of a code. The code is in no address, and goes nowhere but to the backend."""
    provider = request.form.get("provider", "")
    try:
        found = search.find_card(parts(), provider, request.form.get("code", ""))
    except REFUSED as error:
        activity.note(parts(), user().name, "looked for a card: none", provider)
        problem = _("No card of %(provider)s has this code, or its backend does not answer.", provider=provider)
        return _show(Filters(provider=provider), None, problem=problem, detail=str(error)), 404
    activity.note(parts(), user().name, "looked for a card", provider)
    if found.status in NEVER_USED:
        problem = _("This card is never used here: %(why)s.", why=word(found.status))
        return _show(Filters(provider=provider), None, problem=problem), 404
    return redirect(url_for(".index", provider=provider, card=found.id), 303)


def _by_name_or_part(wanted: Wanted) -> Wanted:
    """Return what is wanted by the whole of a name; where nothing is called so, by a part of the order's id."""
    name = wanted.name
    if name is None or len(name) < LEAST_OF_A_PART or search.is_known(parts(), name):
        return wanted
    return replace(wanted, name=None, name_part=name)


def _show(filters: Filters, found: search.Page | None, **more: Any) -> str:
    return render_template(
        "transactions.html",
        filters=filters,
        found=found,
        providers=[(provider.id, provider.id) for provider in parts().registry.all()],
        states=[(str(state), word(state)) for state in Filter],
        **more,
    )


def _csv(found: Iterator[Summary]) -> Iterator[str]:
    names = [one.name for one in fields(Summary)]
    yield line(names)
    for one in found:
        yield line([getattr(one, name) for name in names])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _start(day: date) -> datetime:
    """Return when a day begins, in the time zone of who asks."""
    return datetime.combine(day, time.min, get_timezone())
