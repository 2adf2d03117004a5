"""The mapper of VTEX's gift cards sends and understands what VTEX's OpenAPI document says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    Act,
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Cart,
    Conflict,
    Customer,
    DoneStep,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    MapperError,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.whole_capture import INSTEAD, NOTHING
from tests.mappers.requests_sent import sent, sent_text
from tests.mappers.vtex_giftcards_wire import (
    CANCELLATIONS_URL,
    CARD,
    CARD_URL,
    CODE,
    DEBIT,
    DEBIT_URL,
    FIRST,
    KEY,
    OPENED,
    SEARCH_URL,
    SECOND,
    SETTLEMENTS_URL,
    TOKEN,
    TRANSACTIONS_URL,
    URL,
    mapper,
    refused,
    soon,
    step,
)

FOUND = {"items": [{"id": "954", "_self": {"href": "cards/954"}}], "paging": {"page": 0, "perPage": 10, "total": 1}}


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(CARD_URL, json=CARD)
        mock.get(SETTLEMENTS_URL, json=[])
        mock.get(CANCELLATIONS_URL, json=[])
        yield mock


def posted(wire: RequestsMock) -> list[str]:
    return [str(call.request.url) for call in wire.calls if call.request.method == "POST"]


# Cards


def test_a_search_sends_all_that_vtex_requires_and_reads_the_card_that_it_finds(wire: RequestsMock) -> None:
    wire.post(SEARCH_URL, json=FOUND)
    customer = Customer("02906792063", "3b1abc17", "email@domain.com", "02906792063")
    [card] = mapper().find(Query(code=CODE, customer=customer, cart=Cart(18200)), soon())
    assert sent(wire, 0) == {
        "client": {"id": "3b1abc17", "email": "email@domain.com", "document": "02906792063"},
        "cart": {
            "redemptionCode": CODE,
            "relationName": None,
            "grandTotal": 182,
            "itemsTotal": 182,
            "discounts": 0,
            "shipping": 0,
            "taxes": 0,
            "items": [],
        },
    }
    assert (card.id, card.balance, card.currency, card.status) == ("954", 10000, "USD", CardStatus.ACTIVE)
    assert card.code_mask == "****ASDQ"
    assert TOKEN not in repr(card)


@pytest.mark.parametrize(("credentials", "prefix"), [("vtex", "X-VTEX-API"), ("provider", "X-PROVIDER-API")])
def test_the_credentials_go_with_every_call(wire: RequestsMock, credentials: str, prefix: str) -> None:
    mapper(credentials=credentials).get_card("954", soon())
    headers = {name: value for name, value in wire.calls[0].request.headers.items() if "API" in name}
    assert headers == {f"{prefix}-AppKey": "vtexappkey-brandb", f"{prefix}-AppToken": "a-token"}


def test_a_search_may_also_answer_as_the_provider_protocol_does(wire: RequestsMock) -> None:
    wire.post(SEARCH_URL, json=[{"id": "954", "provider": "acme", "balance": 100.0}])
    assert [card.id for card in mapper().find(Query(code=CODE), soon())] == ["954"]


def test_a_code_does_not_find_the_card_of_another_code(wire: RequestsMock) -> None:
    """A search that did not know the code would list the customer's cards."""
    wire.post(SEARCH_URL, json=FOUND)
    assert list(mapper().find(Query(code="BAHD-ASDB-ADQW-ASDX"), soon())) == []


def test_a_code_is_known_without_its_dashes(wire: RequestsMock) -> None:
    wire.post(SEARCH_URL, json=FOUND)
    assert [card.id for card in mapper().find(Query(code="bahdasdbadqwasdq"), soon())] == ["954"]


def test_of_a_customer_s_cards_as_many_are_read_as_checkout_shows(wire: RequestsMock) -> None:
    wire.post(SEARCH_URL, json={"items": [{"id": "954"}] * 30})
    assert len(mapper().find(Query(customer=Customer("e@x.com", email="e@x.com")), soon())) == 10
    assert wire.calls[0].request.headers["REST-Range"] == "resources=0-9"


