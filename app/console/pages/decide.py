"""Decide: what no backend can tell of an act, a person finds out and says; above an amount, two persons do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import activity
from app.admin.people.users import Role
from app.admin.transactions import by_hand, decisions, search
from app.admin.transactions.by_hand import MAYBE, REFUSED
from app.admin.transactions.decisions import ActKind, Follows, Found, Proposal, Question, Verb
from app.admin.transactions.views import show
from app.console import proof
from app.console.current import parts, user
from app.console.formats import money
from app.console.guard import allowed, may
from app.console.pages._page import Page
from app.console.pages.transaction import REASON_LENGTH
from app.console.texts import _, _l
from app.ledger.transaction import ActState, Decision, Transaction

page = Page("decide", _l("Decide"))

REFERENCE_LENGTH = 200

Answer = str | tuple[str, int] | Response

ANSWERS = {
    Found.HAPPENED: _l("It happened"),
    Found.DID_NOT_HAPPEN: _l("It did not happen"),
    Found.GIVE_UP: _l("It did not happen and never can: give it up"),
}
SENT = {
    Verb.HOLD: _l("reserve"),
    Verb.DEBIT: _l("take from the card"),
    Verb.CREDIT: _l("add to the card"),
    Verb.CAPTURE: _l("take what is reserved"),
    Verb.VOID: _l("give back what is reserved"),
    Verb.REFUND: _l("give back what was taken"),
    Verb.LOOK: _l("read the balance"),
}
# Of the evidence, what is an amount.
AMOUNTS = {
    "amount": _l("Amount sent"),
    "asked": _l("Amount sent"),
    "moved": _l("Amount that moved"),
    "balance_before": _l("Balance before"),
    "balance": _l("Balance at the last look"),
    "balance_now": _l("Balance at the last look"),
    "redeemed_before": _l("Redeemed in all before"),
    "redeemed": _l("Redeemed in all at the last look"),
}
YES_OR_NO = {"list_complete": _l("The list was complete")}


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, and of which act and step."""

    act: int
    step: int
    found: Found | None
    reference: str = ""
    reason: str = ""

    @classmethod
    def of(cls, typed: Mapping[str, str]) -> Form:
        try:
            act, step = int(typed["act"]), int(typed["step"])
            found = Found(typed["found"]) if typed.get("found") else None
        except ValueError:
            abort(400)
        reference = typed.get("reference", "").strip()[:REFERENCE_LENGTH] if found is Found.HAPPENED else ""
        return cls(act, step, found, reference, typed.get("reason", "").strip()[:REASON_LENGTH])

    @property
    def typed(self) -> dict[str, str]:
        found = str(self.found or "")
        about = {"act": str(self.act), "step": str(self.step)}
        return about | {"found": found, "reference": self.reference, "reason": self.reason}

    def is_about(self, asked: Question | None) -> bool:
        return asked is not None and (self.act, self.step) == (asked.act.number, asked.step)


@page.get("/transactions/<transaction>/decide")
@allowed(Role.VIEWER)
def index(transaction: str) -> Answer:
    record = search.one(parts(), transaction)
    if (typed := proof.kept()) is not None and may(Role.OPERATOR):
        return _answer(record, Form.of(typed))
    asked = decisions.question(parts(), record)
    if asked is None:
        flash(_("Nothing of this order waits for a decision."), "note")
        return redirect(url_for("transaction.index", transaction=record.id), 303)
    return _ask(asked, Form(asked.act.number, asked.step, None))


@page.post("/transactions/<transaction>/decide/answer")
@allowed(Role.OPERATOR)
def send(transaction: str) -> Answer:
    """Show what an answer leads to; once that is confirmed, go on by it, or leave it for a second person."""
    return _answer(search.one(parts(), transaction), Form.of(request.form))


def _answer(record: Transaction, sent: Form) -> Answer:
    asked = decisions.question(parts(), record)
    if asked is None or not sent.is_about(asked):
        return _too_late(record, sent.act)
    if sent.found is None or sent.found not in asked.choices:
        return _ask(asked, sent, found_error=_("Say what you found at the backend.")), 422
    if asked.needs_reference and sent.found is Found.HAPPENED and not sent.reference:
        return _ask(asked, sent, reference_error=_("Paste the backend's own id: it is not believed without.")), 422
    if not sent.reason:
        return _ask(asked, sent, reason_error=_("Say what you saw: who looks at this order later wants to know.")), 422
    decision = asked.decision(user().name, sent.found, sent.reference)
    if (refused := _checked(asked, sent, decision)) is not None:
        return refused
    if request.form.get("confirmed") != "yes":
        return _confirm(asked, sent)
    if needs_proof(asked) and (problem := proof.problem()):
        return _confirm(asked, sent, error=problem), 403
    if decisions.needs_two(parts(), asked):
        return _propose(asked, Proposal.new(user().name, sent.found, sent.reference, sent.reason))
    return _carry_out(asked, decision, sent.reason)


