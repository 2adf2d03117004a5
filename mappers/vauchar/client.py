"""Vauchar's calls: paths, JSON and HTTP statuses (Vauchar API reference, Gift Cards API 2.0.0)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mappers.base import KEY_PREFIX, BackendUnavailable, CardNotFound, Unsupported
from mappers.deadline import Deadline
from mappers.http import NOT_A_CODE, Answer, HttpBackend, segment
from mappers.parsing import MOST_DIGITS, Malformed, amount, member

# The reference says that lists are "paginated" and names no mechanism. A list whose length is a likely page size
# may be one page of several; any other is taken as complete.
SMALLEST_PAGE = 10
PAGE_MULTIPLE = 5
MAXIMUM_PAGES = 20


@dataclass(frozen=True, slots=True)
class GiftCard:
    """A gift card as Vauchar sends it. Amounts in major units; times in Unix seconds, 0 for "none"."""

    id: str
    code: str = field(repr=False)
    kind: str
    currency: str
    balance: Decimal
    value_unit: str
    active: bool
    start_time: int
    expiry_time: int
    created: int
    tag: str


@dataclass(frozen=True, slots=True)
class Redemption:
    """One redemption, in the card's currency. `transaction_id` is "" where the account does not keep it.

    `created` is in Unix seconds, 0 where Vauchar does not say.
    """

    id: str
    value_used: Decimal
    transaction_id: str
    user_id: str
    user_email: str
    created: int = 0


@dataclass(frozen=True, slots=True)
class Redemptions:
    """A card's redemptions. `complete` is False where some may be missing: on another page, or unreadable."""

    items: tuple[Redemption, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Validation:
    """What validating a code said: a status (1000 is valid, 0 is none given) and the card, where there is one."""

    status: int
    card: GiftCard | None


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a list. `last`: surely none follows."""

    items: list[Mapping[str, Any]]
    last: bool


class Client:
    """Calls to Vauchar. Reads raise BackendUnavailable for whatever cannot be understood; writes return the Answer."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def verify_credentials(self, deadline: Deadline) -> None:
        """GET /verifycredentials (not in the reference; Vauchar's own WooCommerce plugin uses it)."""
        answer = self._read("/verifycredentials", "verify credentials", deadline, breaker=False)
        _expect_success(answer, "verify credentials")

    def validate(self, code: str, value_used: str, deadline: Deadline) -> Validation | None:
        """Look a card up by its code; None where no card has it.

        Whether a card that exists but cannot be used answers 200 or 4xx is undocumented: the body decides.
        """
        query = {"gift_card_code": code, "value_used": value_used}
        answer = self._read("/gift-cards/validate", "validate", deadline, query=query)
        body = answer.body if isinstance(answer.body, Mapping) else {}
        verdict = body.get("validation_status")
        status = _integer(verdict, "status") if isinstance(verdict, Mapping) else 0
        if isinstance(body.get("data"), Mapping):
            return Validation(status, _gift_card(body["data"]))
        if answer.status == 404 or answer.status in NOT_A_CODE:
            return None
        if status:
            return Validation(status, None)
        raise _unexpected(answer, "validate")

    def card(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> GiftCard:
        """Read one card. Raises CardNotFound."""
        answer = self._read(f"/gift-cards/{segment(card_id)}", "get card", deadline, breaker=breaker)
        if answer.status in {400, 404}:
            raise CardNotFound("Vauchar has no gift card with this id")
        _expect_success(answer, "get card")
        card = _gift_card(_unwrapped(answer.body))
        if card.id != card_id:
            raise BackendUnavailable("Vauchar answered with another gift card than the one asked for")
        return card

    def cards(self, deadline: Deadline) -> tuple[GiftCard, ...]:
        """List the account's cards, as many as Vauchar lists."""
        items, _ = self._list("/gift-cards", "list cards", deadline)
        return tuple(_gift_card(item) for item in items)

    def every_card(self, page_seconds: float) -> Iterator[GiftCard]:
        """Yield the account's cards, page by page. Raises Unsupported at the end where they may not be all."""
        last = False
        for page in self._pages("/gift-cards", "list every card", lambda: Deadline.after(page_seconds)):
            yield from map(_gift_card, page.items)
            last = page.last
        if not last:
            raise Unsupported("Vauchar may list only some of the account's cards: look into its dashboard")

    def create_card(self, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        return self._write("POST", "/gift-cards", "create card", deadline, body)

    def redemptions(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> Redemptions:
        """List a card's redemptions. Raises CardNotFound."""
        items, complete = self._list(_redemptions_path(card_id), "list redemptions", deadline, breaker=breaker)
        read = [_readable(item) for item in items]
        found = tuple(one for one in read if one is not None)
        return Redemptions(found, complete and len(found) == len(read))

    def redemption(self, card_id: str, redemption_id: str, deadline: Deadline) -> Redemption | None:
        """Return one redemption, without trusting the list; None where there is none."""
        path = f"{_redemptions_path(card_id)}/{segment(redemption_id)}"
        answer = self._read(path, "get redemption", deadline, breaker=False)
        if answer.status == 404:
            return None
        _expect_success(answer, "get redemption")
        found = redemption(_unwrapped(answer.body))
        return found if found.id == redemption_id else None

    def redeem(self, card_id: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool) -> Answer:
        return self._write("POST", _redemptions_path(card_id), "redeem", deadline, body, breaker=breaker)

    def delete_redemption(self, card_id: str, redemption_id: str, deadline: Deadline) -> Answer:
        path = f"{_redemptions_path(card_id)}/{segment(redemption_id)}"
        return self._write("DELETE", path, "delete redemption", deadline, None, breaker=False)

    def _read(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        breaker: bool = True,
    ) -> Answer:
        answer = self._http.call("GET", path, deadline=deadline, query=query, operation=operation, breaker=breaker)
        return _own(answer)

    def _write(
        self,
        method: str,
        path: str,
        operation: str,
        deadline: Deadline,
        body: Mapping[str, Any] | None,
        *,
        breaker: bool = True,
    ) -> Answer:
        answer = self._http.call(
            method, path, deadline=deadline, body=body, moves_money=True, operation=operation, breaker=breaker
        )
        return _own(answer)

    def _list(
        self, path: str, operation: str, deadline: Deadline, *, breaker: bool = True
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """Return a list's items and whether they are surely all; follows a `next` link, should there be one."""
        pages = list(islice(self._pages(path, operation, lambda: deadline, breaker=breaker), MAXIMUM_PAGES))
        return [item for page in pages for item in page.items], pages[-1].last

    def _pages(
        self, path: str, operation: str, deadline: Callable[[], Deadline], *, breaker: bool = True
    ) -> Iterator[_Page]:
        """Yield a list's pages; `deadline` is asked for each."""
        query: Mapping[str, str] | None = None
        while True:
            answer = self._read(path, operation, deadline(), query=query, breaker=breaker)
            if answer.status == 404:
                raise CardNotFound("Vauchar has no gift card with this id")
            _expect_success(answer, operation)
            body = answer.body
            page = body.get("data") if isinstance(body, Mapping) else None
            if page is None and isinstance(body, Mapping) and "data" in body:
                page = []  # null: PHP's empty list
            if not isinstance(page, list) or not all(isinstance(item, Mapping) for item in page):
                raise BackendUnavailable(f"Vauchar's answer to {operation!r} has no list in it")
            link = body.get("next")
            if isinstance(link, Mapping):
                link = link.get("href")
            if not isinstance(link, str) or not link:
                whole_pages = len(page) >= SMALLEST_PAGE and len(page) % PAGE_MULTIPLE == 0
                yield _Page(page, last=query is not None or not whole_pages)
                return
            yield _Page(page, last=False)
            # Of a link only the query counts, so that an answer cannot send us (and the credentials) elsewhere.
            before, query = query, dict(parse_qsl(urlsplit(link).query))
            if query == before:
                raise BackendUnavailable(f"Vauchar's answer to {operation!r} names itself as the next page")


def _readable(data: Any) -> Redemption | None:
    """Read one redemption of a list; None for another's that cannot be read: it must not block the card."""
    try:
        return redemption(data)
    except BackendUnavailable:
        if _text(data, "transaction_id").startswith(KEY_PREFIX):
            raise
        return None


def redemption(data: Any) -> Redemption:
    """Read a redemption, bare or wrapped in `data`. Raises BackendUnavailable where it is none."""
    data = _unwrapped(data)
    return Redemption(
        id=_required_text(data, "id"),
        value_used=_amount(data, "value_used"),
        transaction_id=_text(data, "transaction_id"),
        user_id=_text(data, "user_id"),
        user_email=_text(data, "user_email"),
        created=_integer(data, "created"),
    )


def new_card(answer: Answer) -> GiftCard:
    """Read the card that creating one answered with. Raises BackendUnavailable where there is none."""
    return _gift_card(_unwrapped(answer.body))


def _redemptions_path(card_id: str) -> str:
    return f"/gift-cards/{segment(card_id)}/redemptions"


def _own(answer: Answer) -> Answer:
    """Return what Vauchar itself says: its errors are JSON, and a gateway's 404 says nothing of a card."""
    if answer.status in {401, 403}:
        raise BackendUnavailable(
            f"Vauchar refuses the credentials (HTTP {answer.status}): check the options merchant_id and api_key"
        )
    if answer.status == 404 and answer.body is None:
        raise BackendUnavailable("Vauchar answers 404 without an error of its own: check the option base_url")
    return answer


def _expect_success(answer: Answer, operation: str) -> None:
    if not 200 <= answer.status < 300:
        raise _unexpected(answer, operation)


def _unexpected(answer: Answer, operation: str) -> BackendUnavailable:
    return BackendUnavailable(f"Vauchar answered {operation!r} with HTTP {answer.status}, which cannot be understood")


def _unwrapped(body: Any) -> Any:
    """Return a resource that may stand bare or in `data`: both occur in Vauchar's reference."""
    if isinstance(body, Mapping) and isinstance(body.get("data"), Mapping):
        return body["data"]
    return body


def _gift_card(data: Any) -> GiftCard:
    return GiftCard(
        id=_required_text(data, "id"),
        code=_text(data, "gift_card_code"),
        kind=_text(data, "type"),
        currency=_text(data, "currency"),
        balance=_amount(data, "balance"),
        value_unit=_text(data, "value_unit"),
        active=_text(data, "active_status") == "1",
        start_time=_integer(data, "start_time"),
        expiry_time=_integer(data, "expiry_time"),
        created=_integer(data, "created"),
        tag=_text(data, "tag"),
    )


def _text(data: Any, name: str) -> str:
    value = member(data, name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _required_text(data: Any, name: str) -> str:
    text = _text(data, name)
    if not text:
        raise BackendUnavailable(f"Vauchar's answer has no {name!r} where there should be one")
    return text


def _integer(data: Any, name: str) -> int:
    text = _text(data, name)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else 0


def _amount(data: Any, name: str) -> Decimal:
    """Read an amount: Vauchar answers with strings; numbers are accepted too."""
    try:
        return amount(data, name)
    except Malformed as error:
        raise BackendUnavailable(f"Vauchar's answer has no amount in {name!r}") from error