def test_nobody_s_cards_are_not_searched_for(wire: RequestsMock) -> None:
    assert list(mapper().find(Query(), soon())) == []
    assert not wire.calls


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ({"expiringDate": "2016-01-01T00:00:00"}, CardStatus.EXPIRED),
        ({"expiringDate": "0001-01-01T00:00:00"}, CardStatus.ACTIVE),
        ({"expiringDate": "2999-12-31T23:59:59.000Z"}, CardStatus.ACTIVE),
        ({"expiringDate": ""}, CardStatus.ACTIVE),
        ({"currencyCode": "BRL"}, CardStatus.WRONG_CURRENCY),
        ({"currencyCode": None}, CardStatus.ACTIVE),
    ],
)
def test_a_card_can_pay_or_says_why_not(wire: RequestsMock, shown: dict[str, Any], status: CardStatus) -> None:
    wire.replace("GET", CARD_URL, json=CARD | shown)
    assert mapper().get_card("954", soon()).status is status


@pytest.mark.parametrize(("balance", "minor"), [(15.299999999999999, 1530), (15.309, 1530), (-1, 0), (0.0, 0)])
def test_a_balance_is_what_the_currency_can_express(wire: RequestsMock, balance: float, minor: int) -> None:
    wire.replace("GET", CARD_URL, json=CARD | {"balance": balance})
    assert mapper().get_card("954", soon()).balance == minor


def test_a_404_is_no_such_card_only_where_vtex_says_so(wire: RequestsMock) -> None:
    wire.replace("GET", CARD_URL, **refused(404))
    with pytest.raises(CardNotFound):
        mapper().get_card("954", soon())
    wire.replace("GET", CARD_URL, status=404, body="<html>Not Found</html>")
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper().get_card("954", soon())


def test_a_ping_names_the_options_and_the_right_that_are_missing(wire: RequestsMock) -> None:
    wire.get(f"{URL}/giftcards/giftbridge-credentials-check", status=403)
    with pytest.raises(BackendUnavailable, match=r"app_key and app_token.*Gift card full access"):
        mapper().ping(soon())


# Issuing


def test_an_issued_card_is_made_for_its_customer_and_empty(wire: RequestsMock) -> None:
    wire.post(f"{URL}/giftcards", json=CARD | {"redemptionCode": CODE, "balance": 0.0})
    customer = Customer("c@x.com", "3b1abc17", "c@x.com")
    issued = mapper().issue(NewCard("gb-1-1", "loyalty-1", "Loyalty", customer, restricted_to_owner=True), soon())
    assert sent(wire, 0) == {
        "relationName": "loyalty-1",
        "caption": "Loyalty",
        "profileId": "c@x.com",
        "expiringDate": "2999-12-31T23:59:59.000",
        "currencyCode": "USD",
        "restrictedToOwner": True,
        "multipleRedemptions": True,
        "multipleCredits": True,
    }
    assert (issued.code, issued.token, issued.card.balance) == (CODE, TOKEN, 0)
    assert len(wire.calls) == 1


def test_a_masked_code_is_not_handed_out_as_the_code(wire: RequestsMock) -> None:
    """VTEX's own example masks it."""
    wire.post(f"{URL}/giftcards", json=CARD)
    assert mapper().issue(NewCard("gb-1-1"), soon()).code is None


# Openings


def test_a_hold_reads_the_card_and_sends_what_it_shows_with_our_key(wire: RequestsMock) -> None:
    wire.post(TRANSACTIONS_URL, json=OPENED)
    assert mapper().run(step(Verb.HOLD, 1530), soon()) == Receipt("2541")
    assert '"value":15.30' in sent_text(wire, 1)
    body = sent(wire, 1)
    order = body.pop("orderInfo")
    assert body == {
        "operation": "Debit",
        "value": 15.3,
        "description": "giftbridge hold: Order v5006128str-01",
        "redemptionToken": TOKEN,
        "redemptionCode": "***********ASDQ",
        "requestId": KEY,
    }
    assert order["orderId"] == "v5006128str-01"
    assert (order["cart"]["grandTotal"], order["cart"]["items"][0]["value"]) == (29.98, 29.98)
    assert order["clientProfile"]["document"] == "02906792063"