@page.post("/transactions/<transaction>/decide/proposal")
@allowed(Role.OPERATOR)
def proposal(transaction: str) -> Answer:
    """Confirm what another person has proposed, or withdraw it."""
    record, sent = search.one(parts(), transaction), Form.of(request.form)
    asked = decisions.question(parts(), record)
    if asked is None or not sent.is_about(asked):
        return _too_late(record, sent.act)
    waits = decisions.proposed(parts(), asked)
    if waits is None or waits.id != request.form.get("proposal"):
        return _back(asked, _("Nothing was done: this proposal does not wait any more."))
    if request.form.get("withdraw") == "yes":
        if not decisions.take(parts(), asked, waits):
            return _back(asked, _("Nothing was done: this proposal does not wait any more."))
        activity.note(parts(), user().name, "withdraw", record.id, **_details(asked, waits))
        return _back(asked, _("The proposal is withdrawn: nothing was decided."), "note")
    if waits.by == user().name:
        return _back(asked, _("Nothing was done: another person has to confirm what you have proposed."))
    decision = asked.decision(f"{waits.by}, {user().name}", waits.found, waits.reference)
    if (refused := _checked(asked, sent, decision)) is not None:
        return refused
    if needs_proof(asked) and (problem := proof.problem()):
        return _ask(asked, sent, not_proved=problem), 403
    if not decisions.take(parts(), asked, waits):
        return _back(asked, _("Nothing was done: this proposal does not wait any more."))
    return _carry_out(asked, decision, waits.reason)


def needs_proof(asked: Question) -> bool:
    return asked.record.backend.currency.to_decimal(asked.act.amount) > parts().settings.console_password_above


def _checked(asked: Question, sent: Form, decision: Decision) -> Answer | None:
    """Return what to answer where the backend does not bear a decision out; None where it does."""
    try:
        by_hand.check(parts(), asked.record, decision)
    except MAYBE as error:
        problem = _("This cannot be so, or the backend cannot be asked now. Nothing was done.")
        return _ask(asked, sent, problem=problem, detail=str(error)), 422
    except REFUSED as error:
        wrong = _("The backend has nothing like this under this reference. Nothing was done: look again.")
        return _ask(asked, sent, reference_error=wrong, detail=str(error)), 422
    return None


def _propose(asked: Question, waits: Proposal) -> Response:
    if not decisions.propose(parts(), asked, waits):
        return _back(asked, _("Nothing was done: somebody has proposed an answer meanwhile. Look at that first."))
    activity.note(parts(), user().name, "propose", asked.record.id, **_details(asked, waits), reason=waits.reason)
    return _back(asked, _("It is proposed. Nothing is done until another person confirms it."), "note")


def _carry_out(asked: Question, decision: Decision, reason: str) -> Response:
    record, before = asked.record, len(decisions.made(parts(), asked.record))
    try:
        after = by_hand.decide(parts(), record, decision, amount=_plain_amount(asked), reason=reason)
    except (*MAYBE, *REFUSED) as error:
        after = search.one(parts(), record.id)
        if decision.by not in decisions.made(parts(), record)[before:]:
            still = decisions.question(parts(), after)
            if still is None or (still.act.number, still.step) != (asked.act.number, asked.step):
                return _too_late(after, asked.act.number)
            return _back(asked, _("Nothing was done: somebody is at it right now. (%(detail)s)", detail=str(error)))
    match after.acts[asked.act.number].state:
        case ActState.DONE:
            flash(_("Decided: it is done."), "good")
        case ActState.REFUSED:
            flash(_("Decided: it is refused."), "good")
        case ActState.PARKED:
            flash(_("Decided, and the backend still cannot tell of it: look again."), "problem")
        case _:
            flash(_("Decided. The service goes on with it by itself."), "note")
    return redirect(url_for("transaction.index", transaction=record.id), 303)


def _too_late(record: Transaction, act: int) -> Response:
    """Say what is true now, where somebody was quicker."""
    story = show(parts(), record)
    # An event of a decision does not name its act: it is about the one that was open then.
    begun = [one.date for one in story.acts if one.number == act]
    events = [event for event in story.events if event.what == "decided" and begun and event.date >= begun[0]]
    if events:
        last = events[-1]
        said = _("Nothing was done: %(who)s decided this meanwhile (%(what)s).", who=last.by, what=last.detail)
    else:
        said = _("Nothing was done: this does not wait for a decision any more.")
    flash(said + " " + _("This is how it stands now."), "problem")
    still = decisions.question(parts(), record) is not None
    return redirect(url_for(".index" if still else "transaction.index", transaction=record.id), 303)


def _back(asked: Question, said: str, kind: str = "problem") -> Response:
    flash(said, kind)
    return redirect(url_for(".index", transaction=asked.record.id), 303)


def _plain_amount(asked: Question) -> str:
    """Return the amount of the act as activity keeps it."""
    currency = asked.record.backend.currency
    return f"{currency.to_decimal(asked.act.amount)} {currency.code}"


def _details(asked: Question, waits: Proposal) -> dict[str, str]:
    decision = asked.decision(waits.by, waits.found, waits.reference)
    return by_hand.told_of(decision) | {"amount": _plain_amount(asked)}


