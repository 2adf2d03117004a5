"""Activity: who changed what by hand, and when."""

from __future__ import annotations

from flask import render_template, request

from app.admin import activity
from app.admin.people.users import Role
from app.console.current import parts
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _l
from app.ledger import names

page = Page("activity", _l("Activity"), place=70)

ON_A_PAGE = 50


@page.get("/activity")
@allowed(Role.VIEWER)
def index() -> str:
    skip = request.args.get("skip", 0, type=int)
    skip = min(max(skip, 0), activity.LOG_KEEPS)
    found = activity.newest(parts(), ON_A_PAGE + 1, skip)
    return render_template(
        "activity.html",
        entries=[(entry, names.bucket_of_transaction(entry.about) is not None) for entry in found[:ON_A_PAGE]],
        skip=skip,
        next=skip + ON_A_PAGE if len(found) > ON_A_PAGE else None,
    )
