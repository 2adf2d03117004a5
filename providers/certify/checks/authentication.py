"""AUTH: who is let in. The Hub probes with bad credentials, and gives payments up where they get in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urljoin

from providers.certify.check import GUIDE, Chapter, NotTried, Severity, expect
from providers.certify.session import Answer, Session

CHAPTER = Chapter("AUTH")
check = CHAPTER.check

KEY = "X-PROVIDER-API-AppKey"
TOKEN = "X-PROVIDER-API-AppToken"  # noqa: S105 - the name of a header

Headers = Mapping[str, str | None]

LETS_IN = "VTEX's probe gets in: it cancels the payments of this provider, and anybody can spend the cards."
TELLS = "VTEX expects an empty answer to its probe; a body tells strangers what is behind the address."

MISSING: Headers = {KEY: None, TOKEN: None}
WRONG: Headers = {TOKEN: "certify-wrong-token"}

# The eleven calls: the number of the check, the call, and its path below the serviceUrl.
CALLS = (
    (1, "POST", "/giftcards/_search"),
    (2, "GET", "{card}"),
    (3, "POST", "/giftcards"),
    (4, "POST", "{card}/transactions"),
    (5, "GET", "{card}/transactions"),
    (6, "GET", "{card}/transactions/certify-unknown"),
    (7, "GET", "{card}/transactions/certify-unknown/authorization"),
    (8, "POST", "{card}/transactions/certify-unknown/settlements"),
    (9, "GET", "{card}/transactions/certify-unknown/settlements"),
    (10, "POST", "{card}/transactions/certify-unknown/cancellations"),
    (11, "GET", "{card}/transactions/certify-unknown/cancellations"),
)


def call_of(hub: Session, method: str, path: str, headers: Headers) -> Answer:
    """Make one of the eleven calls. It moves nothing at a provider that keeps strangers out."""
    try:
        card = hub.path
    except NotTried:
        card = "/giftcards/certify-unknown"
    if (method, path) == ("POST", "{card}/transactions") and card == "/giftcards/certify-unknown":
        return hub.call(
            "POST", f"{card}/transactions", {"operation": "Debit", "value": hub.target.spend}, headers=headers
        )
    if (method, path) == ("POST", "{card}/transactions"):
        return hub.debit(hub.share(), headers=headers)
    body = None if method == "GET" else hub.search_body() if "_search" in path else {"requestId": "certify"}
    return hub.call(method, path.format(card=card), body, headers=headers)


def _refuses(method: str, path: str) -> Callable[[Session], None]:
    def run(hub: Session) -> None:
        for headers in (MISSING, WRONG):
            answer = call_of(hub, method, path, headers)
            expect(answer.status in (401, 403), f"{answer.call} answered {answer.status} instead of 401 or 403")

    shown = path.format(card="/giftcards/{id}").replace("certify-unknown", "{tid}")
    run.__doc__ = f"Refuse `{method} {shown}` without credentials, and with a wrong token."
    return run


for _number, _method, _path in CALLS:
    check(_number, Severity.SECURITY, GUIDE, LETS_IN)(_refuses(_method, _path))


def _probe(hub: Session, headers: Headers) -> Answer:
    return hub.search({"redemptionCode": None}, headers=headers)


def _refused(hub: Session, headers: Headers) -> None:
    status = _probe(hub, headers).status
    expect(status in (401, 403), f"a search answered {status} instead of 401 or 403")


@check(12, Severity.COSMETIC, GUIDE, "VTEX tells missing credentials from wrong ones by the status.")
def missing_is_401(hub: Session) -> None:
    """Answer 401 where both credentials are missing."""
    status = _probe(hub, MISSING).status
    expect(status == 401, f"a search without credentials answered {status}")


@check(13, Severity.COSMETIC, GUIDE, "VTEX tells missing credentials from wrong ones by the status.")
def wrong_is_403(hub: Session) -> None:
    """Answer 403 where the token is wrong."""
    status = _probe(hub, WRONG).status
    expect(status == 403, f"a search with a wrong token answered {status}")


@check(14, Severity.SECURITY, GUIDE, TELLS)
def missing_has_no_body(hub: Session) -> None:
    """Answer missing credentials with an empty body."""
    expect(not _probe(hub, MISSING).reply.content, "the answer to missing credentials has a body")


@check(15, Severity.SECURITY, GUIDE, TELLS)
def wrong_has_no_body(hub: Session) -> None:
    """Answer wrong credentials with an empty body."""
    expect(not _probe(hub, WRONG).reply.content, "the answer to wrong credentials has a body")


@check(16, Severity.SECURITY, GUIDE, LETS_IN)
def key_alone(hub: Session) -> None:
    """Refuse the app key without a token."""
    _refused(hub, {TOKEN: None})


@check(17, Severity.SECURITY, GUIDE, LETS_IN)
def token_alone(hub: Session) -> None:
    """Refuse the token without an app key."""
    _refused(hub, {KEY: None})


@check(18, Severity.SECURITY, GUIDE, LETS_IN)
def swapped(hub: Session) -> None:
    """Refuse key and token that are swapped."""
    _refused(hub, {KEY: str(hub.target.app_token), TOKEN: hub.target.app_key})


@check(19, Severity.SECURITY, GUIDE, LETS_IN)
def doubled(hub: Session) -> None:
    """Refuse a token that is sent twice in one header."""
    token = str(hub.target.app_token)
    _refused(hub, {TOKEN: f"{token}, {token}"})


@check(20, Severity.SECURITY, GUIDE, LETS_IN)
def empty(hub: Session) -> None:
    """Refuse credentials that are empty."""
    _refused(hub, {KEY: "", TOKEN: ""})


@check(21, Severity.SECURITY, GUIDE, LETS_IN)
def wrong_key(hub: Session) -> None:
    """Refuse the right token with another app key."""
    _refused(hub, {KEY: "certify-wrong-key"})


@check(22, Severity.SECURITY, GUIDE, LETS_IN)
def shortened(hub: Session) -> None:
    """Refuse the token without its last character."""
    _refused(hub, {TOKEN: str(hub.target.app_token)[:-1]})


@check(23, Severity.SECURITY, GUIDE, "Strangers can try which cards there are.")
def unknown_like_known(hub: Session) -> None:
    """Answer wrong credentials alike, whether there is such a card or not."""
    known, unknown = (hub.get(path, headers=WRONG) for path in (hub.path, "/giftcards/certify-unknown"))
    same = (known.status, known.reply.content) == (unknown.status, unknown.reply.content)
    expect(same, f"a known card answered {known.status}, an unknown one {unknown.status}, or the bodies differ")


@check(24, Severity.COSMETIC, GUIDE, "Strangers can try which provider ids there are.")
def unknown_provider(hub: Session) -> None:
    """Answer an unknown provider id like wrong credentials: with the same status and body."""
    known = hub.search({"redemptionCode": None}, headers=WRONG)
    unknown = hub.search({"redemptionCode": None}, url=urljoin(hub.target.url, "certify-unknown"))
    same = (known.status, known.reply.content) == (unknown.status, unknown.reply.content)
    expect(same, f"wrong credentials got {known.status}, an unknown provider id {unknown.status}, or the bodies differ")
