"""Square's calls: paths, JSON and statuses, as its public reference describes them.

Each fact names its page below https://developer.squareup.com. What no page says is listed in the README, not verified.

| fact | page |
|---|---|
| paths, bodies, examples of answers | /reference/square/gift-cards-api, /reference/square/gift-card-activities-api |
| `amount` counts the base unit of its currency: 400 is 4.00 USD, 2 is 2 JPY | /docs/build-basics/working-with-monetary-amounts |
| a failed request is a 4xx or 5xx with `errors`: category, code, detail, field | /docs/build-basics/handling-errors |
| a list is cut into pages; only the last one has no `cursor` | /docs/working-with-apis/pagination |
| activities: 50 a page unless asked, 100 at most; of the last year unless `begin_time` is given | /reference/square/gift-card-activities-api/list-gift-card-activities |
| `gift_card_balance_money` is the balance after the activity | /reference/square/objects/GiftCardActivity |
| an activity shows the card's number, `gift_card_gan`: it is never read here | /reference/square/objects/GiftCardActivity |
"""  # noqa: E501 - an address is not broken

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from giftbridge.mapper import NOT_A_CODE, Answer, BackendUnavailable, Deadline, HttpBackend, segment
from giftbridge.parsing import (
    Parsed,
    filled,
    integer,
    mapping,
    member,
    moment,
    optional,
    rows,
    text,
    understood,
    written,
)

PAGE = 100