def test_a_pin_that_the_shopper_gave_goes_in_the_place_of_the_token(wire: RequestsMock) -> None:
    wire.post(TRANSACTIONS_URL, json=OPENED)
    mapper().run(replace(step(Verb.HOLD, 1530), pin="4711"), soon())
    assert sent(wire, 1)["redemptionToken"] == "4711"


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.CREDIT])
@pytest.mark.parametrize("shown", [{"expiringDate": "2016-01-01T00:00:00"}, {"currencyCode": "BRL"}])
def test_nothing_is_sent_for_a_card_that_vtex_would_let_pay_though_it_cannot(
    wire: RequestsMock, verb: Verb, shown: dict[str, Any]
) -> None:
    """VTEX answers 200 to a transaction of an inactive card."""
    wire.replace("GET", CARD_URL, json=CARD | shown)
    wire.post(TRANSACTIONS_URL, json=OPENED)
    with pytest.raises(CardUnusable):
        mapper().run(step(verb, 1530), soon())
    assert posted(wire) == []


@pytest.mark.parametrize("answer", [{}, {"id": ""}, {"id": None}, [], None])
def test_a_2xx_without_an_id_is_unknown_and_found_by_its_request_id(wire: RequestsMock, answer: Any) -> None:
    wire.post(TRANSACTIONS_URL, json=answer)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper().run(step(Verb.HOLD, 1530), soon())
    assert caught.value.answered
    wire.get(TRANSACTIONS_URL, json=[{"id": "1"}, {"id": "2541"}, {"id": "3"}])
    wire.get(DEBIT_URL, json=DEBIT)
    wire.get(f"{TRANSACTIONS_URL}/3", json=DEBIT | {"requestId": "another"})
    assert mapper().ask(step(Verb.HOLD, 1530), soon()) == Receipt("2541")


@pytest.mark.parametrize("other", [{"value": 15.31}, {"operation": "Credit"}])
def test_another_transaction_under_our_request_id_is_a_conflict(wire: RequestsMock, other: dict[str, Any]) -> None:
    wire.get(TRANSACTIONS_URL, json=[{"id": "2541"}])
    wire.get(DEBIT_URL, json=DEBIT | other)
    with pytest.raises(Conflict):
        mapper().ask(step(Verb.HOLD, 1530), soon())


@pytest.mark.parametrize(
    ("refusal", "card", "error"),
    [
        (refused(400), CARD | {"balance": 15.29}, InsufficientFunds),
        (refused(422), CARD, CardUnusable),
        (refused(401), CARD, BackendUnavailable),
        ({"status": 400, "body": "no JSON"}, CARD, CardUnusable),
        ({"status": 404, "body": "<html>"}, CARD, BackendUnavailable),
        ({"status": 500}, CARD, OutcomeUnknown),
    ],
)
def test_a_refusal_is_explained_by_the_card(
    wire: RequestsMock, refusal: dict[str, Any], card: dict[str, Any], error: type[MapperError]
) -> None:
    wire.post(TRANSACTIONS_URL, **refusal)
    wire.get(CARD_URL, json=card)  # after the first reading, when it could pay still
    with pytest.raises(error) as caught:
        mapper().run(step(Verb.HOLD, 1530), soon())
    assert type(caught.value) is error
    assert CODE not in str(caught.value)


def test_a_conflict_may_say_that_it_was_done_before(wire: RequestsMock) -> None:
    wire.post(TRANSACTIONS_URL, **refused(409))
    wire.get(TRANSACTIONS_URL, json=[{"id": "2541"}])
    wire.get(DEBIT_URL, json=DEBIT)
    assert mapper().run(step(Verb.HOLD, 1530), soon()) == Receipt("2541")


# Settlements and cancellations


@pytest.mark.parametrize(
    ("verb", "url"),
    [(Verb.CAPTURE, SETTLEMENTS_URL), (Verb.VOID, CANCELLATIONS_URL), (Verb.REFUND, CANCELLATIONS_URL)],
)
def test_what_ends_a_debit_sends_value_and_our_key(wire: RequestsMock, verb: Verb, url: str) -> None:
    wire.post(url, json=FIRST)
    assert mapper().run(step(verb, 1740), soon()) == Receipt(str(FIRST["oid"]))
    assert sent(wire, 1) == {"value": 17.4, "requestId": KEY}