def _ask(asked: Question, sent: Form, not_proved: str | None = None, **more: Any) -> str:
    story = show(parts(), asked.record)
    waits = decisions.proposed(parts(), asked)
    return render_template(
        "decide.html",
        asked=asked,
        sent=sent,
        story=story,
        amount=_amount(asked, asked.amount),
        does=SENT.get(asked.verb) if asked.verb else None,
        seen=_seen(asked),
        error=asked.act.error,
        answers=[(found, ANSWERS[found], effect(asked, found)) for found in asked.choices],
        events=[event for event in story.events if event.act in (None, asked.act.number)],
        two=decisions.needs_two(parts(), asked),
        waits=waits,
        waits_effect=effect(asked, waits.found) if waits else None,
        own=waits is not None and waits.by == user().name,
        prove=proof.asked(_address(asked), None, not_proved) if waits and needs_proof(asked) else None,
        **more,
    )


def _confirm(asked: Question, sent: Form, error: str | None = None) -> str:
    if sent.found is None:
        abort(400)
    return render_template(
        "decide_confirm.html",
        asked=asked,
        sent=sent,
        answer=ANSWERS[sent.found],
        effect=effect(asked, sent.found),
        two=decisions.needs_two(parts(), asked),
        prove=proof.asked(_address(asked), sent.typed, error) if needs_proof(asked) else None,
    )


def _address(asked: Question) -> str:
    return url_for(".index", transaction=asked.record.id)


def _seen(asked: Question) -> list[tuple[str, str]]:
    """Return what the backend was seen to have: amounts as such, everything else as the mapper calls it."""
    seen = []
    for name, value in asked.evidence.items():
        if isinstance(value, bool):
            seen.append((str(YES_OR_NO.get(name, name)), _("yes") if value else _("no")))
        elif isinstance(value, int) and name in AMOUNTS:
            seen.append((str(AMOUNTS[name]), _amount(asked, value)))
        elif value is not None:
            seen.append((name, str(value)))
    return seen


def _amount(asked: Question, minor: int) -> str:
    currency = asked.record.backend.currency
    return money(currency.to_decimal(minor), currency.code)


def effect(asked: Question, found: Found) -> str:
    """Say in the reader's language what an answer means in money."""
    match asked.choices[found]:
        case Follows.GOES_ON:
            return _("This step counts as done. The service goes on with the steps after it by itself.")
        case Follows.DONE:
            return _done(asked)
        case Follows.SENT_AGAIN:
            return _sent_again(asked)
    refused = _refused(asked, gives_up=found is Found.GIVE_UP)
    if found is Found.GIVE_UP and asked.choices[Found.DID_NOT_HAPPEN] is Follows.REFUSED:
        return refused + " " + _("Here this is the same as the answer above.")
    return refused


def _done(asked: Question) -> str:
    record, amount = asked.record, _amount(asked, asked.act.amount)
    match asked.act.kind:
        case ActKind.DEBIT if asked.verb is Verb.HOLD:
            return _("The payment counts: %(amount)s stay reserved on the card for this order.", amount=amount)
        case ActKind.DEBIT:
            return _("The payment counts: %(amount)s were taken from the card for this order.", amount=amount)
        case ActKind.CREDIT:
            return _("%(amount)s were added to the card. Nothing more is sent.", amount=amount)
        case ActKind.REVERSAL:
            return _("%(amount)s are back on the card. Nothing more is given back.", amount=amount)
    settled = _("The order is settled: %(amount)s were taken from the card. Nothing more is taken.", amount=amount)
    if record.rest:
        return settled + " " + _("%(rest)s stay reserved.", rest=_amount(asked, record.rest))
    return settled + " " + _("Nothing stays reserved.")


def _sent_again(asked: Question) -> str:
    amount = _amount(asked, asked.amount)
    again = _("It is sent to the backend once more, now: %(amount)s move, if the backend agrees.", amount=amount)
    if asked.act.promised:
        return again + " " + _("VTEX was told already that it is done.")
    return again


def _refused(asked: Question, *, gives_up: bool) -> str:
    amount = _amount(asked, asked.act.amount)
    match asked.act.kind:
        case ActKind.DEBIT:
            ends = _("The payment is refused: nothing is reserved or taken, and the order is not paid with this card.")
        case ActKind.CREDIT:
            ends = _("It is refused: nothing was added to the card.")
        case ActKind.CAPTURE:
            ends = _("The settlement is refused: %(amount)s were not taken, and stay reserved.", amount=amount)
        case ActKind.REVERSAL:
            ends = _("The cancellation is refused: %(amount)s did not go back to the card.", amount=amount)
    if not asked.act.asked_for:
        return ends + " " + _("The service tries it again once a day, until somebody has seen to it.")
    if gives_up and asked.act.promised:
        return ends + " " + _("VTEX was told that it is done: tell the store that it is not.")
    if asked.act.opens:
        return ends
    return ends + " " + _("It can be asked for again, by VTEX or by hand.")