class Rejected(Exception):
    """Square said no with a 4xx. `code` is the first of its error codes: the status belongs to that one."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the smallest unit of its currency."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class GiftCard:
    """A card as Square sends it. The GAN, its number, is what a shopper types: it never shows in a repr."""

    id: str
    gan: str = field(repr=False)
    state: str
    balance: Money
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Activity:
    """What Square keeps of one change of a card. The fields from `money` on are there for some types only."""

    id: str
    type: str
    card_id: str
    created_at: datetime
    balance: Money | None
    money: Money | None
    reference_id: str | None
    redeem_activity_id: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Location:
    """A shop of the seller, real or not: each activity names one."""

    merchant_id: str
    currency: str
    status: str


class Client:
    """Calls to Square. Reads raise BackendUnavailable, writes OutcomeUnknown too, and Rejected for a 4xx."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def location(self, location_id: str, deadline: Deadline) -> Location | None:
        """Return a location, None where the seller has none of this id."""
        path = f"/v2/locations/{segment(location_id)}"
        return self._read("GET", path, "location", _in("location", parse_location), deadline)

    def card_with_gan(self, gan: str, deadline: Deadline) -> GiftCard | None:
        """Return the card with this number, None where there is none. The number stands in no URL."""
        path, parse = "/v2/gift-cards/from-gan", _in("gift_card", parse_card)
        return self._read("POST", path, "find", parse, deadline, body={"gan": gan}, typed=True)

    def card(self, card_id: str, deadline: Deadline) -> GiftCard | None:
        """Return one card by its id, None where there is none."""
        path, parse = f"/v2/gift-cards/{segment(card_id)}", _in("gift_card", parse_card)
        found = self._read("GET", path, "card", parse, deadline)
        if found and found.id != card_id:
            raise BackendUnavailable("Square's answer is about another card")
        return found

    def create_activity(
        self, key: str, activity: Mapping[str, Any], operation: str, deadline: Deadline, *, breaker: bool
    ) -> Activity:
        """Change a card, under an idempotency key. `breaker` is False for what is tried whatever happened before."""
        answer = self._http.call(
            "POST",
            "/v2/gift-cards/activities",
            deadline=deadline,
            body={"idempotency_key": key, "gift_card_activity": activity},
            moves_money=True,
            operation=operation,
            breaker=breaker,
        )
        if answer.status >= 400:
            raise _rejected(answer)
        parse = _in("gift_card_activity", parse_activity)
        return understood(answer.body, parse, "Square", operation, wrote=True)

    def activities(
        self,
        page_deadline: Callable[[], Deadline],
        *,
        since: datetime,
        card_id: str | None = None,
        newest_first: bool = False,
        breaker: bool = True,
    ) -> Iterator[Activity]:
        """Yield what changed a card, or any card of the seller, page by page."""
        query = {"limit": str(PAGE), "begin_time": written(since), "sort_order": "DESC" if newest_first else "ASC"}
        if card_id is not None:
            query["gift_card_id"] = card_id
        cursors: set[str | None] = {None}
        cursor: str | None = ""
        while cursor not in cursors:
            cursors.add(cursor)
            asked = query | ({"cursor": cursor} if cursor else {})
            page = self._read(
                "GET", "/v2/gift-cards/activities", "list", parse_page, page_deadline(), query=asked, breaker=breaker
            )
            if page is None:
                raise BackendUnavailable("Square does not list the activities: it answers NOT_FOUND")
            activities, cursor = page
            yield from activities
        if cursor is not None:
            raise BackendUnavailable("Square's list of activities leads back to a page that was read")

    def _read(
        self,
        method: str,
        path: str,
        operation: str,
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        typed: bool = False,
        breaker: bool = True,
    ) -> Parsed | None:
        """Ask and parse; None for what Square itself calls NOT_FOUND: a gateway's own 404 must not pass for that.

        `typed`: a person typed what is asked for, and may have typed what cannot be asked for.
        """
        answer = self._http.call(
            method, path, deadline=deadline, query=query, body=body, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            rejected = _rejected(answer)
            if (answer.status == 404 and rejected.code == "NOT_FOUND") or (typed and answer.status in NOT_A_CODE):
                return None
            raise BackendUnavailable(f"Square answers {rejected} ({operation})")
        return understood(answer.body, parse, "Square", operation)


def parse_location(data: Any) -> Location:
    return Location(filled(data, "merchant_id"), filled(data, "currency"), filled(data, "status"))


def parse_card(data: Any) -> GiftCard:
    return GiftCard(
        filled(data, "id"),
        filled(data, "gan"),
        filled(data, "state"),
        _money(data, "balance_money"),
        optional(moment, data, "created_at"),
    )


def parse_activity(data: Any) -> Activity:
    """Read an activity. What is particular to its type stands in an object named after it."""
    kind = filled(data, "type")
    details = optional(_member, data, details_name(kind)) or {}
    return Activity(
        filled(data, "id"),
        kind,
        filled(data, "gift_card_id"),
        moment(data, "created_at"),
        optional(_money, data, "gift_card_balance_money"),
        optional(_money, details, "amount_money"),
        optional(text, details, "reference_id"),
        optional(text, details, "redeem_activity_id"),
        optional(text, details, "status"),
    )


def parse_page(data: Any) -> tuple[list[Activity], str | None]:
    """Read a page of activities and the cursor of the next; an empty list is left out of the answer."""
    found = optional(rows, mapping(data), "gift_card_activities") or []
    return [parse_activity(row) for row in found], optional(filled, data, "cursor")


def details_name(kind: str) -> str:
    """Return the name of the object that has what is particular to a type of activity."""
    return f"{kind.lower()}_activity_details"


def _in(name: str, parse: Callable[[Any], Parsed]) -> Callable[[Any], Parsed]:
    """Return what reads an answer that holds its one object under `name`."""
    return lambda data: parse(_member(data, name))


def _member(data: Any, name: str) -> Mapping[str, Any]:
    return mapping(member(data, name), name)


def _money(data: Any, name: str) -> Money:
    found = _member(data, name)
    return Money(integer(found, "amount"), filled(found, "currency"))


def _rejected(answer: Answer) -> Rejected:
    """Return what a 4xx says. Credentials that are refused say nothing about a card: nothing was done.

    Of an error only its code is shown: its detail may quote what was sent.
    """
    if answer.status in (401, 403):
        raise BackendUnavailable(f"Square answers {answer.status}: check the option access_token and its permissions")
    errors = member(answer.body, "errors")
    code = member(errors[0], "code") if isinstance(errors, list) and errors else None
    return Rejected(answer.status, code if isinstance(code, str) else "")