def test_what_the_list_shows_already_is_not_sent_again(wire: RequestsMock) -> None:
    """The ledger may have lost its last changes: the same is wanted again."""
    wire.replace("GET", SETTLEMENTS_URL, json=[FIRST])
    assert mapper().run(step(Verb.CAPTURE, 1740), soon()) == Receipt(str(FIRST["oid"]))
    assert posted(wire) == []


@pytest.mark.parametrize(
    ("listed", "amount", "before", "found"),
    [
        ([], 1740, 0, None),
        ([FIRST], 1740, 1740, None),  # of the same amount, and another one
        ([FIRST, SECOND], 1040, 1740, SECOND["oid"]),
        ([SECOND, FIRST], 1740, 0, FIRST["oid"]),  # the date orders them
        ([FIRST, FIRST | {"oid": "again", "date": "2016-07-01T00:00:00"}], 1740, 1740, "again"),
    ],
)
def test_an_entry_is_known_by_its_place_in_the_list(
    wire: RequestsMock, listed: list[Any], amount: int, before: int, found: str | None
) -> None:
    wire.replace("GET", SETTLEMENTS_URL, json=listed)
    asked = mapper().ask(step(Verb.CAPTURE, amount, before), soon())
    assert asked == (Receipt(found) if found else None)


def test_what_others_settled_leaves_ours_to_a_person(wire: RequestsMock) -> None:
    wire.replace("GET", SETTLEMENTS_URL, json=[SECOND])
    with pytest.raises(Undecidable) as caught:
        mapper().ask(step(Verb.CAPTURE, 1740), soon())
    assert caught.value.evidence == {"transaction": "2541", "list": "settlements", "before": 0, "found": 1040}
    with pytest.raises(Undecidable):
        mapper().run(step(Verb.CAPTURE, 1740), soon())
    assert posted(wire) == []


def void(amount: int, *, settled: int = 0, canceled: int = 0) -> Step:
    """Return the step that gives back all that the ledger knows to be reserved of 30.00."""
    act = Act(ActKind.REVERSAL, amount, voided=amount)
    done = [
        DoneStep(verb, value, Receipt("2541"), KEY)
        for verb, value in ((Verb.HOLD, 3000), (Verb.CAPTURE, settled), (Verb.VOID, canceled))
        if value
    ]
    facts = TransactionFacts("gb-1", "954", 3000, Holds.NATIVE, captured=settled, voided=canceled, done=tuple(done))
    (step,) = mapper().plan(act, facts)
    return replace(step, key=KEY)


def test_what_is_reserved_does_not_go_back_while_more_is_settled_than_the_ledger_knows(wire: RequestsMock) -> None:
    """VTEX would give back what is settled, too: the ledger may have lost the settlement."""
    wire.post(CANCELLATIONS_URL, json=FIRST | {"value": 30.0})
    wire.replace("GET", SETTLEMENTS_URL, json=[SECOND])
    with pytest.raises(Undecidable) as caught:
        mapper().run(void(3000), soon())
    assert caught.value.evidence["found"] == 1040
    assert posted(wire) == []
    wire.replace("POST", CANCELLATIONS_URL, json=FIRST | {"value": 19.6})
    assert mapper().run(void(1960, settled=1040), soon()) == Receipt(str(FIRST["oid"]))


@pytest.mark.parametrize("others", [[30.0], [10.0, 20.0], [12.6, 7.0]], ids=str)
def test_what_others_gave_back_already_does_not_go_back_again(wire: RequestsMock, others: list[float]) -> None:
    entries = [FIRST | {"oid": str(number), "value": value} for number, value in enumerate(others)]
    wire.replace("GET", SETTLEMENTS_URL, json=[SECOND])
    wire.replace("GET", CANCELLATIONS_URL, json=entries)
    expected = Receipt("", data={INSTEAD: NOTHING})
    assert mapper().run(void(1960, settled=1040), soon()) == expected
    assert mapper().ask(void(1960, settled=1040), soon()) == expected
    assert posted(wire) == []


def test_what_others_gave_back_in_part_leaves_the_rest_to_a_person(wire: RequestsMock) -> None:
    wire.replace("GET", CANCELLATIONS_URL, json=[SECOND])
    with pytest.raises(Undecidable):
        mapper().run(void(3000), soon())


