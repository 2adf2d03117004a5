"""A card: how it stands, what is reserved of it, what it can pay; and what shoppers were refused lately."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import activity
from app.admin.people.users import Role
from app.admin.transactions import refused, search
from app.admin.transactions.cards import COUNTED, NEVER_USED, NO_ANSWER, NO_CARD, CardView, reserved_here, show_card
from app.admin.transactions.search import Wanted
from app.console.current import parts, user
from app.console.formats import cursor_read
from app.console.guard import allowed, changes_nothing
from app.console.pages._page import Page
from app.console.texts import LazyText, _, _l
from app.ledger.refusals import LOG_KEEPS, Reason

page = Page("cards", _l("Cards"), place=40)

ON_A_PAGE = 25
REFUSED_ON_A_PAGE = 50

# Beside a card: the newest of its own.
REFUSED_OF_A_CARD = 5

# What one can say on the phone.
STATUSES: dict[str, LazyText] = {
    "active": _l("The card can pay."),
    "inactive": _l("The card is not active: it was not activated yet, or was switched off."),
    "not started": _l("The card is not valid yet."),
    "expired": _l("The card has expired."),
    "frozen": _l("The card is frozen: whoever issued it has stopped it."),
    "canceled": _l("The card was canceled for good."),
    "used as often as it may be": _l("The card was used as often as it may be."),
    "in another currency": _l("The card is in another currency than the store."),
    "not for this purchase, by the backend's rules": _l("The card is not for this purchase, by the backend's rules."),
    "not used, as its id tells its code: give it another id": _l(
        "The card is never used here, as its id tells its code. It needs another id."
    ),
    "of a kind that cannot be used as a gift card": _l("The card is of a kind that cannot be used as a gift card."),
}

REASONS = {
    Reason.NO_CODE: _l("What was typed is too short or too long for a code."),
    Reason.NOT_FOUND: _l("No card has this code (or its PIN is wrong)."),
    Reason.TOO_MANY: _l("Too many wrong codes were tried from there. It works again within an hour."),
    Reason.NOT_THEIRS: _l("The card was issued for somebody else: only its owner can pay with it."),
    Reason.EMPTY: _l("Nothing is left on the card."),
    Reason.RESERVED: _l("All that is on the card is reserved for orders."),
    Reason.TOO_LITTLE: _l("Less is left on the card than was to be paid."),
    Reason.NO_CARD: _l("There is no such card, or it is somebody else's."),
    Reason.UNUSABLE: _l("The backend refused: the card cannot be used for this."),
    Reason.CONFLICT: _l("The same request came before with other contents."),
    Reason.NO_ANSWER: _l("The backend did not answer in time."),
    Reason.UNKNOWN: _l("The backend gave no clear answer. The transaction tells what became of it."),
    Reason.MOVED: _l("The provider has another account or currency now."),
}

SENTENCES = {str(key): said for key, said in [*STATUSES.items(), *REASONS.items()]}


@page.get("/cards")
@allowed(Role.VIEWER)
def index() -> str | tuple[str, int]:
    provider, card_id = request.args.get("provider", ""), request.args.get("card", "").strip()
    if not (provider and card_id):
        return _show(provider)
    _expect_provider(provider)
    card, status, more = None, 200, {}
    try:
        card = show_card(parts(), provider, card_id)
        if card.status == "active":
            more = {"said": _can_pay(card)}
    except NO_CARD:
        status, more = 404, {"problem": _("%(provider)s has no card with this id.", provider=provider)}
    except NO_ANSWER as error:
        problem = _("The backend of %(provider)s does not answer. Below is what is known here.", provider=provider)
        more = {"problem": problem, "detail": str(error)}
    after = cursor_read(request.args.get("after"))
    wanted = Wanted(provider_id=provider, card_id=card_id, asks_no_backend=card is None)
    history = search.find(parts(), wanted, ON_A_PAGE, after)
    refusals = refused.newest(parts(), REFUSED_OF_A_CARD, provider_id=provider, card_id=card_id)
    reserved = reserved_here(parts(), provider, card_id) if card is None and history.transactions else None
    found = {
        "card": card,
        "counted": COUNTED,
        "history": history,
        "refusals": refusals,
        "reserved": reserved,
        "after": after,
    }
    return _show(provider, card_id, **found, **more), status


@page.post("/cards/code")
@allowed(Role.VIEWER)
@changes_nothing
def code() -> str | tuple[str, int] | Response:
    """Find the card of a code. The code is in no address, and goes nowhere but to the backend."""
    provider = request.form.get("provider", "")
    _expect_provider(provider)
    try:
        found = search.find_card(parts(), provider, request.form.get("code", ""))
    except NO_CARD:
        activity.note(parts(), user().name, "looked for a card: none", provider)
        problem = _("No card of %(provider)s has this code.", provider=provider)
        return _show(provider, problem=problem, nothing_found=True), 404
    except NO_ANSWER:
        activity.note(parts(), user().name, "looked for a card: none", provider)
        problem = _(
            "The backend of %(provider)s does not answer: whether there is such a card is not known now. "
            "With the card's id, what is known here is shown.",
            provider=provider,
        )
        return _show(provider, problem=problem), 503
    activity.note(parts(), user().name, "looked for a card", provider)
    if found.status in NEVER_USED:
        return _show(provider, problem=str(STATUSES[found.status])), 404
    return redirect(url_for(".index", provider=provider, card=found.id), 303)


@page.get("/cards/refused")
@allowed(Role.VIEWER)
def refusals() -> str:
    provider = request.args.get("provider", "")
    if provider:
        _expect_provider(provider)
    skip = min(max(request.args.get("skip", 0, type=int), 0), 2 * LOG_KEEPS)
    found = refused.newest(parts(), REFUSED_ON_A_PAGE + 1, skip, provider or None)
    return render_template(
        "cards_refused.html",
        attempts=found[:REFUSED_ON_A_PAGE],
        why=why,
        provider=provider,
        providers=_providers(),
        skip=skip,
        next=skip + REFUSED_ON_A_PAGE if len(found) > REFUSED_ON_A_PAGE else None,
    )


def why(reason: str) -> str:
    """Return why something was refused, as a sentence."""
    return str(SENTENCES.get(reason, reason))


def _can_pay(card: CardView) -> str:
    if card.spendable:
        return str(STATUSES[card.status])
    return str(REASONS[Reason.RESERVED if card.reserved_here or card.held_there else Reason.EMPTY])


def _show(provider: str, card_id: str = "", **more: Any) -> str:
    return render_template(
        "cards.html", provider=provider, card_id=card_id, providers=_providers(), statuses=STATUSES, why=why, **more
    )


def _providers() -> list[tuple[str, str]]:
    return [(provider.id, provider.id) for provider in parts().registry.all()]


def _expect_provider(provider: str) -> None:
    if parts().registry.get(provider) is None:
        abort(404)
