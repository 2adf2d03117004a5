"""What waits for a person: what happened, what it means in money, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import attention
from app.admin.attention import Attention, Cursor, Kind
from app.admin.people.users import Role
from app.admin.transactions import by_hand, decisions, search
from app.admin.transactions.by_hand import REFUSED
from app.admin.transactions.decisions import ActKind
from app.admin.transactions.views import WORDS
from app.console.current import parts, user
from app.console.formats import money
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _, _l
from app.ledger.transaction import ActRecord, ActState, Decision, Transaction

page = Page("attention", _l("Needs attention"), place=20)

ON_A_PAGE = 20

# Of each kind: a page comes soon, whatever has happened.
LOOKED_AT = 1000

KINDS = {
    Kind.SWEEPER: _l("The service does not look"),
    Kind.DOUBT: _l("Redis may have forgotten"),
    Kind.PARKED: _l("Waits for a decision"),
    Kind.LATE: _l("Succeeded too late"),
    Kind.REFUSED: _l("Refused"),
    Kind.UNRESOLVED: _l("Unresolved for long"),
    Kind.DIFFERENCE: _l("Difference to the backend"),
    Kind.NOT_RECONCILED: _l("Not compared"),
    Kind.EXPIRING: _l("Reservation ends soon"),
}
DIFFERENCES = {
    "missing": _l("The ledger has it as done, and the backend shows nothing of it."),
    "extra": _l("The backend did something that the ledger does not have."),
    "double": _l("The backend did it more than once."),
    "amount": _l("Ledger and backend have different amounts."),
    "state": _l("The backend gave a reservation back that the ledger has as open."),
    "elsewhere": _l("Somebody else took or gave back at the backend what belongs to an order."),
    "not compared": _l("This could not be compared."),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits, in the reader's language. `proposed_by`: whose answer waits for a second person."""

    item: Attention
    kind: str
    what: str
    money: str
    remedy: str
    proposed_by: str | None = None


@page.get("/attention")
@allowed(Role.VIEWER)
def index() -> str:
    wanted, after = _kind(request.args.get("kind")), _cursor(request.args.get("after"))
    found = attention.page(parts(), ON_A_PAGE, after, (wanted,) if wanted else tuple(Kind), LOOKED_AT)
    return render_template(
        "attention.html",
        waiting=[_told(item) for item in found.items],
        next=found.after,
        after=after,
        kind=wanted,
        kinds=[(str(kind), name) for kind, name in KINDS.items()],
    )


@page.get("/attention/refused/<transaction>/<number>", defaults={"kind": Kind.REFUSED})
@page.get("/attention/late/<transaction>/<number>", defaults={"kind": Kind.LATE})
@allowed(Role.OPERATOR)
def seen(kind: Kind, transaction: str, number: str) -> str | Response:
    """Ask whether a refusal, or a success that came too late, is seen to."""
    record, act = _act(transaction, number)
    if not _waits(kind, record, act):
        return _seen_already()
    return render_template(
        "attention_seen.html",
        record=record,
        act=act,
        what=WORDS[act.kind],
        amount=money(_major(record, act), record.backend.currency.code),
        effect=_("Nothing more is told of this refusal, and no money moves.")
        if kind is Kind.REFUSED
        else _("Nothing more is told of this success, and no money moves. Correct the card at the backend first."),
    )


@page.post("/attention/refused/<transaction>/<number>", defaults={"kind": Kind.REFUSED})
@page.post("/attention/late/<transaction>/<number>", defaults={"kind": Kind.LATE})
@allowed(Role.OPERATOR)
def see_to(kind: Kind, transaction: str, number: str) -> Response:
    record, act = _act(transaction, number)
    if not _waits(kind, record, act):
        return _seen_already()
    if kind is Kind.REFUSED:
        decision = Decision(user().name, happened=False, act=act.number, give_up=True)
    else:
        decision = Decision(user().name, happened=False)
    try:
        by_hand.decide(parts(), record, decision, amount=f"{_major(record, act)} {record.backend.currency.code}")
    except REFUSED:
        return _seen_already()
    flash(_("It is seen to."), "good")
    return redirect(url_for(".index"), 303)


def _seen_already() -> Response:
    flash(_("Nothing was done: this does not wait any more."), "note")
    return redirect(url_for(".index"), 303)


def _act(transaction: str, number: str) -> tuple[Transaction, ActRecord]:
    record = search.one(parts(), transaction)
    act = next((act for act in record.acts if str(act.number) == number), None)
    return record, act or abort(404)


def _waits(kind: Kind, record: Transaction, act: ActRecord) -> bool:
    if kind is Kind.REFUSED:
        return act.state is ActState.REFUSED and not act.opens and not act.seen_to
    return record.unresolved is None and record.id in parts().index.parked()


def _kind(text: str | None) -> Kind | None:
    return Kind(text) if text in list(Kind) else None


