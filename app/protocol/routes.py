"""The eleven calls of the protocol: each loads its request, runs one use case and dumps the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from flask import Blueprint, Response, g, request
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import RequestEntityTooLarge

from app.ledger.cards import CardService, SpendableCard
from app.ledger.service import LedgerService
from app.protocol import answers, auth, errors, ids, json_body, lenient, paging, schemas
from mappers import confidential
from mappers.base import Query
from mappers.deadline import Deadline
from providers.registry import Registry

log = structlog.get_logger(__name__)

NAME = "protocol"

# The first part of the service's own paths. No provider's id begins with it.
OWN = "-"

CARD = "/giftcards/<card_id>"
TRANSACTION = f"{CARD}/transactions/<transaction_id>"


class Limits(Protocol):
    """The service settings that bound a request."""

    @property
    def card_deadline_seconds(self) -> float: ...
    @property
    def money_deadline_seconds(self) -> float: ...
    @property
    def maximum_body_bytes(self) -> int: ...


def create_blueprint(registry: Registry, ledger: LedgerService, cards: CardService, settings: Limits) -> Blueprint:
    """Return the protocol for every provider in `registry`, each at /<provider-id>/giftcards.

    It also makes every error of its application JSON and every answer uncacheable. Pages for people are another
    application, see `app.server.mounts`.
    """
    blueprint = Blueprint(NAME, __name__)
    blueprint.before_app_request(Entrance(registry, settings))
    blueprint.after_app_request(_forbid_caching)
    blueprint.app_errorhandler(Exception)(errors.answer)
    views = Views(ledger, cards)
    rules: Sequence[tuple[str, str, Callable[..., Response]]] = (
        ("POST", "/giftcards/_search", views.search),
        ("GET", CARD, views.get_card),
        ("POST", "/giftcards", views.issue),
        ("POST", f"{CARD}/transactions", views.authorize),
        ("GET", f"{CARD}/transactions", views.transactions),
        ("GET", TRANSACTION, views.transaction),
        ("GET", f"{TRANSACTION}/authorization", views.authorization),
        ("POST", f"{TRANSACTION}/settlements", views.settle),
        ("GET", f"{TRANSACTION}/settlements", views.settlements),
        ("POST", f"{TRANSACTION}/cancellations", views.cancel),
        ("GET", f"{TRANSACTION}/cancellations", views.cancellations),
    )
    for method, path, view in rules:
        blueprint.add_url_rule(
            f"/<provider_id>{path}", view.__name__, view, methods=[method], provide_automatic_options=False
        )
    return blueprint


class Entrance:
    """What happens to a request before its view: it gets a name, a provider and a deadline, in `flask.g`.

    It runs for paths and methods that do not exist as well: below a provider, credentials come before everything else.
    """

    def __init__(self, registry: Registry, settings: Limits) -> None:
        self._registry = registry
        self._card_deadline_seconds = settings.card_deadline_seconds
        self._money_deadline_seconds = settings.money_deadline_seconds
        self._maximum_body_bytes = settings.maximum_body_bytes

    def __call__(self) -> None:
        g.correlation_id = auth.correlation_id(request.headers)
        bind_contextvars(correlation_id=g.correlation_id)
        provider_id = _provider_id()
        if provider_id is None:
            return
        g.deadline = Deadline.after(self._seconds())
        g.provider = auth.authenticate(self._registry, provider_id, request.headers)
        bind_contextvars(provider=g.provider.id)
        request.max_content_length = self._maximum_body_bytes
        if request.view_args is not None:
            request.view_args = _identified(request.view_args)

    def _seconds(self) -> float:
        if request.endpoint in {f"{NAME}.search", f"{NAME}.get_card"}:
            return self._card_deadline_seconds
        return self._money_deadline_seconds


class Views:
    """The eleven calls. Provider, deadline and correlation id of the request are in `flask.g`."""

    def __init__(self, ledger: LedgerService, cards: CardService) -> None:
        self._ledger = ledger
        self._cards = cards

    def search(self) -> Response:
        try:
            body = _body()
        except RequestEntityTooLarge:
            log.warning("search answered empty: the cart is too large", at_most=request.max_content_length)
            cards: Sequence[SpendableCard] = []
        else:
            query = schemas.load_query(body, g.provider.currency, g.provider.codes)
            confidential.keep_codes(filter(None, (query.code, query.pin)))
            cards = self._find(query)
        found, content_range = paging.page(cards, request.headers.get(paging.REQUEST_HEADER))
        response = _answer([answers.found_card(g.provider, card) for card in found])
        response.headers[paging.RESPONSE_HEADER] = content_range
        return response

    def get_card(self, card_id: str) -> Response:
        return _answer(answers.card_details(g.provider, self._cards.get(g.provider, card_id, g.deadline)))

    def issue(self) -> Response:
        provider, now = g.provider, datetime.now(UTC)
        new = schemas.load_new_card(_body(), provider.id, provider.currency, provider.timezone, now)
        issued = self._cards.issue(provider, new, g.deadline)
        return _answer(answers.issued_card(provider, new, issued))

    def authorize(self, card_id: str) -> Response:
        wanted = schemas.load_authorization(_body(), g.provider.currency, card_id, g.correlation_id)
        transaction_id = self._ledger.authorize(g.provider, wanted, g.deadline)
        return _answer(answers.transaction_link(g.provider, card_id, transaction_id))

    def transactions(self, card_id: str) -> Response:
        names = self._ledger.transactions(g.provider, card_id, g.deadline)
        return Response(answers.transaction_links(g.provider, card_id, names), mimetype="application/json")

    def transaction(self, card_id: str, transaction_id: str) -> Response:
        view = self._ledger.transaction(g.provider, card_id, transaction_id, g.deadline)
        return _answer(answers.transaction(g.provider, view))

    def authorization(self, card_id: str, transaction_id: str) -> Response:
        view = self._ledger.transaction(g.provider, card_id, transaction_id, g.deadline)
        return _answer(answers.movement(g.provider, view.authorization))

    def settle(self, card_id: str, transaction_id: str) -> Response:
        change = schemas.load_change(_body(), g.provider.currency, card_id, transaction_id, g.correlation_id)
        return _answer(answers.movement(g.provider, self._ledger.settle(g.provider, change, g.deadline)))

    def settlements(self, card_id: str, transaction_id: str) -> Response:
        movements = self._ledger.settlements(g.provider, card_id, transaction_id, g.deadline)
        return _answer([answers.movement(g.provider, made) for made in movements])

    def cancel(self, card_id: str, transaction_id: str) -> Response:
        change = schemas.load_change(_body(), g.provider.currency, card_id, transaction_id, g.correlation_id)
        return _answer(answers.movement(g.provider, self._ledger.cancel(g.provider, change, g.deadline)))

    def cancellations(self, card_id: str, transaction_id: str) -> Response:
        movements = self._ledger.cancellations(g.provider, card_id, transaction_id, g.deadline)
        return _answer([answers.movement(g.provider, made) for made in movements])

    def _find(self, query: Query) -> Sequence[SpendableCard]:
        """Return the cards a query finds: with a code one or none.

        The Hub searches without a code for every shopper, also those who never had a card. A failure here must not
        break their payment page; a shopper who typed a code is told.
        """
        if query.code is not None:
            return self._cards.search(g.provider, query, g.deadline)[:1]
        try:
            return self._cards.search(g.provider, query, g.deadline)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody asked for a card
            if errors.status_of(error) is None:
                errors.log_unexpected(error)
            reason = confidential.masked(str(error))
            log.warning("search without a code answered empty", error=type(error).__name__, reason=reason)
            return []


def _body() -> dict[str, Any]:
    """Return the JSON object of the request, whatever its Content-Type says: older hubs say other things, or nothing.

    Its codes and its customer are kept from the log, also where nobody foresaw the error that has them in its text.
    """
    raw = _raw_body()
    # Of a body sent in chunks, without a length, Werkzeug gives the first part up to the limit and no error.
    if request.content_length is None and len(raw) == request.max_content_length:
        raise RequestEntityTooLarge
    body = json_body.parse(raw)
    cart, order = lenient.members(body.get("cart")), lenient.members(body.get("orderInfo"))
    codes = (cart.get("redemptionCode"), body.get("redemptionCode"), body.get("redemptionToken"))
    confidential.keep_codes(filter(None, (lenient.text(code, None) for code in codes)))
    of_the_customer = (body.get("client"), order.get("clientProfile"), order.get("shipping"))
    fields = [body.get("profileId"), *(field for one in of_the_customer for field in lenient.members(one).values())]
    confidential.keep_fields(filter(None, (lenient.text(field, None) for field in fields)))
    return body


def _raw_body() -> bytes:
    """Return the body if it came whole: half of one may still be JSON, and would move money."""
    try:
        raw = request.get_data()
    except RequestEntityTooLarge:
        raise
    except Exception:  # noqa: BLE001 - whatever the server's reader raises; its text is the sender's, a code perhaps
        raise errors.InvalidRequest("the body did not come as announced, whole and in time: send it again") from None
    if request.content_length not in (None, len(raw)):
        raise errors.InvalidRequest("the body is shorter than its Content-Length: send it again, whole")
    return raw


def _answer(value: Any) -> Response:
    return Response(json_body.render(value), mimetype="application/json")


def _forbid_caching(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _identified(view_args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a view from those of its path: ids as the ledger knows them, the provider left out."""
    identified = {name: value for name, value in view_args.items() if name != "provider_id"}
    if "card_id" in identified:
        identified["card_id"] = ids.decode(identified["card_id"])
    if "transaction_id" in identified:
        identified["transaction_id"] = ids.transaction_id(identified["transaction_id"])
    return identified


def _provider_id() -> str | None:
    """Return the provider whose path this is, also where no view takes it; None where it is the service's own."""
    if request.url_rule is not None:
        return request.view_args["provider_id"] if request.blueprint == NAME and request.view_args else None
    first, _, rest = request.path.lstrip("/").partition("/")
    return first if rest and first != OWN else None
