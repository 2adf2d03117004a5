"""CANCEL: cancellations. Before settlement they free what is reserved; after it they are refunds."""

from __future__ import annotations

from decimal import Decimal

from providers.certify.check import GUIDE, KNOWN_ISSUES, OPENAPI, Chapter, Severity, expect
from providers.certify.checks.settlements import conflicting, halves, once, total_after_lost
from providers.certify.session import CANCELLATIONS, SETTLEMENTS, Opened, Session

CHAPTER = Chapter("CANCEL")
check = CHAPTER.check

TWICE = "VTEX sends a call again where it had no answer: the shopper gets the money twice."
TOO_MUCH = "The shopper gets back more than they paid."
KEPT = "VTEX tells the shopper that the money is back, and it is not."
SUMS = "VTEX sums the list and posts what is missing: it gives back again what was given back."


def _gives(hub: Session, opened: Opened, value: Decimal) -> None:
    before = hub.balance()
    hub.done(opened, CANCELLATIONS, value)
    found = hub.balance()
    expect(found == before + value, f"the balance was {before}, {value} were canceled, and it is {found}")


@check(1, Severity.ORDERS, GUIDE, "VTEX reads anything but an array as an error, and never cancels.")
def empty_list(hub: Session) -> None:
    """Answer the cancellations of a new transaction with an empty array."""
    found = hub.get(f"{hub.opened(hub.share()).path}/cancellations").array()
    expect(found == [], "a new transaction has cancellations")


@check(2, Severity.MONEY, GUIDE, KEPT)
def whole(hub: Session) -> None:
    """Give the whole value back at once."""
    opened = hub.opened(hub.share())
    _gives(hub, opened, opened.value)


@check(3, Severity.MONEY, GUIDE, SUMS)
def list_is_complete(hub: Session) -> None:
    """List every cancellation, so that the sum is what was canceled."""
    opened, half = halves(hub)
    for _ in range(2):
        hub.done(opened, CANCELLATIONS, half)
    found = hub.total(opened, CANCELLATIONS)
    expect(found == 2 * half, f"the list sums up to {found} instead of {2 * half}")


@check(4, Severity.ORDERS, GUIDE, "An item that is taken out of the order is not given back.")
def in_parts(hub: Session) -> None:
    """Cancel in parts."""
    opened, half = halves(hub)
    hub.done(opened, CANCELLATIONS, half)
    answer = hub.post(opened, CANCELLATIONS, half)
    expect(answer.success, f"the second part answered {answer.status}")


@check(5, Severity.MONEY, GUIDE, TWICE)
def replay(hub: Session) -> None:
    """Cancel once for the same requestId, and answer it again with the same oid."""
    opened, half = halves(hub)
    once(hub, opened, CANCELLATIONS, half)


@check(6, Severity.MONEY, GUIDE, "VTEX takes the amount it sent for canceled, and it is another one.")
def conflict(hub: Session) -> None:
    """Refuse the same requestId with another value."""
    opened, half = halves(hub)
    conflicting(hub, opened, CANCELLATIONS, half)


@check(7, Severity.MONEY, GUIDE, TOO_MUCH)
def over_the_cap(hub: Session) -> None:
    """Refuse to cancel more than was authorized."""
    opened = hub.opened(hub.share_of(hub.share(), 2))
    hub.post(opened, CANCELLATIONS, opened.value + hub.unit).refused()


@check(8, Severity.MONEY, GUIDE, KEPT)
def refund(hub: Session) -> None:
    """Give back what was settled."""
    opened = hub.opened(hub.share())
    hub.done(opened, SETTLEMENTS, opened.value)
    _gives(hub, opened, opened.value)


@check(9, Severity.MONEY, KNOWN_ISSUES, "Two items of the same price are returned, and the shopper gets one back.")
def equal_refunds(hub: Session) -> None:
    """Give back twice where two refunds of the same value have two requestIds."""
    opened, half = halves(hub)
    hub.done(opened, SETTLEMENTS, opened.value)
    hub.done(opened, CANCELLATIONS, half)
    _gives(hub, opened, half)


@check(10, Severity.MONEY, GUIDE, "The merchant is paid for items that were taken out of the order.")
def nothing_left_over(hub: Session) -> None:
    """Refuse to settle more once a part is settled and the rest is canceled."""
    opened, half = halves(hub)
    hub.done(opened, SETTLEMENTS, half)
    hub.done(opened, CANCELLATIONS, opened.value - half)
    hub.post(opened, SETTLEMENTS, half).refused()


@check(11, Severity.MONEY, GUIDE, TOO_MUCH)
def over_refund(hub: Session) -> None:
    """Refuse to refund again what was refunded."""
    opened = hub.opened(hub.share_of(hub.share(), 2))
    hub.done(opened, SETTLEMENTS, opened.value)
    hub.done(opened, CANCELLATIONS, opened.value)
    hub.post(opened, CANCELLATIONS, opened.value).refused()


@check(12, Severity.COSMETIC, GUIDE, "The list has entries that mean nothing.")
def zero(hub: Session) -> None:
    """Refuse a cancellation of 0."""
    hub.post(hub.opened(hub.share()), CANCELLATIONS, Decimal(0)).refused()


@check(13, Severity.MONEY, GUIDE, "The sum of the list is too small: VTEX gives back again what was given back.")
def negative(hub: Session) -> None:
    """Refuse a cancellation of less than 0."""
    hub.post(hub.opened(hub.share()), CANCELLATIONS, -hub.unit).refused()


@check(14, Severity.MONEY, OPENAPI, "VTEX tells the shopper that the money is back, and it is not.")
def unknown_transaction(hub: Session) -> None:
    """Refuse to cancel an unknown transaction."""
    hub.post(Opened(str(hub.card["id"]), {}, "certify-unknown"), CANCELLATIONS, hub.unit).refused()


@check(15, Severity.MONEY, GUIDE, "VTEX sums the settlements and posts what is missing: it settles what was refunded.")
def settlements_stay(hub: Session) -> None:
    """Leave the list of settlements as it is after a refund."""
    opened = hub.opened(hub.share())
    hub.done(opened, SETTLEMENTS, opened.value)
    before = hub.total(opened, SETTLEMENTS)
    hub.done(opened, CANCELLATIONS, opened.value)
    found = hub.total(opened, SETTLEMENTS)
    expect(found == before, f"the settlements were {before}, and are {found} after a refund")


@check(16, Severity.MONEY, GUIDE, SUMS)
def lost_answer(hub: Session) -> None:
    """List a cancellation once whose connection was cut before the answer, and whose requestId comes again."""
    opened, half = halves(hub)
    found = total_after_lost(hub, opened, CANCELLATIONS, half)
    expect(found == half, f"the list sums up to {found} instead of {half}")
