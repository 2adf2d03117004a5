"""One transaction: where its money is, what was done to it, and what can be done now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import activity
from app.admin.people.users import Role
from app.admin.transactions import by_hand, search, views
from app.admin.transactions.by_hand import MAYBE, REFUSED, Action, Intent, Order, Repeated
from app.admin.transactions.search import Ambiguous
from app.admin.transactions.views import Story, Summary, show
from app.console import proof
from app.console.current import parts, user
from app.console.formats import WrongAmount, amount_typed, day, money, new_request_id
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _, _l
from app.ledger.errors import AmountExceeded
from app.ledger.milliseconds import moment
from app.ledger.transaction import Operation, State, Transaction

page = Page("transaction", _l("Transaction"))

Answer = str | tuple[str, int] | Response

REASON_LENGTH = 500
REQUEST_ID = re.compile(r"console-[0-9a-f]{24}")

TITLES = {
    Action.SETTLE: _l("Settle"),
    Action.VOID: _l("Give back what is reserved"),
    Action.REFUND: _l("Refund what was settled"),
}


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, and the requestId under which it is done once, however often it is sent."""

    amount: str
    reason: str
    request_id: str
    again: bool

    @classmethod
    def of(cls, typed: Mapping[str, str]) -> Form:
        request_id = typed.get("request_id", "")
        # Of no other kind: it could be the name of what VTEX has asked for.
        if REQUEST_ID.fullmatch(request_id) is None:
            abort(400)
        reason = typed.get("reason", "").strip()[:REASON_LENGTH]
        return cls(typed.get("amount", ""), reason, request_id, typed.get("again") == "yes")

    @property
    def typed(self) -> dict[str, str]:
        again = "yes" if self.again else ""
        return {"amount": self.amount, "reason": self.reason, "request_id": self.request_id, "again": again}


@page.get("/transactions/<transaction>")
@allowed(Role.VIEWER)
def index(transaction: str) -> str | Response:
    try:
        record = search.one(parts(), transaction)
    except Ambiguous:
        return redirect(url_for("transactions.index", name=transaction), 303)
    return render_template(
        "transaction.html",
        story=(story := show(parts(), record)),
        possible=by_hand.possible(record),
        titles=TITLES,
        reasons={act.number: activity.reason(parts(), act.request_id) for act in story.acts if act.by},
        shares=shares(story),
        in_words=_in_words(story.transaction),
    )


@allowed(Role.OPERATOR)
def form(transaction: str, action: Action) -> Answer:
    """The form of an action, with all there is as its amount, or the `amount` that the address names.

    Where it was filled in before, and is come back to, what it will do.
    """
    record = search.one(parts(), transaction)
    if (typed := proof.kept()) is not None:
        return _answer(record, action, Form.of(typed))
    most = by_hand.possible(record).get(action)
    if most is None:
        flash(_impossible(), "problem")
        return redirect(url_for(".index", transaction=record.id), 303)
    empty = Form(money(_suggested(most), ""), "", new_request_id(), again=False)
    return _ask(record, action, empty)


@allowed(Role.OPERATOR)
def send(transaction: str, action: Action) -> Answer:
    """Show what an action will do; once that is confirmed, do it."""
    return _answer(search.one(parts(), transaction), action, Form.of(request.form))


def _answer(record: Transaction, action: Action, sent: Form) -> Answer:
    order = Order(user().name, sent.request_id, again=sent.again)
    try:
        amount = amount_typed(sent.amount)
        intent = by_hand.intend(parts(), action, record, amount, order)
    except WrongAmount as wrong:
        return _ask(record, action, sent, amount_error=str(wrong)), 422
    except Repeated as repeated:
        return _ask(record, action, sent, repeated=repeated), 409
    except AmountExceeded:
        return _ask(record, action, sent, amount_error=_too_much(record, action)), 422
    except REFUSED as refused:
        return _ask(record, action, sent, amount_error=_impossible(), detail=str(refused)), 422
    if not sent.reason:
        return _ask(record, action, sent, reason_error=_("Say why: who looks at this order later wants to know.")), 422
    needs_proof = amount > parts().settings.console_password_above and not intent.came_before
    # The amount as it was shown: in another language, chosen meanwhile, what was typed may be another amount.
    if request.form.get("confirmed") != str(amount):
        return _confirm(intent, action, sent, amount, needs_proof=needs_proof)
    if needs_proof and (problem := proof.problem()):
        return _confirm(intent, action, sent, amount, needs_proof=True, error=problem), 403
    return _carry_out(intent, sent, amount)


for _action in Action:
    page.add_url_rule(f"/transactions/<transaction>/{_action}", "form", form, defaults={"action": _action})
    page.add_url_rule(
        f"/transactions/<transaction>/{_action}", "send", send, defaults={"action": _action}, methods=["POST"]
    )


@page.post("/transactions/<transaction>/resolve")
@allowed(Role.OPERATOR)
def resolve(transaction: str) -> Response:
    """Ask the backend once more about what is unresolved, now instead of at the next sweep."""
    record = search.one(parts(), transaction)
    try:
        after = by_hand.retry(parts(), record, user().name)
    except REFUSED as error:
        flash(_("It is still not known: the backend does not tell. (%(detail)s)", detail=str(error)), "problem")
    else:
        if after.unresolved is None:
            flash(_("It is known now."), "good")
        else:
            flash(_("It is still not known. The service asks again by itself."), "note")
    return redirect(url_for(".index", transaction=record.id), 303)