def _cursor(text: str | None) -> Cursor | None:
    try:
        return Cursor.parse(text) if text else None
    except ValueError:
        return None  # an address that somebody has cut: the first page


def _told(item: Attention) -> Waiting:
    what, means, remedy = _sentences(item)
    return Waiting(item, str(KINDS[item.kind]), what, means, remedy, _proposed_by(item))


def _proposed_by(item: Attention) -> str | None:
    if item.kind is not Kind.PARKED or parts().settings.console_two_people_above is None or not item.transaction:
        return None
    asked = decisions.question(parts(), search.one(parts(), item.transaction))
    waits = decisions.proposed(parts(), asked) if asked else None
    return waits.by if waits else None


def _sentences(item: Attention) -> tuple[str, str, str]:
    """Return what happened, what it means in money, and what to do."""
    amount = money(item.amount, item.currency or "") if item.amount is not None else ""
    match item.kind:
        case Kind.PARKED:
            return (
                _("The backend cannot tell whether this happened: %(what)s.", what=_named(item, amount)),
                _uncertain(item, amount),
                _("Look at the card at the backend, then say what you found."),
            )
        case Kind.LATE:
            taken = item.act_kind in (ActKind.CAPTURE, ActKind.DEBIT)
            beyond = _("%(amount)s may have been given to the card beyond what the ledger has.", amount=amount)
            if taken:
                beyond = _("%(amount)s may have been taken from the card beyond what the ledger has.", amount=amount)
            return (
                _("This was refused, and happened after all, too late to count: %(what)s.", what=_named(item, amount)),
                beyond,
                _("Correct the card at the backend, then say that it is seen to."),
            )
        case Kind.REFUSED:
            return (
                _("The backend refused this: %(what)s.", what=_named(item, amount)),
                _missing(item, amount),
                _("Do it again once the card can, or say that it is seen to."),
            )
        case Kind.UNRESOLVED:
            return (
                _("Nobody knows yet what became of this: %(what)s.", what=_named(item, amount)),
                _uncertain(item, amount),
                _("The service goes on asking by itself; you can ask at once."),
            )
        case Kind.EXPIRING:
            return (
                _("The reservation of %(amount)s ends soon, and nothing has settled it.", amount=amount),
                _("%(amount)s go back to the card then, and can be settled no more.", amount=amount),
                _("Settle what was delivered, in VTEX or here. To let it end, do nothing."),
            )
    return _of_the_whole(item)


def _of_the_whole(item: Attention) -> tuple[str, str, str]:
    unknown = _("Whether ledger and backend agree on the money is not known.")
    match item.kind:
        case Kind.SWEEPER:
            return (
                _("Unfinished transactions are not looked at."),
                _("Interrupted settlements and cancellations stay open until they are."),
                _("See that the service runs, and what its log says was left for later. This looks once, by hand:"),
            )
        case Kind.DOUBT:
            return (
                _("Redis may have forgotten changes."),
                _("Open orders of before are not given back by themselves until they are compared with VTEX."),
                _("Compare the orders that this lists with VTEX, on the machine of the service:"),
            )
        case Kind.DIFFERENCE:
            return (
                str(DIFFERENCES[item.difference]) if item.difference in DIFFERENCES else str(item.difference),
                "",
                _("See there what mends it."),
            )
    if item.provider is None:
        return (
            _("No scheduled comparison with the backends has finished for too long."),
            unknown,
            _("See what the service's log says of it, and compare now."),
        )
    return (
        _("The backend could not be asked about everything that the ledger has."),
        unknown,
        _("Mend that, and compare again."),
    )


def _named(item: Attention, amount: str) -> str:
    match item.act_kind:
        case ActKind.CAPTURE:
            return _("the settlement of %(amount)s", amount=amount)
        case ActKind.REVERSAL:
            return _("the cancellation of %(amount)s", amount=amount)
    return _("the authorization of %(amount)s", amount=amount)


def _uncertain(item: Attention, amount: str) -> str:
    match item.act_kind:
        case ActKind.DEBIT:
            return _("%(amount)s may be reserved for it, or gone from the card, or not.", amount=amount)
        case ActKind.CREDIT:
            return _("%(amount)s may be on the card, or not.", amount=amount)
        case ActKind.REVERSAL:
            return _("%(amount)s may be back on the card, or not.", amount=amount)
    return _("%(amount)s may have been taken, or not.", amount=amount)


def _missing(item: Attention, amount: str) -> str:
    missing = _("%(amount)s were not given back, nor was anything like it since.", amount=amount)
    if item.act_kind is ActKind.CAPTURE:
        missing = _("%(amount)s were not taken, nor was anything like it since.", amount=amount)
    if item.own_wish:
        return missing + " " + _("The service tries it again once a day.")
    return missing


def _major(record: Transaction, act: ActRecord) -> Decimal:
    return record.backend.currency.to_decimal(act.amount)
