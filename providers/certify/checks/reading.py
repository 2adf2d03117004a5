"""READ: search and get. Both come many times in one checkout."""

from __future__ import annotations

import re
from decimal import Decimal

from providers.certify.check import FIELD, GUIDE, OPENAPI, Chapter, NotTried, Severity, expect
from providers.certify.session import Json, Session

CHAPTER = Chapter("READ")
check = CHAPTER.check

BREAKS = "The payment page breaks, also for shoppers who have no card at all."
OTHER = "VTEX shows one card and pays with another, or with another balance: the payment fails."

# A code that nobody has, and one with every sign that codes can have.
UNKNOWN_CODE = "CERTIFY-UNKNOWN-0000"
SIGNS = "CERTIFY/+=. 0%2F&?#"


@check(1, Severity.CHECKOUT, GUIDE, "VTEX shows no card, or lets the shopper choose among cards of others.")
def one_card(hub: Session) -> None:
    """Find exactly one card with a code."""
    found = len(hub.search_code().array())
    expect(found == 1, f"the code finds {found} cards")


@check(2, Severity.CHECKOUT, GUIDE, OTHER)
def same_id(hub: Session) -> None:
    """Show the card under the id that search gave it."""
    expect(str(hub.get(hub.path).object()["id"]) == str(hub.card["id"]), "get shows another id than search")


@check(3, Severity.CHECKOUT, GUIDE, OTHER)
def same_balance(hub: Session) -> None:
    """Show the same balance in search and get."""
    in_search = Decimal(str(hub.search_code().array()[0]["balance"]))
    in_get = Decimal(str(hub.get(hub.path).object()["balance"]))
    expect(in_search == in_get, f"search shows {in_search}, get {in_get}")


@check(4, Severity.CHECKOUT, GUIDE, "A card with a balance of 0 breaks the checkout page.")
def nothing_to_spend(hub: Session) -> None:
    """Leave a card without anything to spend out of a search."""
    balance = hub.balance()
    if not 0 < balance <= hub.target.spend:
        raise NotTried("give a card with no more than --spend on it")
    hub.opened(balance)
    rows = hub.search_code().array()
    expect(
        not [one for one in rows if Decimal(str(one["balance"])) <= 0], "the search shows a card with a balance of 0"
    )


@check(5, Severity.CHECKOUT, GUIDE, BREAKS)
def unknown_code(hub: Session) -> None:
    """Answer a search for an unknown code with 200 and an empty array."""
    expect(not hub.search({"redemptionCode": UNKNOWN_CODE}).array(), "an unknown code finds a card")


@check(6, Severity.CHECKOUT, FIELD, BREAKS)
def code_with_signs(hub: Session) -> None:
    """Answer a search for a code with signs in it with 200 and an empty array."""
    expect(not hub.search({"redemptionCode": SIGNS}).array(), "an unknown code with signs finds a card")


@check(7, Severity.CHECKOUT, GUIDE, BREAKS)
def long_code(hub: Session) -> None:
    """Answer a search for a code of 255 characters with 200 and an empty array."""
    expect(not hub.search({"redemptionCode": "C" * 255}).array(), "an unknown long code finds a card")


@check(8, Severity.CHECKOUT, GUIDE, BREAKS)
def no_code(hub: Session) -> None:
    """Answer a search whose code is null with 200 and an array."""
    hub.search({"redemptionCode": None}).array()


@check(9, Severity.CHECKOUT, FIELD, BREAKS)
def empty_code(hub: Session) -> None:
    """Answer a search whose code is empty with 200 and an array."""
    hub.search({"redemptionCode": ""}).array()


@check(10, Severity.CHECKOUT, FIELD, BREAKS)
def absent_code(hub: Session) -> None:
    """Answer a search without a code with 200 and an array."""
    body = hub.search_body()
    del body["cart"]["redemptionCode"]
    hub.call("POST", "/giftcards/_search", body).array()


