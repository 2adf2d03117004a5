"""RACE: the same call twice at once, and calls that cannot both be right."""

from __future__ import annotations

from providers.certify.check import FIELD, Chapter, NotTried, Severity, expect
from providers.certify.session import CANCELLATIONS, SETTLEMENTS, Session, new_request_id

CHAPTER = Chapter("RACE")
check = CHAPTER.check

# How often a call is made at once, and the most debits of a race.
TIMES = 4
MOST_DEBITS = 20

TOO_MUCH = "Two workers of VTEX send at once: more moves than was authorized."


@check(1, Severity.MONEY, FIELD, "VTEX sends again while the first call is under way: the shopper pays twice.")
def same_debit(hub: Session) -> None:
    """Debit once where the same requestId comes several times at once."""
    value, request_id, before = hub.share_of(hub.share(), TIMES), new_request_id(), hub.balance()
    answers = hub.at_once(*[lambda: hub.debit(value, request_id)] * TIMES)
    ids = {one.json().get("id") for one in answers if one.success}
    if not ids or None in ids:
        raise NotTried("none of the debits was accepted, or one has no id")
    found = hub.balance()
    expect(len(ids) == 1, f"one requestId got {len(ids)} ids")
    expect(found == before - value, f"the balance was {before}, {value} were debited, and it is {found}")


@check(2, Severity.MONEY, FIELD, "The same card pays for two carts at once: goods are sent that nobody has paid for.")
def overspending(hub: Session) -> None:
    """Debit no more than the balance, however many debits come at once."""
    value, before = hub.share(), hub.balance()
    wanted = int(before // value) + 1
    if wanted > MOST_DEBITS:
        raise NotTried(f"the card holds more than {MOST_DEBITS - 1} times --spend")
    answers = hub.at_once(*[lambda: hub.debit(value)] * wanted)
    accepted = sum(one.success for one in answers)
    expect(accepted * value <= before, f"{accepted} debits of {value} were accepted, and the card had {before}")


@check(3, Severity.MONEY, FIELD, "VTEX sends again while the first call is under way: the merchant is paid twice.")
def same_settlement(hub: Session) -> None:
    """Settle once where the same requestId comes several times at once."""
    _same(hub, SETTLEMENTS)


@check(4, Severity.MONEY, FIELD, TOO_MUCH)
def settlements(hub: Session) -> None:
    """Settle no more than was authorized, however many settlements come at once."""
    _cap(hub, SETTLEMENTS)


@check(5, Severity.MONEY, FIELD, TOO_MUCH)
def cancellations(hub: Session) -> None:
    """Cancel no more than was authorized, however many cancellations come at once."""
    _cap(hub, CANCELLATIONS)


@check(6, Severity.MONEY, FIELD, "An order is invoiced and canceled at once: the shopper pays for nothing.")
def settle_against_cancel(hub: Session) -> None:
    """End with the money given back where a settlement and a cancellation of the whole come at once."""
    before = hub.balance()
    opened = hub.opened(hub.share())
    _, canceled = hub.at_once(
        lambda: hub.post(opened, SETTLEMENTS, opened.value), lambda: hub.post(opened, CANCELLATIONS, opened.value)
    )
    if not canceled.success:
        hub.done(opened, CANCELLATIONS, opened.value)
    found = hub.balance()
    expect(found == before, f"the balance was {before}, and is {found} after everything was canceled")


@check(7, Severity.MONEY, FIELD, "VTEX sends again while the first call is under way: the shopper gets it twice.")
def same_cancellation(hub: Session) -> None:
    """Cancel once where the same requestId comes several times at once."""
    _same(hub, CANCELLATIONS)


def _same(hub: Session, kind: str) -> None:
    opened, request_id = hub.opened(hub.share()), new_request_id()
    value = hub.share_of(opened.value, TIMES)
    answers = hub.at_once(*[lambda: hub.post(opened, kind, value, request_id)] * TIMES)
    if not any(one.success for one in answers):
        raise NotTried(f"none of the {kind} was accepted")
    found = hub.total(opened, kind)
    expect(found == value, f"the list sums up to {found} instead of {value}")


def _cap(hub: Session, kind: str) -> None:
    opened = hub.opened(hub.share_of(hub.share(), TIMES))
    hub.at_once(*[lambda: hub.post(opened, kind, opened.value)] * TIMES)
    found = hub.total(opened, kind)
    expect(found <= opened.value, f"{found} moved of {opened.value}")
