"""Square on the wire: the exact JSON that is sent, Square's own examples understood, and each refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import RequestsMock, matchers

from giftbridge.mapper import (
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Currency,
    Deadline,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    OutcomeUnknown,
    Query,
    Receipt,
    ReferenceNotFound,
    Secret,
    StatementLine,
    Step,
    Verb,
)

from giftbridge_square.mapper import Square, SquareOptions

URL = "https://connect.squareupsandbox.com"
ACTIVITIES = f"{URL}/v2/gift-cards/activities"
OPTIONS = SquareOptions(Secret("token"), "81FN9BNFZTKS4", "MLEFBHHSJGVHD", URL)
CARD_ID = "gftc:6d55a72470d940c6ba09c0ab8ad08d20"
GAN = "7783320002929081"
KEY = "gb-0123abc-1"
REDEMPTION = "gcact_897698f894b44b3db46c6147e26a0e19"
STEP = Step(Verb.DEBIT, 300, CARD_ID, key=KEY, since=datetime(2021, 6, 2, 20, tzinfo=UTC))

# The examples of Square's reference: RetrieveGiftCardFromGAN, ListGiftCardActivities.
CARD = {
    "id": CARD_ID,
    "type": "DIGITAL",
    "gan_source": "SQUARE",
    "state": "ACTIVE",
    "balance_money": {"amount": 5000, "currency": "USD"},
    "gan": GAN,
    "created_at": "2021-05-20T22:26:54.000Z",
}
ACTIVATE = {
    "id": "gcact_b968ebfc7d46437b945be7b9e09123b4",
    "type": "ACTIVATE",
    "location_id": "81FN9BNFZTKS4",
    "created_at": "2021-05-20T22:26:54.000Z",
    "gift_card_id": CARD_ID,
    "gift_card_gan": GAN,
    "gift_card_balance_money": {"amount": 1000, "currency": "USD"},
    "activate_activity_details": {
        "amount_money": {"amount": 1000, "currency": "USD"},
        "order_id": "jJNGHm4gLI6XkFbwtiSLqK72KkAZY",
        "line_item_uid": "eIWl7X0nMuO9Ewbh0ChIx",
    },
}
SHOP_REDEEM = {
    "id": REDEMPTION,
    "type": "REDEEM",
    "location_id": "81FN9BNFZTKS4",
    "created_at": "2021-06-02T22:26:38.000Z",
    "gift_card_id": CARD_ID,
    "gift_card_gan": GAN,
    "gift_card_balance_money": {"amount": 700, "currency": "USD"},
    "redeem_activity_details": {
        "amount_money": {"amount": 300, "currency": "USD"},
        "payment_id": "dEv2eksNPy6GqdYiLe4ZBNk6HqXZY",
        "status": "COMPLETED",
    },
}


def redeem(**details: Any) -> dict[str, Any]:
    """Return our own REDEEM as Square shows it."""
    told = {"amount_money": {"amount": 300, "currency": "USD"}, "reference_id": KEY, "status": "COMPLETED"}
    return SHOP_REDEEM | {"redeem_activity_details": told | details}


def activity(kind: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return another activity on the card."""
    common = {name: value for name, value in SHOP_REDEEM.items() if name != "redeem_activity_details"}
    return common | {"type": kind, f"{kind.lower()}_activity_details": details}


def error(code: str, category: str = "INVALID_REQUEST_ERROR") -> dict[str, Any]:
    return {"errors": [{"category": category, "code": code, "detail": f"about {GAN}"}]}


def sent(wire: RequestsMock) -> Any:
    """Return the body of the first call."""
    return json.loads(wire.calls[0].request.body or b"null")


def build(options: SquareOptions = OPTIONS, currency: Currency | None = None) -> Square:
    return Square("acme", currency or Currency.of("USD"), Holds.UPFRONT, options)


@pytest.fixture
def mapper() -> Square:
    return build()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


# What is sent


