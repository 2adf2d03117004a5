"""ISSUE: new cards. They stay, empty, at the provider: nothing of the protocol removes a card."""

from __future__ import annotations

import secrets
from decimal import Decimal

from providers.certify.check import GUIDE, OPENAPI, Chapter, NotTried, Severity, expect
from providers.certify.session import Json, Session

CHAPTER = Chapter("ISSUE")
check = CHAPTER.check


def _issued(hub: Session, name: str) -> dict[str, Json]:
    """Issue a card of this relationName. Raises NotTried where the provider issues none."""
    if not hub.target.issue:
        raise NotTried("give --issue to have new cards made, which stay at the provider without money")
    body = {"relationName": name, "caption": "Certify", "profileId": "certify@example.com", "currencyCode": None}
    answer = hub.call("POST", "/giftcards", body)
    if 400 <= answer.status < 500:
        raise NotTried("the provider issues no cards")
    issued = answer.object()
    hub.hide(issued.get("redemptionCode"), issued.get("redemptionToken"))
    return issued


@check(1, Severity.ORDERS, OPENAPI, "VTEX has no code to send to the customer, who never gets their money.")
def fields(hub: Session) -> None:
    """Answer with id, redemptionCode and balance."""
    issued = _issued(hub, _name())
    missing = [name for name in ("id", "redemptionCode", "balance") if name not in issued]
    expect(not missing, f"the answer has no {', '.join(missing)}")


@check(2, Severity.MONEY, GUIDE, "A customer gets money that nobody has credited.")
def empty(hub: Session) -> None:
    """Issue a card with a balance of 0."""
    found = Decimal(str(_issued(hub, _name())["balance"]))
    expect(found == 0, f"a new card has a balance of {found}")


@check(3, Severity.ORDERS, GUIDE, "VTEX asks again where it had no answer: the customer has two cards.")
def once(hub: Session) -> None:
    """Issue one card for one relationName and profileId."""
    name = _name()
    first, second = _issued(hub, name), _issued(hub, name)
    expect(first["id"] == second["id"], "the same relationName and profileId got another card")


def _name() -> str:
    return f"certify-{secrets.token_hex(8)}"
