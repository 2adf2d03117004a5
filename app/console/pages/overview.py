"""The overview: is everything all right, and what needs me now?"""

from __future__ import annotations

from flask import render_template

from app.admin.overview import examine_everything, look
from app.admin.people.users import Role
from app.console.current import parts
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _l

page = Page("overview", _l("Overview"), place=10)


@page.get("/")
@allowed(Role.VIEWER)
def index() -> str:
    return render_template("overview.html", overview=look(parts()))


@page.get("/checks")
@allowed(Role.OPERATOR)
def checks() -> str:
    """The doctor's findings. It calls backends and addresses, so a viewer does not start it."""
    return render_template("overview_checks.html", checks=list(examine_everything(parts())))
