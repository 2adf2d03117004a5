"""What the ledger's words are called on a page, in words one can say on the phone."""

from __future__ import annotations

from app.console.texts import _l

WORDS = {
    # Roles
    "viewer": _l("viewer"),
    "operator": _l("operator"),
    "owner": _l("owner"),
    # Transactions
    "pending": _l("not known yet"),
    "authorized": _l("reserved"),
    "closed": _l("closed"),
    "expired": _l("given back: its time was over"),
    "declined": _l("declined"),
    "abandoned": _l("given up and undone"),
    "unresolved": _l("unresolved"),
    # Acts
    "accepted": _l("promised, not yet done"),
    "done": _l("done"),
    "refused": _l("refused"),
    "parked": _l("waits for a person"),
    "debit": _l("debit"),
    "credit": _l("credit"),
    "authorization": _l("authorization"),
    "settlement": _l("settlement"),
    "cancellation": _l("cancellation"),
    # What was done, in a history
    "step done": _l("one step of it is done"),
    "opened": _l("begun"),
    "late": _l("succeeded after it had been refused"),
    "late, not counted": _l("succeeded after it had been refused; not counted"),
    "decided": _l("decided by a person"),
    "seen to": _l("seen to by a person"),
    "unknown": _l("no clear answer"),
    "promise broken": _l("promised, and refused"),
    "restored": _l("written down anew, from the backend's statement"),
    # Why an act is there
    "request": _l("VTEX"),
    "by hand": _l("by hand"),
    "remainder": _l("the service: the rest goes back"),
    "elsewhere": _l("somebody else, at the backend"),
    # Cards
    "active": _l("active"),
    "inactive": _l("not active"),
    "not started": _l("not valid yet"),
    "frozen": _l("frozen"),
    "canceled": _l("canceled"),
    "used as often as it may be": _l("used as often as it may be"),
    "in another currency": _l("in another currency"),
    "not for this purchase, by the backend's rules": _l("not for this purchase, by the backend's rules"),
    "not used, as its id tells its code: give it another id": _l("its id tells its code: give it another id"),
    "of a kind that cannot be used as a gift card": _l("of a kind that cannot be used as a gift card"),
    # What people do at the console, and what is told of it
    "settle": _l("settle"),
    "void": _l("give back what is reserved"),
    "refund": _l("refund"),
    "cancel": _l("cancel"),
    "resolve": _l("ask the backend again"),
    "looked for a card": _l("looked for a card"),
    "looked for a card: none": _l("looked for a card that was not found"),
    "outcome": _l("outcome"),
    "add user": _l("add user"),
    "change role": _l("change role"),
    "disable user": _l("disable user"),
    "enable user": _l("enable user"),
    "reset user": _l("reset user"),
    "end sessions": _l("end sessions"),
    "compare with backends": _l("compare with backends"),
    "add key": _l("add key"),
    "revoke key": _l("revoke key"),
    "register": _l("register"),
    "unregister": _l("unregister"),
    "key": _l("key"),
    "store": _l("store"),
    "stores": _l("stores"),
    "repair differences": _l("repair differences"),
    "role": _l("role"),
    "before": _l("before"),
    "after": _l("after"),
    "amount": _l("amount"),
    "reason": _l("reason"),
    "decide": _l("decide"),
    "propose": _l("propose a decision"),
    "withdraw": _l("withdraw a proposed decision"),
    "decision": _l("decision"),
    "reference": _l("reference"),
    "happened": _l("it happened"),
    "did not happen": _l("it did not happen"),
    "given up": _l("given up"),
    # How a try to sign in ended
    "signed in": _l("signed in"),
    "wrong name, password or code": _l("wrong name, password or code"),
    "too many tries": _l("too many tries"),
    "signed out": _l("signed out"),
    "chose a password": _l("chose a password"),
    "signed in with single sign-on": _l("signed in with single sign-on"),
    "single sign-on: may not come in": _l("single sign-on: may not come in"),
    # Holds
    "native": _l("reserved at the backend"),
    "ledger": _l("reserved here"),
    "upfront": _l("taken at once"),
}


def word(name: str) -> str:
    """Return what something is called; what has no such name stays as it is."""
    return str(WORDS.get(str(name), name))