@check(11, Severity.CHECKOUT, FIELD, BREAKS)
def range_forms(hub: Session) -> None:
    """Answer a search with any REST-Range, or none."""
    for form in ("resources=0-9", "resources=0-49", "resources = 0-49", "0-9", "resources=0-", None):
        hub.search(headers={"REST-Range": form}).array()


@check(12, Severity.COSMETIC, OPENAPI, "VTEX does not know whether there are more cards.")
def content_range(hub: Session) -> None:
    """Say REST-Content-Range: resources from-to/total."""
    found = hub.search().header("REST-Content-Range")
    expect(re.fullmatch(r"resources \d+-\d+/\d+", found), f"REST-Content-Range is {found or 'missing'}")


@check(
    13, Severity.ORDERS, GUIDE, "VTEX keeps the id of the first search: with a new one the order finds no card later."
)
def id_stays(hub: Session) -> None:
    """Find the same card under the same id each time."""
    ids = {str(hub.search_code().array()[0]["id"]) for _ in range(3)}
    expect(len(ids) == 1, "the same code finds another id each time")


@check(14, Severity.MONEY, GUIDE, "Each look at the card costs the shopper money.")
def reading_moves_nothing(hub: Session) -> None:
    """Leave the balance as it is, however often the card is read."""
    before = hub.balance()
    for _ in range(3):
        hub.search_code()
    after = hub.balance()
    expect(before == after, f"the balance was {before} and is {after} after three searches")


@check(15, Severity.CHECKOUT, GUIDE, "A signed-in shopper does not see their own cards.")
def loyalty(hub: Session) -> None:
    """List the customer's own cards where a search has no code."""
    _customer(hub)
    rows = hub.search({"redemptionCode": None}).array()
    expect(rows, "the customer's cards are not found")
    expect(all(Decimal(str(one["balance"])) > 0 for one in rows), "a card with a balance of 0 is shown")


@check(16, Severity.CHECKOUT, GUIDE, "Companies cannot pay with a card.")
def company(hub: Session) -> None:
    """Answer a search of a company, with the document of a person beside it and without."""
    names = {"corporateName": "Certify Ltda", "tradeName": "Certify", "documentType": "cnpj"}
    for document in (None, "12345678909"):
        hub.search(client={**names, "corporateDocument": "12.345.678/0001-95", "document": document}).array()


@check(17, Severity.CHECKOUT, GUIDE, "Some shoppers cannot pay with a card.")
def person(hub: Session) -> None:
    """Answer a search of a person whose document is digits alone, has signs, or is of another country."""
    for document, kind in (("12345678909", "cpf"), ("123.456.789-09", "cpf"), ("AB-123456", "passport")):
        hub.search(client={"document": document, "documentType": kind}).array()


@check(18, Severity.CHECKOUT, GUIDE, "A shopper who types their e-mail another way does not see their own cards.")
def email_in_capitals(hub: Session) -> None:
    """List the customer's own cards also where the e-mail is in capitals."""
    email = _customer(hub)
    usual, capitals = (len(_own(hub, {"email": one})) for one in (email, email.upper()))
    expect(usual == capitals, f"the e-mail finds {usual} cards, and in capitals {capitals}")


@check(19, Severity.SECURITY, GUIDE, "A shopper sees and spends the cards of somebody else.")
def nobody_else(hub: Session) -> None:
    """Show the customer's own cards to no other customer, and not to somebody who has not said who they are."""
    own = _own(hub, {"email": _customer(hub)})
    for email in ("certify-stranger@example.com", None):
        expect(not own & _own(hub, {"email": email}), f"a search of {email or 'nobody'} shows cards of the customer")


def _customer(hub: Session) -> str:
    """Return the e-mail of who has cards. Raises NotTried."""
    if not hub.target.loyalty or not hub.target.email:
        raise NotTried("give --loyalty and the --customer who has cards")
    return hub.target.email


def _own(hub: Session, client: Json) -> set[str]:
    """Return the ids of the cards that a search without a code lists."""
    answer = hub.search({"redemptionCode": None}, client)
    if not answer.success:
        raise NotTried(f"a search without a code answered {answer.status}")
    return {str(one["id"]) for one in answer.array()}
