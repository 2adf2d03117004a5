"""SHAPE: what answers look like. VTEX reads fields by name, and money as JSON numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

from providers.certify.check import GUIDE, OPENAPI, Chapter, NotTried, Severity, expect
from providers.certify.openapi import deviation
from providers.certify.session import CANCELLATIONS, SETTLEMENTS, Answer, Json, Session, new_request_id

CHAPTER = Chapter("SHAPE")
check = CHAPTER.check

DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,7})?(Z|[+-]\d{2}:\d{2})?")
SAFE = re.compile(r"[A-Za-z0-9._~-]{1,255}")

UNREADABLE = "VTEX cannot read the answer: the card is not shown, or the payment fails."
STUCK = "VTEX cannot go on with the order: it stays as it is until somebody repairs it by hand."
CENTS = "Text is no amount, and a fraction of a cent never adds up: orders stay open for a cent."


def _has(value: Json, *names: str) -> None:
    missing = [name for name in names if name not in value]
    expect(not missing, f"the answer has no {', '.join(missing)}")


def _amount(hub: Session, value: Json) -> None:
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    expect(number, "the amount is not a JSON number")
    expect(Decimal(value) % hub.unit == 0, f"the amount {value} is finer than the currency")


def _row(hub: Session) -> Json:
    rows = hub.search_code().array()
    if not rows:
        raise NotTried("the code finds no card")
    return rows[0]


@check(1, Severity.CHECKOUT, OPENAPI, UNREADABLE)
def search_row(hub: Session) -> None:
    """Show id, provider, balance, redemptionCode, _self and transaction of a card that was searched."""
    row = _row(hub)
    _has(row, "id", "provider", "balance", "redemptionCode", "_self", "transaction")
    expect(row["_self"]["href"] and row["transaction"]["href"], "a link of the card is empty")


@check(2, Severity.CHECKOUT, OPENAPI, CENTS)
def search_balance(hub: Session) -> None:
    """Show the balance in a search as a JSON number, no finer than the currency."""
    _amount(hub, _row(hub)["balance"])


@check(3, Severity.CHECKOUT, OPENAPI, UNREADABLE)
def card_fields(hub: Session) -> None:
    """Show id, balance, redemptionCode, dates and transactions of a card."""
    card = hub.get(hub.path).object()
    _has(card, "id", "balance", "redemptionCode", "emissionDate", "expiringDate", "transactions")


@check(4, Severity.CHECKOUT, OPENAPI, CENTS)
def card_balance(hub: Session) -> None:
    """Show the balance of a card as a JSON number, no finer than the currency."""
    _amount(hub, hub.get(hub.path).object()["balance"])


@check(5, Severity.CHECKOUT, OPENAPI, UNREADABLE)
def card_dates(hub: Session) -> None:
    """Write the dates of a card in ISO 8601, or null."""
    card = hub.get(hub.path).object()
    for name in ("emissionDate", "expiringDate"):
        date = card.get(name)
        expect(date is None or DATE.fullmatch(str(date)), f"{name} is no date of ISO 8601")


@check(
    6, Severity.ORDERS, OPENAPI, "VTEX puts the id into paths: with such signs in it every later call goes elsewhere."
)
def card_id(hub: Session) -> None:
    """Give a card an id of letters, digits and - . _ ~ alone."""
    expect(SAFE.fullmatch(str(_row(hub)["id"])), "the card's id has other signs, or is empty")


@check(
    7, Severity.SECURITY, GUIDE, "The id is in addresses and logs, where everybody who reads them can spend the card."
)
def id_is_no_code(hub: Session) -> None:
    """Keep the code out of the card's id."""
    expect(hub.code.casefold() not in str(_row(hub)["id"]).casefold(), "the card's id has the code in it")


@check(8, Severity.SECURITY, GUIDE, "The checkout shows the whole code to whoever looks at the screen.")
def search_masks_code(hub: Session) -> None:
    """Mask the code in a search."""
    expect(hub.code not in str(_row(hub)["redemptionCode"]), "the search shows the whole code")


@check(9, Severity.SECURITY, GUIDE, "Everybody who knows a card's id can read its code.")
def card_masks_code(hub: Session) -> None:
    """Mask the code of a card."""
    expect(hub.code not in str(hub.get(hub.path).object()["redemptionCode"]), "the card shows the whole code")


@check(10, Severity.CHECKOUT, OPENAPI, "VTEX follows the link to the card, and finds nothing.")
def card_link(hub: Session) -> None:
    """Link to the card so that the link, below the host, leads to it."""
    row, _ = _row(hub), hub.card
    href, base = str(row["_self"]["href"]), hub.target.url
    there = urlsplit(urljoin(base, href)).path
    below = urlsplit(base).path
    expect(there.startswith(f"{below}/giftcards/"), f"the link {hub.masked(href)} is not below {below}/giftcards/")
    found = hub.get(there.removeprefix(below)).object()
    expect(str(found["id"]) == str(row["id"]), "the link leads to another card")


@check(11, Severity.ORDERS, OPENAPI, STUCK)
def debit_fields(hub: Session) -> None:
    """Answer a debit with cardId, id and _self."""
    answer = hub.debit(hub.share()).object()
    _has(answer, "cardId", "id", "_self")
    expect(str(answer["cardId"]) == str(hub.card["id"]), "the debit names another card")