def test_every_call_carries_the_token_and_a_version(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(f"{URL}/v2/gift-cards/gftc%3A6d55a72470d940c6ba09c0ab8ad08d20", json={"gift_card": CARD})
    mapper.get_card(CARD_ID, deadline)
    headers = wire.calls[0].request.headers
    assert (headers["Authorization"], headers["Square-Version"]) == ("Bearer token", "2025-01-23")


def test_a_code_is_looked_up_in_a_body_and_stands_in_no_url(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    wire.post(f"{URL}/v2/gift-cards/from-gan", json={"gift_card": CARD})
    (card,) = mapper.find(Query(code=GAN), deadline)
    assert sent(wire) == {"gan": GAN}
    assert (card.id, card.balance, card.currency, card.status) == (CARD_ID, 5000, "USD", CardStatus.ACTIVE)
    assert (card.code_mask or "").endswith("9081")
    assert GAN not in repr(card)


@pytest.mark.parametrize(
    ("verb", "reference", "kind", "details"),
    [
        (Verb.DEBIT, "", "REDEEM", {}),
        (Verb.REFUND, REDEMPTION, "REFUND", {"redeem_activity_id": REDEMPTION}),
        (Verb.CREDIT, "", "UNLINKED_ACTIVITY_REFUND", {}),
    ],
    ids=["debit", "refund of a redemption", "credit"],
)
def test_a_step_is_one_activity_under_its_key(
    wire: RequestsMock,
    mapper: Square,
    deadline: Deadline,
    verb: Verb,
    reference: str,
    kind: str,
    details: dict[str, Any],
) -> None:
    name = f"{kind.lower()}_activity_details"
    told = {"amount_money": {"amount": 300, "currency": "USD"}, "reference_id": KEY} | details
    wire.post(ACTIVITIES, json={"gift_card_activity": activity(kind, told)})
    receipt = mapper.run(replace(STEP, verb=verb, reference=reference), deadline)
    assert sent(wire) == {
        "idempotency_key": KEY,
        "gift_card_activity": {
            "type": kind,
            "location_id": "81FN9BNFZTKS4",
            "gift_card_id": CARD_ID,
            name: told,
        },
    }
    assert receipt == Receipt(REDEMPTION, 700)


def test_yen_are_sent_whole(wire: RequestsMock, deadline: Deadline) -> None:
    answer = redeem(amount_money={"amount": 15, "currency": "JPY"})
    wire.post(ACTIVITIES, json={"gift_card_activity": answer})
    build(currency=Currency.of("JPY")).run(replace(STEP, amount=15), deadline)
    details = sent(wire)["gift_card_activity"]["redeem_activity_details"]
    assert details["amount_money"] == {"amount": 15, "currency": "JPY"}


def test_asking_begins_a_day_before_the_transaction_and_ends_where_the_key_is_found(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    """The list shows the last year only, unless it is told where to begin."""
    asked = {
        "gift_card_id": CARD_ID,
        "begin_time": "2021-06-01T20:00:00.000Z",
        "limit": "100",
        "sort_order": "DESC",
    }
    first = {"gift_card_activities": [SHOP_REDEEM], "cursor": "next"}
    second = {"gift_card_activities": [redeem()], "cursor": "last"}
    wire.get(ACTIVITIES, json=first, match=[matchers.query_param_matcher(asked)])
    wire.get(ACTIVITIES, json=second, match=[matchers.query_param_matcher(asked | {"cursor": "next"})])
    assert mapper.ask(STEP, deadline) == Receipt(REDEMPTION, 700)


def test_a_statement_tells_of_what_is_ours_and_of_what_others_gave_back(wire: RequestsMock, mapper: Square) -> None:
    asked = {"begin_time": "2021-05-01T00:00:00.000Z", "limit": "100", "sort_order": "ASC"}
    usd = {"amount_money": {"amount": 300, "currency": "USD"}}
    by_others = activity("REFUND", usd | {"redeem_activity_id": "gcact_1", "reference_id": "theirs"})
    foreign = activity("UNLINKED_ACTIVITY_REFUND", usd | {"reference_id": "theirs"})
    page = {"gift_card_activities": [ACTIVATE, SHOP_REDEEM, redeem(), by_others, foreign]}
    wire.get(ACTIVITIES, json=page, match=[matchers.query_param_matcher(asked)])
    receipt, date = Receipt(REDEMPTION, 700), datetime(2021, 6, 2, 22, 26, 38, tzinfo=UTC)
    assert list(mapper.statement(1, since=datetime(2021, 5, 1, tzinfo=UTC))) == [
        StatementLine(KEY, Verb.DEBIT, 300, CARD_ID, receipt, date),
        StatementLine(None, Verb.REFUND, 300, CARD_ID, receipt, date, reference="gcact_1"),
    ]


# What is answered


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("ACTIVE", CardStatus.ACTIVE),
        ("BLOCKED", CardStatus.FROZEN),
        ("DEACTIVATED", CardStatus.CANCELED),
        ("PENDING", CardStatus.INACTIVE),
        ("MELTED", CardStatus.UNSUPPORTED),
    ],
)
def test_a_state_is_a_status(
    wire: RequestsMock, mapper: Square, deadline: Deadline, state: str, status: CardStatus
) -> None:
    wire.post(f"{URL}/v2/gift-cards/from-gan", json={"gift_card": CARD | {"state": state}})
    assert [card.status for card in mapper.find(Query(code=GAN), deadline)] == [status]


def test_a_card_with_another_number_is_not_the_one_that_was_typed(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    wire.post(f"{URL}/v2/gift-cards/from-gan", json={"gift_card": CARD})
    assert mapper.find(Query(code="7783320001001635"), deadline) == []


@pytest.mark.parametrize(("status", "body"), [(404, error("NOT_FOUND")), (400, error("VALUE_TOO_LONG"))])
def test_an_unknown_code_finds_nothing(
    wire: RequestsMock, mapper: Square, deadline: Deadline, status: int, body: dict[str, Any]
) -> None:
    wire.post(f"{URL}/v2/gift-cards/from-gan", json=body, status=status)
    assert mapper.find(Query(code=GAN), deadline) == []


def test_a_404_of_a_gateway_is_not_an_unknown_card(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(f"{URL}/v2/gift-cards/gftc%3A6d55a72470d940c6ba09c0ab8ad08d20", body="no route", status=404)
    with pytest.raises(BackendUnavailable):
        mapper.get_card(CARD_ID, deadline)


@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (400, "INSUFFICIENT_FUNDS", InsufficientFunds),
        (400, "CURRENCY_MISMATCH", CardUnusable),
        (400, "PAYMENT_LIMIT_EXCEEDED", CardUnusable),
        (400, "REFUND_AMOUNT_INVALID", ReferenceNotFound),
        (400, "IDEMPOTENCY_KEY_REUSED", OutcomeUnknown),
        (409, "CONFLICT", OutcomeUnknown),
        (404, "", OutcomeUnknown),
        (401, "UNAUTHORIZED", BackendUnavailable),
        (403, "INSUFFICIENT_SCOPES", BackendUnavailable),
        (429, "RATE_LIMITED", BackendUnavailable),
        (500, "INTERNAL_SERVER_ERROR", OutcomeUnknown),
    ],
)
def test_a_refusal_is_what_certainly_did_not_happen(
    mapper: Square, deadline: Deadline, status: int, code: str, refusal: type[Exception]
) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.post(ACTIVITIES, json=error(code) if code else None, status=status)
        wire.get(ACTIVITIES, json={})
        with pytest.raises(refusal) as raised:
            mapper.run(STEP, deadline)
    assert type(raised.value) is refusal
    assert GAN not in str(raised.value)


def test_a_redemption_that_shows_only_afterwards_leaves_its_refund_unknown(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    wire.post(ACTIVITIES, json=error("NOT_FOUND"), status=404)
    wire.get(ACTIVITIES, json={"gift_card_activities": [SHOP_REDEEM]})
    wire.get(f"{URL}/v2/gift-cards/gftc%3A6d55a72470d940c6ba09c0ab8ad08d20", json={"gift_card": CARD})
    with pytest.raises(OutcomeUnknown) as raised:
        mapper.run(replace(STEP, verb=Verb.REFUND, reference=REDEMPTION), deadline)
    assert raised.value.answered


@pytest.mark.parametrize("code", ["BAD_REQUEST", "INVALID_LOCATION"])
@pytest.mark.parametrize(
    ("card", "listed", "reference", "refusal"),
    [
        (None, [], "", CardNotFound),
        (CARD | {"state": "BLOCKED"}, [], "", CardUnusable),
        (CARD, [], REDEMPTION, ReferenceNotFound),
        (CARD, [SHOP_REDEEM], REDEMPTION, BackendUnavailable),
        (CARD, [], "", BackendUnavailable),
    ],
    ids=["no card", "a card that is blocked", "no redemption", "a refund of what is there", "a card that can pay"],
)
def test_other_refusals_are_judged_by_the_card(
    wire: RequestsMock,
    mapper: Square,
    deadline: Deadline,
    code: str,
    card: dict[str, Any] | None,
    listed: list[Any],
    reference: str,
    refusal: type[Exception],
) -> None:
    """What is wrong with our set-up must not refuse a settlement or a refund for good."""
    wire.post(ACTIVITIES, json=error(code), status=400)
    wire.get(ACTIVITIES, json={"gift_card_activities": listed})
    answer = {"gift_card": card} if card else error("NOT_FOUND")
    wire.get(f"{URL}/v2/gift-cards/gftc%3A6d55a72470d940c6ba09c0ab8ad08d20", json=answer, status=200 if card else 404)
    with pytest.raises(refusal) as raised:
        mapper.run(replace(STEP, verb=Verb.REFUND if reference else Verb.DEBIT, reference=reference), deadline)
    assert type(raised.value) is refusal


@pytest.mark.parametrize(
    "other", [{"reference_id": "gb-0456def-1"}, {"amount_money": {"amount": 301, "currency": "USD"}}]
)
def test_an_answer_about_another_activity_leaves_it_unknown(
    wire: RequestsMock, mapper: Square, deadline: Deadline, other: dict[str, Any]
) -> None:
    wire.post(ACTIVITIES, json={"gift_card_activity": redeem(**other)})
    with pytest.raises(OutcomeUnknown):
        mapper.run(STEP, deadline)


def test_an_answer_about_another_card_is_no_card(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(f"{URL}/v2/gift-cards/gftc%3A1", json={"gift_card": CARD})
    with pytest.raises(BackendUnavailable):
        mapper.get_card("gftc:1", deadline)


@pytest.mark.parametrize("code", ["BAD_REQUEST", "IDEMPOTENCY_KEY_REUSED", "INSUFFICIENT_FUNDS"])
def test_a_repeat_that_is_refused_has_happened_where_the_list_shows_it(
    wire: RequestsMock, mapper: Square, deadline: Deadline, code: str
) -> None:
    wire.post(ACTIVITIES, json=error(code), status=400)
    wire.get(ACTIVITIES, json={"gift_card_activities": [redeem()]})
    assert mapper.run(STEP, deadline) == Receipt(REDEMPTION, 700)


def test_a_refusal_is_unknown_where_the_list_cannot_be_read(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    wire.post(ACTIVITIES, json=error("INSUFFICIENT_FUNDS"), status=400)
    wire.get(ACTIVITIES, json=error("FORBIDDEN"), status=403)
    with pytest.raises(OutcomeUnknown) as raised:
        mapper.run(STEP, deadline)
    assert raised.value.answered


@pytest.mark.parametrize(
    "other",
    [
        redeem(amount_money={"amount": 301, "currency": "USD"}),
        redeem(amount_money={"amount": 300, "currency": "CAD"}),
        redeem(status="CANCELED"),
        activity("REFUND", redeem()["redeem_activity_details"] | {"redeem_activity_id": "gcact_1"}),
    ],
    ids=["amount", "currency", "status", "type"],
)
def test_something_else_under_the_key_is_a_conflict(
    wire: RequestsMock, mapper: Square, deadline: Deadline, other: dict[str, Any]
) -> None:
    wire.get(ACTIVITIES, json={"gift_card_activities": [other]})
    with pytest.raises(Conflict):
        mapper.ask(STEP, deadline)


def test_a_refund_of_another_redemption_is_a_conflict(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    other = activity("REFUND", redeem()["redeem_activity_details"] | {"redeem_activity_id": "gcact_1"})
    wire.get(ACTIVITIES, json={"gift_card_activities": [other]})
    with pytest.raises(Conflict):
        mapper.ask(replace(STEP, verb=Verb.REFUND, reference=REDEMPTION), deadline)


def test_a_list_that_is_not_found_is_no_empty_list(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(ACTIVITIES, json=error("NOT_FOUND"), status=404)
    with pytest.raises(BackendUnavailable):
        mapper.ask(STEP, deadline)


def test_a_cursor_that_leads_back_is_not_the_end_of_a_list(
    wire: RequestsMock, mapper: Square, deadline: Deadline
) -> None:
    wire.get(ACTIVITIES, json={"gift_card_activities": [SHOP_REDEEM], "cursor": "next"})
    with pytest.raises(BackendUnavailable):
        mapper.ask(STEP, deadline)


# What a person names


def test_a_person_names_a_redemption_by_its_activity(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(ACTIVITIES, json={"gift_card_activities": [SHOP_REDEEM]})
    assert mapper.look_up(STEP, REDEMPTION, deadline) == Receipt(REDEMPTION, 700)


@pytest.mark.parametrize("listed", [[], [redeem(reference_id="gb-0456def-1")]], ids=["not there", "of another key"])
def test_a_person_cannot_name_what_is_not_the_step(
    wire: RequestsMock, mapper: Square, deadline: Deadline, listed: list[Any]
) -> None:
    wire.get(ACTIVITIES, json={"gift_card_activities": listed})
    with pytest.raises(Conflict):
        mapper.look_up(STEP, REDEMPTION, deadline)


# The options


LOCATION = {"id": "81FN9BNFZTKS4", "merchant_id": "MLEFBHHSJGVHD", "currency": "USD", "status": "ACTIVE"}


def test_a_ping_reads_the_location(wire: RequestsMock, mapper: Square, deadline: Deadline) -> None:
    wire.get(f"{URL}/v2/locations/81FN9BNFZTKS4", json={"location": LOCATION})
    mapper.ping(deadline)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, error("UNAUTHORIZED", "AUTHENTICATION_ERROR"), "access_token"),
        (404, error("NOT_FOUND"), "location_id"),
        (200, {"location": LOCATION | {"status": "INACTIVE"}}, "location_id"),
        (200, {"location": LOCATION | {"merchant_id": "another"}}, "merchant_id"),
        (200, {"location": LOCATION | {"currency": "CAD"}}, "CAD"),
    ],
)
def test_a_ping_names_the_option_that_is_wrong(
    wire: RequestsMock, mapper: Square, deadline: Deadline, status: int, body: dict[str, Any], told: str
) -> None:
    wire.get(f"{URL}/v2/locations/81FN9BNFZTKS4", json=body, status=status)
    with pytest.raises(BackendUnavailable, match=told):
        mapper.ping(deadline)


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("access_token", replace(OPTIONS, access_token=Secret(""))),
        ("location_id", replace(OPTIONS, location_id="")),
        ("merchant_id", replace(OPTIONS, merchant_id="")),
    ],
)
def test_an_empty_option_stops_the_boot(option: str, options: SquareOptions) -> None:
    with pytest.raises(InvalidOptions) as raised:
        build(options)
    assert raised.value.option == option


def test_a_currency_with_other_digits_than_square_counts_stops_the_boot() -> None:
    with pytest.raises(InvalidOptions) as raised:
        build(currency=Currency.of("USD", digits=0))
    assert raised.value.option == "currency"


def test_locations_of_one_seller_share_its_cards() -> None:
    accounts = [
        build(replace(OPTIONS, location_id="L2")).account(),
        build(replace(OPTIONS, access_token=Secret("rotated"))).account(),
        build(replace(OPTIONS, merchant_id="another")).account(),
    ]
    assert [list(account) == list(build().account()) for account in accounts] == [True, True, False]
