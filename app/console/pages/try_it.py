"""Try it, in a demo only: a checkout that plays VTEX, and what VTEX, the ledger and the backend know, side by side."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import demo
from app.admin.demo import Checkout, Demo, Lost
from app.admin.people import sign_in, users
from app.admin.people.users import Role, UserError
from app.console.current import parts, signed_in, visitor
from app.console.formats import WrongAmount, amount_typed, money
from app.console.guard import allowed, is_loopback, public
from app.console.pages._page import Page
from app.console.pages.sign_in import let_in
from app.console.pages.transaction import REQUEST_ID, shares
from app.console.texts import _, _l

page = Page("try_it", _l("Try it"), place=100, demo=True)

# What the page suggests; the story that the README tells.
AMOUNTS = {
    "pay": Decimal("60.00"),
    "settle": Decimal("40.00"),
    "cancel": Decimal("20.00"),
    "refund": Decimal("15.00"),
}

CALLS = {
    "search": _l("Search for the card"),
    "pay": _l("Pay"),
    "settle": _l("Settle"),
    "cancel": _l("Cancel"),
    "refund": _l("Refund"),
    "retry": _l("The same again"),
}


@page.get("/in/<secret>")
@public
def enter(secret: str) -> str | tuple[str, int] | Response:
    """Sign in with the link that the demo prints: it works once, and on this machine only."""
    if signed_in() is not None:
        return redirect(url_for(".index"), 303)
    try:
        entered = is_loopback(request.host) and users.enter(parts(), demo.USER, secret)
    except UserError:
        entered = False
    if not entered:
        return render_template("sign_in_link_over.html"), 404
    return let_in(sign_in.begin(parts(), demo.USER, visitor()), url_for(".index"))


@page.get("/try")
@allowed(Role.VIEWER)
def index() -> str:
    return _begin()


@page.post("/try")
@allowed(Role.OPERATOR)
def search() -> str | tuple[str, int] | Response:
    provider, code = request.form.get("provider", ""), request.form.get("code", "").strip()
    played = _demo()
    if provider not in played.sandboxes:
        abort(404)
    if not code:
        return _begin(provider, _("Type a code, or take one of those below.")), 422
    try:
        name = demo.begin(parts(), played, provider, code)
    except demo.NO_ANSWER:
        return _begin(provider, _("The backend does not answer. If you killed it, wait until it is back.")), 503
    if name is None:
        return _begin(provider, _("VTEX was told of no card: with this code the shopper can pay nothing.")), 422
    return redirect(url_for(".checkout", name=name), 303)


@page.get("/try/<name>")
@allowed(Role.VIEWER)
def checkout(name: str) -> str:
    at = _checkout(name)
    return render_template("try_it_checkout.html", amounts=_suggested(at), **_sight(at))


@page.get("/try/<name>/live")
@allowed(Role.VIEWER)
def live(name: str) -> str | tuple[str, int]:
    """What the three know, for htmx: nothing (204) where the page shows it already."""
    sight = _sight(_checkout(name))
    if sight["seen"] == request.args.get("seen"):
        return "", 204
    return render_template("try_it_live.html", **sight)


@page.post("/try/<name>/<any(pay, settle, cancel, refund):what>")
@allowed(Role.OPERATOR)
def send(name: str, what: str) -> Response:
    at, request_id = _checkout(name), _request_id()
    if what != "pay" and at.paid is None:
        flash(_("VTEX does not know of a payment yet: pay, or let VTEX retry."), "problem")
        return _back(at)
    try:
        amount = amount_typed(request.form.get("amount", ""))
    except WrongAmount as wrong:
        flash(str(wrong), "problem")
        return _back(at)
    if what == "pay":
        demo.pay(parts(), _demo(), at, amount, request_id, _lost())
    else:
        demo.change(parts(), _demo(), at, what, amount, request_id, _lost())
    return _back(at)


@page.post("/try/<name>/retry")
@allowed(Role.OPERATOR)
def retry(name: str) -> Response:
    at = _checkout(name)
    demo.retry(parts(), _demo(), at)
    return _back(at)


@page.post("/try/<name>/kill")
@allowed(Role.OPERATOR)
def kill(name: str) -> Response:
    at = _checkout(name)
    demo.kill_backend(_demo(), at.provider)
    flash(
        _(
            "For %(seconds)d seconds the backend hangs up on everybody. Pay or settle now: VTEX is told to try later, "
            "or that it is promised; then watch.",
            seconds=demo.DOWN_SECONDS,
        ),
        "note",
    )
    return _back(at)


def _demo() -> Demo:
    found = demo.demo_of(parts())
    if found is None:
        abort(404)
    return found


def _checkout(name: str) -> Checkout:
    found = demo.checkout(parts(), name)
    if found is None:
        abort(404)
    return found


def _request_id() -> str:
    """Return the name of what a form does, however often it is sent."""
    found = request.form.get("request_id", "")
    if REQUEST_ID.fullmatch(found) is None:
        abort(400)
    return found


def _lost() -> Lost:
    found = request.form.get("lost", "")
    return Lost(found) if found in list(Lost) else Lost.NONE


def _back(at: Checkout) -> Response:
    return redirect(url_for(".checkout", name=at.name), 303)


def _begin(provider: str = "", error: str | None = None) -> str:
    return render_template("try_it.html", sandboxes=_demo().sandboxes, provider=provider, error=error)


def _sight(at: Checkout) -> dict[str, object]:
    sight = demo.look(parts(), _demo(), at)
    seen = hashlib.sha256(repr(sight).encode()).hexdigest()[:16]
    return {
        "sight": sight,
        "at": at,
        "calls": [(call, CALLS[call.what], _pretty(call.sent), _pretty(call.answer)) for call in at.calls],
        "shares": shares(sight.story) if sight.story else [],
        "balance": Decimal(at.balance),
        "seen": seen,
    }


def _pretty(body: object) -> str:
    return "" if body is None else json.dumps(body, indent=2, ensure_ascii=False, default=float)


def _suggested(at: Checkout) -> dict[str, str]:
    """Return what stands in the fields: an amount of the story, or less where the card has less."""
    balance = Decimal(at.balance)
    return {name: money(min(amount, balance) or amount, "") for name, amount in AMOUNTS.items()}
