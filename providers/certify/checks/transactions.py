"""MONEY: transactions. A 2xx moves money once; everything else moves nothing."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from providers.certify.check import FIELD, GUIDE, OPENAPI, Chapter, NotTried, Severity, expect
from providers.certify.session import Answer, Session, new_request_id

CHAPTER = Chapter("MONEY")
check = CHAPTER.check

TWICE = "VTEX sends a call again where it had no answer: the shopper pays twice."
APPROVES = "VTEX approves the payment: goods are sent that nobody has paid for."
STUCK = "VTEX approves the payment, and can neither settle nor cancel it."
NOT_SHOWN = "VTEX cannot tell what became of the payment: the order waits."

# As far from an amount as binary floating point puts it.
ARTIFACT = Decimal("1e-15")


@check(1, Severity.ORDERS, GUIDE, STUCK)
def has_id(hub: Session) -> None:
    """Answer a debit with 2xx and an id."""
    answer = hub.debit(hub.share())
    expect(answer.success, f"a debit answered {answer.status}")
    expect(answer.json().get("id"), "a debit was answered without an id")


@check(2, Severity.MONEY, GUIDE, "The shopper spends the same money in another cart at the same time.")
def reserves_at_once(hub: Session) -> None:
    """Lower the balance at once, by exactly what was debited."""
    value, before = hub.share(2), hub.balance()
    hub.opened(value)
    _is(hub.balance(), before - value)


@check(3, Severity.ORDERS, GUIDE, "VTEX works on with the second id, and the first stays reserved.")
def replay_has_same_id(hub: Session) -> None:
    """Answer the same requestId again with the same id."""
    value, request_id = hub.share(2), new_request_id()
    first = _id(hub.debit(value, request_id))
    expect(_id(hub.debit(value, request_id)) == first, "the same requestId got another id")


@check(4, Severity.MONEY, GUIDE, TWICE)
def replay_moves_nothing(hub: Session) -> None:
    """Move money once for the same requestId."""
    value, request_id = hub.share(2), new_request_id()
    _id(hub.debit(value, request_id))
    before = hub.balance()
    hub.debit(value, request_id)
    _is(hub.balance(), before)


@check(5, Severity.MONEY, GUIDE, "VTEX takes the amount it sent for authorized, and it is another one.")
def conflict(hub: Session) -> None:
    """Refuse the same requestId with another value."""
    value, request_id = hub.share(2), new_request_id()
    _id(hub.debit(value, request_id))
    hub.debit(value - hub.unit, request_id).refused()


@check(6, Severity.MONEY, GUIDE, "Money is gone that no order knows of.")
def conflict_moves_nothing(hub: Session) -> None:
    """Move nothing where the same requestId has another value."""
    value, request_id = hub.share(2), new_request_id()
    _id(hub.debit(value, request_id))
    before = hub.balance()
    hub.debit(value - hub.unit, request_id)
    _is(hub.balance(), before)


@check(7, Severity.MONEY, GUIDE, APPROVES)
def more_than_there_is(hub: Session) -> None:
    """Refuse a debit of more than the balance with a 4xx and a JSON body."""
    hub.share()
    answer = hub.debit(hub.balance() + hub.unit)
    answer.refused()
    expect(isinstance(answer.json(), dict), "the refusal has no JSON object as body")


@check(8, Severity.ORDERS, GUIDE, "An order of nothing stays open.")
def zero(hub: Session) -> None:
    """Refuse a debit of 0."""
    hub.debit(Decimal(0)).refused()


@check(9, Severity.MONEY, GUIDE, "A debit of less than nothing puts money on a card.")
def negative(hub: Session) -> None:
    """Refuse a debit of less than 0."""
    hub.debit(-hub.unit).refused()


@check(10, Severity.MONEY, GUIDE, "The provider moves another amount than VTEX has noted.")
def finer_than_currency(hub: Session) -> None:
    """Refuse an amount that is finer than the currency."""
    hub.debit(hub.share(2) + hub.unit / 2).refused()


@check(
    11, Severity.CHECKOUT, FIELD, "VTEX computes with binary fractions: some carts cannot be paid, or a cent is lost."
)
def float_artifact(hub: Session) -> None:
    """Take 15.299999999999999 for 15.30."""
    value, before = hub.share(2), hub.balance()
    answer = hub.debit(value - ARTIFACT)
    expect(answer.success, f"a debit of {value - ARTIFACT} answered {answer.status}")
    _is(hub.balance(), before - value)


@check(12, Severity.MONEY, GUIDE, APPROVES)
def unknown_card(hub: Session) -> None:
    """Refuse a debit of an unknown card."""
    hub.transaction("Debit", hub.share(2), card="certify-unknown").refused()


@check(13, Severity.MONEY, GUIDE, "Two orders share one payment: one of them is never paid.")
def two_orders(hub: Session) -> None:
    """Give two requestIds two transactions, also where the amounts are the same."""
    value = hub.share(2)
    first, second = _id(hub.debit(value)), _id(hub.debit(value))
    expect(first != second, "two requestIds got the same id")


@check(14, Severity.ORDERS, OPENAPI, NOT_SHOWN)
def shows_what_was_sent(hub: Session) -> None:
    """Show a transaction with the value, operation and requestId that were sent."""
    opened = hub.opened(hub.share())
    shown = hub.get(opened.path).object()
    for name in ("operation", "requestId"):
        expect(shown[name] == opened.body[name], f"{name} is another than was sent")
    _is(Decimal(str(shown["value"])), opened.value)


@check(15, Severity.ORDERS, OPENAPI, NOT_SHOWN)
def is_listed(hub: Session) -> None:
    """List a transaction among those of its card."""
    opened = hub.opened(hub.share())
    listed = [str(one["id"]) for one in hub.get(f"{hub.path}/transactions").array()]
    expect(opened.id in listed, "the transaction is not listed")


@check(16, Severity.ORDERS, OPENAPI, NOT_SHOWN)
def authorization(hub: Session) -> None:
    """Show in the authorization what was debited."""
    opened = hub.opened(hub.share())
    _is(Decimal(str(hub.get(f"{opened.path}/authorization").object()["value"])), opened.value)


@check(17, Severity.CHECKOUT, FIELD, "Orders of some stores cannot be paid with a card.")
def orders_differ(hub: Session) -> None:
    """Accept an order whose sequence is text, and whose items have price tags of any form."""
    items = [{"id": "1", "value": 15, "priceTags": tags} for tags in ([], ["tag"], {"name": "tag"}, [{"value": -1}])]
    order = {"sequence": "2915869", "cart": {"items": items, "discounts": None, "shipping": Decimal("7.27")}}
    answer = hub.transaction("Debit", hub.share(), order=order)
    expect(answer.success, f"a debit of such an order answered {answer.status}")


@check(18, Severity.ORDERS, GUIDE, "A return that is paid with store credit stays open.")
def credit(hub: Session) -> None:
    """Answer a credit with 2xx and an id, or refuse it with a 4xx."""
    answer = hub.transaction("Credit", hub.share(2))
    if not answer.success:
        answer.refused()
    else:
        expect(answer.json().get("id"), "a credit was answered without an id")


@check(19, Severity.MONEY, GUIDE, "VTEX tells the shopper of money that is not there.")
def credit_gives(hub: Session) -> None:
    """Raise the balance at once, by exactly what was credited."""
    value, before = hub.share(2), hub.balance()
    _credited(hub, value, new_request_id())
    _is(hub.balance(), before + value)


@check(20, Severity.MONEY, GUIDE, "VTEX sends a call again where it had no answer: the store gives twice.")
def credit_once(hub: Session) -> None:
    """Credit once for the same requestId."""
    value, request_id = hub.share(2), new_request_id()
    _credited(hub, value, request_id)
    before = hub.balance()
    hub.transaction("Credit", value, request_id)
    _is(hub.balance(), before)


@check(21, Severity.MONEY, GUIDE, TWICE)
def lost_answer(hub: Session) -> None:
    """Debit once where the connection was cut before the answer, and the same requestId comes again."""
    value, request_id, before = hub.share(2), new_request_id(), hub.balance()
    hub.lost(partial(hub.debit, value, request_id))
    _id(hub.debit(value, request_id))
    _is(hub.balance(), before - value)


def _credited(hub: Session, value: Decimal, request_id: str) -> None:
    if not hub.transaction("Credit", value, request_id).success:
        raise NotTried("the provider takes no credits")


def _id(answer: Answer) -> str:
    """Return the id of a debit. Raises NotTried: MONEY-1 is the check of that."""
    found = answer.json().get("id") if answer.success else None
    if not found:
        raise NotTried(f"a debit answered {answer.status}, or has no id")
    return str(found)


def _is(found: Decimal, wanted: Decimal) -> None:
    expect(found == wanted, f"it is {found} instead of {wanted}")
