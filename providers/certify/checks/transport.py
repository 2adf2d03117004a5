"""WIRE: how calls arrive. The Hub's headers, paths and bodies differ from one version to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from providers.certify.check import FIELD, GUIDE, HTTP, KNOWN_ISSUES, OPENAPI, Chapter, Severity, expect
from providers.certify.session import Answer, Session

CHAPTER = Chapter("WIRE")
check = CHAPTER.check

NO_CARD = "VTEX finds no card, and the shopper cannot pay."
UNRELATED = "VTEX fails with an unrelated error 500, and nobody sees the reason."
PAYS_NOT = "The payment fails, or the card is not shown."

OLD_MEDIA_TYPE = "application/vnd.vtex.giftcardproviders.v1+json"


@check(1, Severity.CHECKOUT, KNOWN_ISSUES, "VTEX sends //giftcards and follows no redirect: every POST is lost.")
def double_slash(hub: Session) -> None:
    """Answer a path with a double slash before giftcards like one without."""
    hub.search(slash="/").array()


@check(2, Severity.CHECKOUT, FIELD, PAYS_NOT)
def timestamp_in_query(hub: Session) -> None:
    """Ignore a query such as ?ts=123 on a GET."""
    hub.get(f"{hub.path}?ts=638500000000000000").object()


@check(3, Severity.CHECKOUT, GUIDE, NO_CARD)
def plain_json(hub: Session) -> None:
    """Accept the media type application/json."""
    hub.search(headers={"Content-Type": "application/json", "Accept": "application/json"}).array()


@check(4, Severity.CHECKOUT, GUIDE, NO_CARD)
def old_media_type(hub: Session) -> None:
    """Accept the media type of older Hubs, application/vnd.vtex.giftcardproviders.v1+json."""
    hub.search(headers={"Content-Type": OLD_MEDIA_TYPE, "Accept": OLD_MEDIA_TYPE}).array()


@check(5, Severity.CHECKOUT, HTTP, NO_CARD)
def charset(hub: Session) -> None:
    """Accept a media type with a charset."""
    hub.search(headers={"Content-Type": "application/json; charset=utf-8"}).array()


@check(6, Severity.CHECKOUT, FIELD, PAYS_NOT)
def vendor_headers(hub: Session) -> None:
    """Accept the headers that VTEX adds for tracing."""
    tracing = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "key=value"}
    hub.search(headers={**tracing, "x-vtex-debug-id": "certify"}).array()


@check(7, Severity.CHECKOUT, HTTP, NO_CARD)
def any_answer(hub: Session) -> None:
    """Answer a call that accepts anything."""
    hub.search(headers={"Accept": "*/*"}).array()


@check(8, Severity.CHECKOUT, HTTP, PAYS_NOT)
def compressed(hub: Session) -> None:
    """Answer a call that accepts gzip with JSON, compressed or not."""
    hub.search(headers={"Accept-Encoding": "gzip, deflate, br"}).array()


@check(9, Severity.CHECKOUT, GUIDE, "VTEX reads nothing of another type than JSON.")
def answers_json(hub: Session) -> None:
    """Say application/json of an answer, or another JSON type."""
    found = hub.search().header("Content-Type").lower()
    expect(re.match(r"application/([\w.-]+\+)?json\b", found), f"the answer's Content-Type is {found or 'missing'}")


@check(10, Severity.COSMETIC, HTTP, "A proxy may keep a balance, and show it to somebody else.")
def not_stored(hub: Session) -> None:
    """Say Cache-Control: no-store."""
    found = hub.search().header("Cache-Control")
    expect("no-store" in found, f"Cache-Control is {found or 'missing'}")


@check(11, Severity.CHECKOUT, FIELD, "Every search fails on the day VTEX adds a field.")
def unknown_fields(hub: Session) -> None:
    """Ignore fields that it does not know."""
    new = {"certifyNewField": {"deep": [1]}}
    hub.search({**new, "sc": "1", "shippingData": {"address": None}, "payments": []}, new).array()


@check(12, Severity.CHECKOUT, FIELD, "The payment page breaks before the shopper has said who they are.")
def null_client(hub: Session) -> None:
    """Accept a client whose fields are null or empty."""
    hub.search(client={"id": None, "email": "", "document": None, "corporateDocument": None}).array()


@check(13, Severity.CHECKOUT, FIELD, "Carts with discounts cannot be paid with a card.")
def amounts_of_carts(hub: Session) -> None:
    """Accept negative, fractional and null amounts of the cart, also where the OpenAPI says integer."""
    cart = {"discounts": -7.5, "shipping": None, "grandTotal": 12.34, "taxes": 0.01}
    hub.call("POST", "/giftcards/_search", content=_with(hub, cart)).array()


@check(14, Severity.CHECKOUT, FIELD, "Big orders cannot be paid with a card.")
def big_cart(hub: Session) -> None:
    """Accept a cart of 600 items."""
    item = {"productId": "1", "id": "2", "refId": None, "name": "x" * 60, "price": 1, "quantity": 1}
    hub.search({"items": [item] * 600}).array()


@check(15, Severity.CHECKOUT, FIELD, "Shoppers with such names cannot pay.")
def names_of_people(hub: Session) -> None:
    """Accept letters of all languages."""
    hub.search(client={"name": "Zo\u00eb \u674e \U0001f381", "corporateName": "A\u00e7a\u00ed & Cia"}).array()


@check(16, Severity.CHECKOUT, OPENAPI, UNRELATED)
def unknown_card(hub: Session) -> None:
    """Answer an unknown card with a 4xx and a JSON body."""
    _explained(hub.get("/giftcards/certify-unknown"))


@check(17, Severity.ORDERS, OPENAPI, UNRELATED)
def unknown_transaction(hub: Session) -> None:
    """Answer an unknown transaction with a 4xx and a JSON body."""
    _explained(hub.get(f"{hub.path}/transactions/certify-unknown"))


@check(18, Severity.CHECKOUT, OPENAPI, UNRELATED)
def broken_json(hub: Session) -> None:
    """Answer a body that is not JSON with a 4xx and a JSON body."""
    _explained(hub.call("POST", "/giftcards/_search", content=b'{"client":'))


@check(19, Severity.COSMETIC, OPENAPI, "The reason of a failure is lost: VTEX's logs show none.")
def error_says_why(hub: Session) -> None:
    """Say code and message in the error of an answer."""
    error = hub.get("/giftcards/certify-unknown").json()["error"]
    expect(error.get("code") and error.get("message"), "the error has no code or no message")


@check(20, Severity.CHECKOUT, HTTP, "Proxies send on in chunks what they read: every POST through one fails.")
def chunked(hub: Session) -> None:
    """Accept a body that comes in chunks, without a Content-Length."""
    whole, in_chunks = hub.search(), hub.search(headers={"Transfer-Encoding": "chunked"})
    expect(len(in_chunks.array()) == len(whole.array()), "a search in chunks finds another number of cards")


@check(21, Severity.CHECKOUT, GUIDE, PAYS_NOT)
def get_without_type(hub: Session) -> None:
    """Answer a GET without a Content-Type like one with it."""
    types = (None, "application/json")
    without, typed = (hub.get("/giftcards/certify-unknown", headers={"Content-Type": one}) for one in types)
    same = (without.status, without.reply.content) == (typed.status, typed.reply.content)
    expect(same, f"without a Content-Type it answers {without.status}, with one {typed.status}, or the bodies differ")


def _explained(answer: Answer) -> None:
    answer.refused()
    expect(answer.status not in (401, 403), f"{answer.call} answered {answer.status} with the right credentials")
    expect(isinstance(answer.json(), dict), f"the {answer.status} of {answer.call} has no JSON object as body")


def _with(hub: Session, cart: Mapping[str, object]) -> bytes:
    """Return a search as text: amounts of carts are plain JSON numbers here."""
    body = hub.search_body()
    return json.dumps({**body, "cart": {**body["cart"], **cart}}).encode()