def test_a_list_that_lags_behind_tells_nothing(wire: RequestsMock) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        mapper().ask(step(Verb.CAPTURE, 1740, before=1040), soon())
    assert not isinstance(caught.value, Undecidable)


@pytest.mark.parametrize("value", [17.41, 17.401])
def test_another_amount_than_was_asked_for_is_a_person_s(wire: RequestsMock, value: float) -> None:
    wire.post(SETTLEMENTS_URL, json=FIRST | {"value": value})
    with pytest.raises(Undecidable):
        mapper().run(step(Verb.CAPTURE, 1740), soon())


def test_a_refused_settlement_certainly_did_not_happen(wire: RequestsMock) -> None:
    wire.post(SETTLEMENTS_URL, **refused(400, "SettlementValueExceeded"))
    with pytest.raises(CardUnusable, match=r"SettlementValueExceeded.*2541"):
        mapper().run(step(Verb.CAPTURE, 1740), soon())


@pytest.mark.parametrize("answer", [{"status": 404, "body": ""}, refused(401)])
def test_what_says_nothing_of_the_transaction_refuses_no_settlement(wire: RequestsMock, answer: Any) -> None:
    wire.post(SETTLEMENTS_URL, **answer)
    with pytest.raises(BackendUnavailable):
        mapper().run(step(Verb.CAPTURE, 1740), soon())


def test_taking_back_a_credit_is_a_debit_that_is_settled_at_once() -> None:
    transaction = TransactionFacts("gb-1", "954", 3000, Holds.NATIVE, credit=True)
    plan = mapper().plan(Act(ActKind.REVERSAL, 1000, refunded=1000), transaction)
    assert [(one.verb, one.amount) for one in plan] == [(Verb.DEBIT, 1000), (Verb.CAPTURE, 1000)]


# What people and reconciliation see


def test_a_person_s_reference_is_read_before_it_is_believed(wire: RequestsMock) -> None:
    wire.get(DEBIT_URL, json=DEBIT)
    wire.replace("GET", SETTLEMENTS_URL, json=[FIRST])
    ours = mapper()
    assert ours.look_up(step(Verb.HOLD, 1530), "2541", soon()) == Receipt("2541")
    assert ours.look_up(step(Verb.CAPTURE, 1740), str(FIRST["oid"]), soon()) == Receipt(str(FIRST["oid"]))
    for verb, amount, reference in (
        (Verb.HOLD, 1531, "2541"),
        (Verb.CREDIT, 1530, "2541"),
        (Verb.CAPTURE, 1741, FIRST["oid"]),
        (Verb.CAPTURE, 1740, "another"),
        (Verb.VOID, 1740, FIRST["oid"]),
    ):
        with pytest.raises(Conflict):
            ours.look_up(step(verb, amount), str(reference), soon())


def test_a_statement_tells_ours_and_leaves_others_out(wire: RequestsMock) -> None:
    wire.get(TRANSACTIONS_URL, json=[{"id": "2541"}, {"id": "3"}])
    wire.get(DEBIT_URL, json=DEBIT | {"value": 20, "date": "2016-01-01T00:00:00Z"})
    wire.get(f"{TRANSACTIONS_URL}/3", json=DEBIT | {"requestId": "B56CBE231DEE4E1A859183C1030CE926"})
    wire.replace("GET", SETTLEMENTS_URL, json=[FIRST])
    wire.replace("GET", CANCELLATIONS_URL, json=[SECOND])
    told = [
        (line.key, line.verb, line.amount, line.receipt.reference, line.reference)
        for line in mapper().statement(5, "954")
    ]
    assert told == [
        (KEY, Verb.HOLD, 2000, "2541", ""),
        (None, Verb.CAPTURE, 1740, FIRST["oid"], "2541"),
        (None, Verb.REFUND, 1040, SECOND["oid"], "2541"),
    ]
    with pytest.raises(Unsupported):
        list(mapper().statement(5))


@pytest.mark.parametrize(
    ("option", "value"), [("credentials", "hub"), ("app_key", Secret("")), ("app_token", Secret("a b"))]
)
def test_an_option_that_cannot_work_is_named(option: str, value: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        mapper(**{option: value})
    assert caught.value.option == option
