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
    # Holds
    "native": _l("reserved at the backend"),
    "ledger": _l("reserved here"),
    "upfront": _l("taken at once"),
}


def word(name: str) -> str:
    """Return what something is called; what has no such name stays as it is."""
    return str(WORDS.get(str(name), name))
