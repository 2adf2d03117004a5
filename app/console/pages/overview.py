"""The overview: is everything all right, and what needs me now?"""

from __future__ import annotations

from datetime import timedelta

from flask import render_template

from app.admin import overview
from app.admin.overview import DAYS
from app.admin.people.users import Role
from app.console.current import parts
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _l

page = Page("overview", _l("Overview"), place=10)

WAITING = {
    "sweeper": _l("Work that is due and not looked at"),
    "doubt": _l("Doubts about what Redis still knows"),
    "parked": _l("Orders that wait for a person"),
    "late": _l("Successes that came too late to count"),
    "refused": _l("Refused settlements and cancellations"),
    "unresolved": _l("Unresolved for longer than they should be"),
    "difference": _l("Differences to the backends"),
    "not reconciled": _l("Providers that could not be compared"),
    "expiring": _l("Reservations that end soon"),
}


@page.get("/")
@allowed(Role.VIEWER)
def index() -> str:
    found = overview.look(parts())
    days = [found.today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return render_template("overview.html", overview=found, days=days, names=WAITING)


@page.get("/backends")
@allowed(Role.VIEWER)
def backends() -> str:
    """How the backends answer: asked once a minute at most, and not before the rest of the overview is there."""
    asked, checks = overview.backends(parts())
    return render_template("overview_backends.html", asked=asked, checks=checks)


@page.get("/checks")
@allowed(Role.OPERATOR)
def checks() -> str:
    """The doctor's findings. It calls backends and addresses each time, so a viewer does not start it."""
    wrong_first = sorted(overview.examine_everything(parts()), key=lambda check: (False, None, True).index(check.ok))
    return render_template("overview_checks.html", checks=wrong_first)
