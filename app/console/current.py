"""What a view works with: the parts of the installation, and who asks."""

from __future__ import annotations

from typing import cast

from flask import current_app, g, request

from app.admin import overview
from app.admin.people.sign_in import Visitor
from app.admin.people.users import User
from app.ledger.errors import LedgerUnavailable
from app.parts import Parts

DEVICE_COOKIE = "giftbridge-device"


def parts() -> Parts:
    return cast("Parts", current_app.extensions["giftbridge"])


def signed_in() -> User | None:
    """Return who asks; None before a sign-in, and where Redis cannot tell."""
    return cast("User | None", g.get("user"))


def user() -> User:
    """Return who asks, in a view that only signed-in users reach."""
    found = signed_in()
    if found is None:
        raise RuntimeError("this view is public: nobody needs to be signed in")
    return found


def visitor() -> Visitor:
    return Visitor(request.remote_addr or "", request.user_agent.string, request.cookies.get(DEVICE_COOKIE))


def orders_waiting() -> int:
    """Return how many orders wait for a person, for the navigation; none where Redis cannot tell: the page says so."""
    try:
        return overview.orders_waiting(parts())
    except LedgerUnavailable:
        return 0