@check(12, Severity.ORDERS, OPENAPI, STUCK)
def transaction_fields(hub: Session) -> None:
    """Show value, date, requestId, operation and the links of a transaction."""
    opened = hub.opened(hub.share())
    shown = hub.get(opened.path).object()
    _has(shown, "value", "date", "requestId", "operation", "settlement", "cancellation", "authorization")
    _amount(hub, shown["value"])
    expect(DATE.fullmatch(str(shown["date"])), "date is no date of ISO 8601")


@check(13, Severity.ORDERS, OPENAPI, STUCK)
def authorization_fields(hub: Session) -> None:
    """Show oid, value and date of an authorization."""
    _move(hub, hub.get(f"{hub.opened(hub.share()).path}/authorization").object())


@check(14, Severity.ORDERS, OPENAPI, STUCK)
def settlement_fields(hub: Session) -> None:
    """Answer a settlement with oid, value and date."""
    opened = hub.opened(hub.share())
    _move(hub, hub.post(opened, SETTLEMENTS, opened.value).object())


@check(15, Severity.ORDERS, OPENAPI, STUCK)
def cancellation_fields(hub: Session) -> None:
    """Answer a cancellation with oid, value and date."""
    opened = hub.opened(hub.share())
    _move(hub, hub.post(opened, CANCELLATIONS, opened.value).object())


@check(16, Severity.COSMETIC, OPENAPI, "VTEX takes the card for a discount and not for a payment.")
def no_discount(hub: Session) -> None:
    """Say discount: false of a card, or nothing about it."""
    expect(hub.get(hub.path).object().get("discount") in (False, None), "discount is neither false nor missing")


@check(
    17, Severity.ORDERS, OPENAPI, "VTEX puts the id into paths: with such signs in it every later call goes elsewhere."
)
def transaction_id(hub: Session) -> None:
    """Give a transaction an id of letters, digits and - . _ ~ alone."""
    expect(SAFE.fullmatch(str(hub.opened(hub.share()).id)), "the transaction's id has other signs")


def _documented(number: int, call: str, severity: Severity, otherwise: str) -> None:
    def run(hub: Session) -> None:
        for answer in DOCUMENTED[call](hub):
            if not answer.success:
                raise NotTried(f"{answer.call} answered {answer.status}")
            found = deviation(call, answer.reply.content)
            expect(found is None, f"in the answer to {answer.call}: {found}")

    run.__doc__ = f"Answer `{call}` as VTEX's OpenAPI document says, each field of its type."
    check(number, severity, OPENAPI, otherwise)(run)


def _moved(kind: str) -> Callable[[Session], Sequence[Answer]]:
    def call(hub: Session) -> Sequence[Answer]:
        opened = hub.opened(hub.share())
        return (hub.post(opened, kind, opened.value),)

    return call


def _listed(kind: str) -> Callable[[Session], Sequence[Answer]]:
    def call(hub: Session) -> Sequence[Answer]:
        opened = hub.opened(hub.share())
        hub.done(opened, kind, opened.value)
        return (hub.get(f"{opened.path}/{kind}"),)

    return call


def _debited(hub: Session) -> Sequence[Answer]:
    value, request_id = hub.share(2), new_request_id()
    return [hub.debit(value, request_id) for _ in range(2)]


def _transactions(hub: Session) -> Sequence[Answer]:
    hub.opened(hub.share())
    return (hub.get(f"{hub.path}/transactions"),)


# How to have each call answered whose answer the document describes.
DOCUMENTED: Mapping[str, Callable[[Session], Sequence[Answer]]] = {
    "POST /giftcards/_search": lambda hub: (hub.search_code(),),
    "GET /giftcards/{id}": lambda hub: (hub.get(hub.path),),
    "POST /giftcards": lambda hub: (hub.issue(),),
    "POST /giftcards/{id}/transactions": _debited,
    "GET /giftcards/{id}/transactions": _transactions,
    "GET /giftcards/{id}/transactions/{tid}": lambda hub: (hub.get(hub.opened(hub.share()).path),),
    "GET /giftcards/{id}/transactions/{tid}/authorization": lambda hub: (
        hub.get(f"{hub.opened(hub.share()).path}/authorization"),
    ),
    "POST /giftcards/{id}/transactions/{tid}/settlements": _moved(SETTLEMENTS),
    "GET /giftcards/{id}/transactions/{tid}/settlements": _listed(SETTLEMENTS),
    "POST /giftcards/{id}/transactions/{tid}/cancellations": _moved(CANCELLATIONS),
    "GET /giftcards/{id}/transactions/{tid}/cancellations": _listed(CANCELLATIONS),
}

for _number, _call in enumerate(DOCUMENTED, 18):
    _reads = "{tid}" not in _call and "transactions" not in _call
    _documented(_number, _call, Severity.CHECKOUT if _reads else Severity.ORDERS, UNREADABLE if _reads else STUCK)


def _move(hub: Session, move: Json) -> None:
    _has(move, "oid", "value", "date")
    _amount(hub, move["value"])
    expect(move["oid"], "oid is empty")
    expect(DATE.fullmatch(str(move["date"])), "date is no date of ISO 8601")
