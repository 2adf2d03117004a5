"""Reconciliation: where the ledger and the backends disagree, what that means, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from flask import Response, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.admin import activity
from app.admin.people.users import Role
from app.admin.reconciliation import asked, results
from app.admin.reconciliation.asked import State
from app.admin.reconciliation.results import Result, Trigger
from app.admin.reconciliation.run import NO_TRANSACTION, Difference
from app.console.csv_lines import line
from app.console.current import parts, user
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _, _l

page = Page("reconciliation", _l("Reconciliation"), place=60)

KINDS = {
    "missing": _l("missing at the backend"),
    "extra": _l("unknown to the ledger"),
    "double": _l("done more than once"),
    "amount": _l("another amount"),
    "state": _l("no longer reserved at the backend"),
    "elsewhere": _l("done by somebody else"),
    "unresolved": _l("not known yet"),
}

TRIGGERS = {Trigger.SCHEDULE: _l("the schedule"), Trigger.HAND: _l("a person")}

UNDER_WAY = (State.WAITING, State.RUNNING)


@page.get("/reconciliation")
@allowed(Role.VIEWER)
def index() -> str:
    standing = asked.standing(parts())
    return render_template(
        "reconciliation.html",
        standing=standing,
        under_way=standing is not None and standing.state in UNDER_WAY,
        results=results.last(parts().documents),
        history=results.history(parts().documents),
        every=parts().settings.reconcile_every,
        kinds=KINDS,
        triggers=TRIGGERS,
        unknown=NO_TRANSACTION,
    )


@page.get("/reconciliation/standing")
@allowed(Role.VIEWER)
def standing() -> str | Response:
    """How far a comparison is, as a part of the page; once it has ended, the page is to be read anew."""
    found = asked.standing(parts())
    if found is None or found.state not in UNDER_WAY:
        return Response(headers={"HX-Refresh": "true"})
    return render_template("reconciliation_standing.html", standing=found)


@page.post("/reconciliation/compare")
@allowed(Role.OPERATOR)
def compare() -> BaseResponse:
    return _ask(repair=False)


@page.get("/reconciliation/repair")
@allowed(Role.OPERATOR)
def confirm() -> str:
    return render_template("reconciliation_repair.html")


@page.post("/reconciliation/repair")
@allowed(Role.OPERATOR)
def repair() -> BaseResponse:
    return _ask(repair=True)


@page.get("/reconciliation.csv")
@allowed(Role.VIEWER)
def download() -> Response:
    """The differences of the last results: for spreadsheets and scripts, in the words of the command line."""
    response = Response(_csv(results.last(parts().documents)), mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=differences.csv"
    return response


def _ask(*, repair: bool) -> BaseResponse:
    if asked.ask(parts(), user().name, repair=repair):
        activity.note(parts(), user().name, "repair differences" if repair else "compare with backends", "")
        flash(_("The service begins within half a minute. This page shows how far it is."), "good")
    else:
        flash(_("Somebody has asked for a comparison already: it is about to begin. Nothing more was asked."), "note")
    return redirect(url_for(".index"), 303)


def _csv(found: list[Result]) -> Iterator[str]:
    names = [one.name for one in fields(Difference)]
    yield line([*names, "found"])
    for result in found:
        for difference in result.listed:
            yield line([*(getattr(difference, name) for name in names), result.finished])