def _suggested(most: Decimal) -> Decimal:
    """Return the amount that a link to the form names, where there is so much."""
    try:
        amount = Decimal(request.args.get("amount", ""))
        fits = 0 < amount <= most
    except InvalidOperation:
        return most
    return amount if fits else most


def _carry_out(intent: Intent, sent: Form, amount: Decimal) -> Response:
    record, shown = intent.record, money(amount, intent.record.backend.currency.code)
    try:
        done = by_hand.carry_out(parts(), intent, sent.reason)
    except MAYBE as error:
        lost = _(
            "The answer was lost: it may have happened, and the service finds out by itself. (%(detail)s)", detail=error
        )
        flash(lost, "problem")
    except REFUSED as refused:
        flash(_("It was refused, and no money moved. (%(detail)s)", detail=refused), "problem")
    else:
        if intent.came_before:
            flash(_("This form was sent before: nothing moved twice."), "note")
        elif done.act.state == "done":
            flash(_("Done: %(amount)s.", amount=shown), "good")
        else:
            flash(_("It is on record, and the service finishes it by itself: %(amount)s.", amount=shown), "note")
    return redirect(url_for(".index", transaction=record.id), 303)


def _ask(record: Transaction, action: Action, sent: Form, **more: Any) -> str:
    most = by_hand.possible(record).get(action)
    return render_template(
        "transaction_form.html",
        record=record,
        title=TITLES[action],
        sent=sent,
        most=most,
        currency=_code(record),
        **more,
    )


def _confirm(
    intent: Intent, action: Action, sent: Form, amount: Decimal, *, needs_proof: bool, error: str | None = None
) -> str:
    back = url_for(".form", transaction=intent.record.id, action=action)
    return render_template(
        "transaction_confirm.html",
        record=intent.record,
        title=TITLES[action],
        sent=sent,
        amount=amount,
        effect=_effect(intent, action),
        prove=proof.asked(back, sent.typed, error) if needs_proof else None,
    )


def _effect(intent: Intent, action: Action) -> str:
    """Say in the reader's language exactly what will move, where, and what is left."""
    record = intent.record
    currency = record.backend.currency

    def shown(minor: int) -> str:
        return money(currency.to_decimal(minor), currency.code)

    if intent.came_before:
        return _("This form was sent before: nothing moves twice.")
    amount, provider = shown(intent.amount), record.provider_id
    if action is Action.REFUND:
        settled = shown(record.captured - record.refunded)
        return _(
            "Gives %(amount)s of the %(settled)s that were settled back to the card, at %(provider)s.",
            amount=amount,
            settled=settled,
            provider=provider,
        )
    text = _("Gives %(amount)s of the %(reserved)s that are reserved back to the card, at %(provider)s.")
    if action is Action.SETTLE:
        text = _("Takes %(amount)s of the %(reserved)s that are reserved, at %(provider)s.")
    effect = text % {"amount": amount, "reserved": shown(record.rest), "provider": provider}
    rest = record.rest - intent.amount
    if not rest:
        return effect + " " + _("Nothing stays reserved.")
    if record.expires_at:
        until = day(moment(record.expires_at))
        return effect + " " + _("%(rest)s stay reserved until %(until)s.", rest=shown(rest), until=until)
    return effect + " " + _("%(rest)s stay reserved.", rest=shown(rest))


def _impossible() -> str:
    return _("This is not possible, or not any more: look at the transaction.")


def _too_much(record: Transaction, action: Action) -> str:
    most = by_hand.possible(record).get(action)
    if most is None:
        return _impossible()
    return _("This is not possible: at most %(most)s.", most=money(most, _code(record)))


def _code(record: Transaction) -> str:
    return record.backend.currency.code


def _in_words(one: Summary) -> str:
    """Say how it stands as one would on the phone."""
    settled, back = money(one.settled, one.currency), money(one.voided + one.refunded, one.currency)
    if one.unresolved:
        return _("What became of the last of it is not known yet.")
    match one.state:
        case views.DECLINED:
            return _("The payment was refused: no money moved.")
        case State.ABANDONED:
            return _("Nobody came back for it: it was given up, and undone.")
        case State.PENDING:
            return _("It is not known yet whether the payment happened.")
        case _ if one.operation is not Operation.DEBIT:
            return _("It was added to the card.")
        case State.EXPIRED:
            return _("Its time was over: what was not settled went back to the card.")
        case State.AUTHORIZED if not one.settled and not one.voided:
            return _("All of it is reserved on the card; nothing was taken yet.")
        case State.AUTHORIZED:
            reserved = money(one.reserved, one.currency)
            return _("%(settled)s were taken, %(reserved)s are still reserved.", settled=settled, reserved=reserved)
    if not one.voided + one.refunded:
        return _("All of it was taken.")
    return _("%(settled)s were taken, %(back)s went back to the card.", settled=settled, back=back)


def shares(story: Story) -> list[tuple[str, Decimal, str]]:
    """Return what became of the amount, for its bar: name, amount and kind."""
    one = story.transaction
    if one.operation is not Operation.DEBIT or one.state in (views.DECLINED, State.ABANDONED):
        return []
    shares = [
        (_("Settled and kept"), one.settled - one.refunded, "taken"),
        (_("Refunded"), one.refunded, "refunded"),
        (_("Given back unused"), one.voided, "voided"),
        (_("Still reserved"), one.reserved, "held"),
    ]
    return [*shares, (_("Not known yet"), one.uncertain, "unknown")] if one.uncertain else shares
