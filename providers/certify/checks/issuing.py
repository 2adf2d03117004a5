"""ISSUE: new cards. They stay, empty, at the provider: nothing of the protocol removes a card."""

from __future__ import annotations

from decimal import Decimal

from providers.certify.check import GUIDE, OPENAPI, Chapter, Severity, expect
from providers.certify.session import Json, Session, new_relation_name

CHAPTER = Chapter("ISSUE")
check = CHAPTER.check


def _issued(hub: Session, name: str | None = None) -> dict[str, Json]:
    """Issue a card, of this relationName or a new one. Raises NotTried where the provider issues none."""
    return hub.issue(name).object()


@check(1, Severity.ORDERS, OPENAPI, "VTEX has no code to send to the customer, who never gets their money.")
def fields(hub: Session) -> None:
    """Answer with id, redemptionCode and balance."""
    issued = _issued(hub)
    missing = [name for name in ("id", "redemptionCode", "balance") if name not in issued]
    expect(not missing, f"the answer has no {', '.join(missing)}")


@check(2, Severity.MONEY, GUIDE, "A customer gets money that nobody has credited.")
def empty(hub: Session) -> None:
    """Issue a card with a balance of 0."""
    found = Decimal(str(_issued(hub)["balance"]))
    expect(found == 0, f"a new card has a balance of {found}")


@check(3, Severity.ORDERS, GUIDE, "VTEX asks again where it had no answer: the customer has two cards.")
def once(hub: Session) -> None:
    """Issue one card for one relationName and profileId."""
    name = new_relation_name()
    first, second = _issued(hub, name), _issued(hub, name)
    expect(first["id"] == second["id"], "the same relationName and profileId got another card")
