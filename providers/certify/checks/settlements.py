"""SETTLE: settlements. VTEX reads the list, sums it, and posts what is left."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from providers.certify.check import GUIDE, OPENAPI, Chapter, NotTried, Severity, expect
from providers.certify.session import CANCELLATIONS, SETTLEMENTS, Answer, Opened, Session, new_request_id

CHAPTER = Chapter("SETTLE")
check = CHAPTER.check

TWICE = "VTEX sends a call again where it had no answer: the merchant is paid twice."
TOO_MUCH = "The merchant is paid more than the shopper agreed to."
STUCK = "The invoice is not paid, and the order stays open."
SUMS = "VTEX sums the list and posts what is missing: it settles again what is settled."


def halves(hub: Session) -> tuple[Opened, Decimal]:
    """Return a new debit, and about half of it."""
    opened = hub.opened(hub.share())
    return opened, hub.share_of(opened.value, 2)


@check(1, Severity.ORDERS, GUIDE, "VTEX reads anything but an array as an error, and never settles.")
def empty_list(hub: Session) -> None:
    """Answer the settlements of a new transaction with an empty array."""
    expect(hub.get(f"{hub.opened(hub.share()).path}/settlements").array() == [], "a new transaction has settlements")


@check(2, Severity.ORDERS, GUIDE, STUCK)
def whole(hub: Session) -> None:
    """Settle the whole value."""
    opened = hub.opened(hub.share())
    _value(hub.post(opened, SETTLEMENTS, opened.value), opened.value)


@check(3, Severity.MONEY, GUIDE, SUMS)
def list_is_complete(hub: Session) -> None:
    """List every settlement, so that the sum is what was settled."""
    opened, half = halves(hub)
    for _ in range(2):
        hub.done(opened, SETTLEMENTS, half)
    found = hub.total(opened, SETTLEMENTS)
    expect(found == 2 * half, f"the list sums up to {found} instead of {2 * half}")


@check(4, Severity.ORDERS, GUIDE, "An order with two invoices is paid for the first alone.")
def in_parts(hub: Session) -> None:
    """Settle in parts."""
    opened, half = halves(hub)
    hub.done(opened, SETTLEMENTS, half)
    _value(hub.post(opened, SETTLEMENTS, half), half)


@check(5, Severity.MONEY, GUIDE, TWICE)
def replay(hub: Session) -> None:
    """Settle once for the same requestId, and answer it again with the same oid."""
    opened, half = halves(hub)
    once(hub, opened, SETTLEMENTS, half)


@check(6, Severity.MONEY, GUIDE, "VTEX takes the amount it sent for settled, and it is another one.")
def conflict(hub: Session) -> None:
    """Refuse the same requestId with another value."""
    opened, half = halves(hub)
    conflicting(hub, opened, SETTLEMENTS, half)


@check(7, Severity.MONEY, GUIDE, TOO_MUCH)
def over_the_cap(hub: Session) -> None:
    """Refuse to settle more than was authorized."""
    opened = hub.opened(hub.share_of(hub.share(), 2))
    hub.post(opened, SETTLEMENTS, opened.value + hub.unit).refused()


@check(8, Severity.MONEY, GUIDE, TOO_MUCH)
def after_the_whole(hub: Session) -> None:
    """Refuse to settle again what is settled."""
    opened = hub.opened(hub.share_of(hub.share(), 2))
    hub.done(opened, SETTLEMENTS, opened.value)
    hub.post(opened, SETTLEMENTS, opened.value).refused()


@check(9, Severity.COSMETIC, GUIDE, "The list has entries that mean nothing.")
def zero(hub: Session) -> None:
    """Refuse a settlement of 0."""
    hub.post(hub.opened(hub.share()), SETTLEMENTS, Decimal(0)).refused()


@check(10, Severity.MONEY, GUIDE, "The sum of the list is too small: VTEX settles again what is settled.")
def negative(hub: Session) -> None:
    """Refuse a settlement of less than 0."""
    hub.post(hub.opened(hub.share()), SETTLEMENTS, -hub.unit).refused()


@check(11, Severity.MONEY, GUIDE, "The shopper pays at the order, and once more at the invoice.")
def takes_what_is_reserved(hub: Session) -> None:
    """Leave the balance as it is: the money was reserved by the debit."""
    opened, half = halves(hub)
    before = hub.balance()
    hub.done(opened, SETTLEMENTS, half)
    found = hub.balance()
    expect(found == before, f"the balance was {before} and is {found}")


@check(12, Severity.MONEY, OPENAPI, "VTEX takes the invoice for paid, and nobody has paid it.")
def unknown_transaction(hub: Session) -> None:
    """Refuse to settle an unknown transaction."""
    hub.post(Opened(str(hub.card["id"]), {}, "certify-unknown"), SETTLEMENTS, hub.unit).refused()


@check(13, Severity.MONEY, GUIDE, "The merchant is paid for an order that was canceled.")
def after_cancellation(hub: Session) -> None:
    """Refuse to settle what was canceled."""
    opened = hub.opened(hub.share())
    hub.done(opened, CANCELLATIONS, opened.value)
    hub.post(opened, SETTLEMENTS, opened.value).refused()


@check(14, Severity.MONEY, GUIDE, SUMS)
def lost_answer(hub: Session) -> None:
    """List a settlement once whose connection was cut before the answer, and whose requestId comes again."""
    opened, half = halves(hub)
    found = total_after_lost(hub, opened, SETTLEMENTS, half)
    expect(found == half, f"the list sums up to {found} instead of {half}")


def total_after_lost(hub: Session, opened: Opened, kind: str, value: Decimal) -> Decimal:
    """Settle or cancel, lose the answer, send the same again, and return the sum of the list."""
    request_id = new_request_id()
    hub.lost(partial(hub.post, opened, kind, value, request_id))
    again = hub.post(opened, kind, value, request_id)
    expect(again.success, f"the same requestId answered {again.status} after its first answer was lost")
    return hub.total(opened, kind)


def once(hub: Session, opened: Opened, kind: str, value: Decimal) -> None:
    """Send the same settlement or cancellation twice; raise Failed unless it counts once."""
    request_id = new_request_id()
    first, second = (hub.post(opened, kind, value, request_id) for _ in range(2))
    if not first.success:
        raise NotTried(f"the first of the {kind} answered {first.status}")
    expect(second.success, f"the same requestId answered {second.status}")
    expect(first.object().get("oid") == second.object().get("oid"), "the same requestId got another oid")
    found = hub.total(opened, kind)
    expect(found == value, f"the list sums up to {found} instead of {value}")


def conflicting(hub: Session, opened: Opened, kind: str, value: Decimal) -> None:
    """Send a settlement or cancellation again with another value; raise Failed unless it is refused."""
    request_id = new_request_id()
    if not hub.post(opened, kind, value, request_id).success:
        raise NotTried(f"the first of the {kind} was refused")
    hub.post(opened, kind, value - hub.unit, request_id).refused()


def _value(answer: Answer, wanted: Decimal) -> None:
    found = Decimal(str(answer.object()["value"]))
    expect(found == wanted, f"{answer.call} answered a value of {found} instead of {wanted}")
