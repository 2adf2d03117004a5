"""Lightrail V2 on the wire: the exact JSON that is sent, and the vendor's own examples understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Customer,
    InsufficientFunds,
    Memo,
    NewCard,
    Origin,
    OutcomeUnknown,
    Query,
    Receipt,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2
from tests.mappers.lightrail_v2_wire import (
    CAPTURE,
    CODE,
    CREDIT,
    DEBIT,
    KEY,
    PENDING,
    REVERSE,
    URL,
    VALUE,
    VOID,
    build,
    step,
    told,
)
from tests.mappers.requests_sent import sent


@pytest.fixture
def mapper() -> LightrailV2:
    return build()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


# What is sent


def test_every_call_carries_the_key_as_a_bearer_token(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.get(f"{URL}/values/gc-1", json=VALUE)
    mapper.get_card("gc-1", deadline)
    assert wire.calls[0].request.headers["Authorization"] == "Bearer jwt"


@pytest.mark.parametrize(
    ("verb", "reference", "path", "body", "answer"),
    [
        (Verb.HOLD, "", "/debit", {"source": {"rail": "lightrail", "valueId": "gc-1"}, "amount": 1000,
                                   "currency": "BRL", "pending": True}, PENDING),
        (Verb.DEBIT, "", "/debit", {"source": {"rail": "lightrail", "valueId": "gc-1"}, "amount": 1000,
                                    "currency": "BRL"}, DEBIT),
        (Verb.CREDIT, "", "/credit", {"destination": {"rail": "lightrail", "valueId": "gc-1"}, "amount": 1000,
                                      "currency": "BRL"}, CREDIT),
        (Verb.REFUND, "", "/credit", {"destination": {"rail": "lightrail", "valueId": "gc-1"}, "amount": 1000,
                                      "currency": "BRL"}, CREDIT),
        (Verb.REFUND, "cap-1", "/cap-1/reverse", {}, REVERSE),
        (Verb.CAPTURE, "tx-1", "/tx-1/capture", {}, CAPTURE),
        (Verb.VOID, "tx-1", "/tx-1/void", {}, VOID),
    ],
    ids=["hold", "debit", "credit", "refund", "refund of all", "capture", "void"],
)  # fmt: skip
def test_a_step_is_one_post_under_its_key(
    wire: RequestsMock,
    mapper: LightrailV2,
    deadline: Deadline,
    verb: Verb,
    reference: str,
    path: str,
    body: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    wire.post(f"{URL}/transactions{path}", json=answer, status=201)
    receipt = mapper.run(step(verb, reference=reference), deadline)
    captured = {"valueId": "gc-1", "amount": 1000} if verb is Verb.CAPTURE else {}
    assert sent(wire) == body | {"id": KEY, "metadata": told(verb.value, **captured)}
    assert receipt == Receipt(KEY, answer["steps"][0]["balanceAfter"] if answer["steps"] else None)


@pytest.mark.parametrize(
    ("hold_for", "duration"),
    [
        (None, True),
        (timedelta(minutes=5), "PT3600S"),
        (timedelta(days=30), "P30D"),
        (timedelta(days=1, hours=1), "PT90000S"),
        (timedelta(days=89), "P89D"),
        (timedelta(days=365), "P3M"),
    ],
)
def test_a_hold_lasts_as_long_as_lightrail_lets_it(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, hold_for: timedelta | None, duration: bool | str
) -> None:
    wire.post(f"{URL}/transactions/debit", json=PENDING, status=201)
    mapper.run(step(Verb.HOLD, hold_for=hold_for), deadline)
    assert sent(wire)["pending"] == duration


def test_the_metadata_says_what_it_is_for(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json=PENDING, status=201)
    memo = Memo(order_id="v1-sp", description="Order v1-sp", customer=Customer("12345678900"))
    mapper.run(step(Verb.HOLD, memo=memo), deadline)
    expected = {"operation": "hold", "orderId": "v1-sp", "description": "Order v1-sp"}
    assert sent(wire)["metadata"] == {"giftbridge": expected}


def test_the_metadata_keeps_what_a_lost_ledger_is_rebuilt_from(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.get(f"{URL}/values/gc-1", json=VALUE)
    wire.post(f"{URL}/transactions/debit", json=PENDING, status=201)
    mapper.run(step(Verb.HOLD, origin=Origin("gb-01", "request-1", ActKind.DEBIT, "gb-0123", 1000)), deadline)
    kept = sent(wire)["metadata"]["giftbridge"]["origin"]
    assert Origin.read(kept) == Origin("gb-01", "request-1", ActKind.DEBIT, "gb-0123", 1000)


@pytest.mark.parametrize(("verb", "answer"), [(Verb.HOLD, PENDING), (Verb.DEBIT, DEBIT)])
@pytest.mark.parametrize(("value", "uses"), [(VALUE, None), (VALUE | {"usesRemaining": 3}, 1), (None, None)])
def test_a_payment_takes_a_use_of_a_value_that_counts_them(
    wire: RequestsMock,
    mapper: LightrailV2,
    deadline: Deadline,
    verb: Verb,
    answer: dict[str, Any],
    value: dict[str, Any] | None,
    uses: int | None,
) -> None:
    """Lightrail refuses `uses` of a value without usesRemaining. One that a replica does not show yet may be either."""
    none = {"message": "no such", "statusCode": 404, "messageCode": "ValueNotFound"}
    wire.get(f"{URL}/values/gc-1", json=value or none, status=200 if value else 404)
    wire.post(f"{URL}/transactions/debit", json=answer, status=201)
    mapper.run(step(verb, origin=Origin("gb-01", "request-1", ActKind.DEBIT, "gb-0123", 1000)), deadline)
    assert sent(wire).get("uses") == uses


def test_a_credit_is_taken_back_without_a_use(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json=DEBIT, status=201)
    mapper.run(step(Verb.DEBIT, origin=Origin("gb-01", "request-1", ActKind.REVERSAL, "gb-0123", 1000)), deadline)
    assert "uses" not in sent(wire)


def test_ids_are_encoded_as_one_path_segment(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(f"{URL}/values/a%2Fb%20%23%25", json=VALUE)
    mapper.get_card("a/b #%", deadline)


def test_a_code_is_encoded_into_the_query(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    code = "A/B C+D=.%#é"
    wire.get(f"{URL}/values", json=[VALUE | {"code": "….%#é"}])
    assert len(mapper.find(Query(code=f" {code} "), deadline)) == 1
    assert wire.calls[0].request.url == f"{URL}/values?code=A%2FB%20C%2BD%3D.%25%23%C3%A9"


def test_issuing_asks_for_a_generated_code_to_be_shown(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.post(f"{URL}/values?showCode=true", json=VALUE | {"code": CODE}, status=201)
    new = NewCard("new-1", "loyalty", "Birthday", Customer("123"), expiring_date=datetime(2030, 1, 2, tzinfo=UTC))
    issued = mapper.issue(new, deadline)
    body = sent(wire)
    assert body.pop("id").startswith("card-")
    assert body == {
        "balance": 0,
        "generateCode": {"length": 16},
        "currency": "BRL",
        "endDate": "2030-01-02T00:00:00.000Z",
        "metadata": {
            "giftbridge": {
                "caption": "Birthday",
                "relationName": "loyalty",
                "restrictedToOwner": False,
                "multipleRedemptions": True,
                "multipleCredits": True,
                "owner": "123",
            }
        },
    }
    assert (issued.code, issued.card.id, issued.card.code_mask) == (CODE, "gc-1", "****WXYZ")


def test_issuing_names_the_program_and_the_currency(wire: RequestsMock, deadline: Deadline) -> None:
    """A program of another currency would make cards that nobody can use: Lightrail refuses it where both are told."""
    wire.get(f"{URL}/programs/gift-cards-brl", status=403, json={"message": "Forbidden", "statusCode": 403})
    wire.post(f"{URL}/values", json=VALUE | {"code": CODE}, status=201)
    build(program_id="gift-cards-brl").issue(NewCard("new-1"), deadline)
    assert (sent(wire)["programId"], sent(wire)["currency"]) == ("gift-cards-brl", "BRL")


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.DEBIT, Verb.CREDIT, Verb.REFUND])
def test_more_than_a_card_can_hold_is_not_even_asked(
    mapper: LightrailV2, deadline: Deadline, verb: Verb, wire: RequestsMock
) -> None:
    with pytest.raises((InsufficientFunds, CardUnusable)):
        mapper.run(step(verb, 2147483648), deadline)
    assert len(wire.calls) == 0


@pytest.mark.parametrize("code", ["", "   ", "x" * 256])
def test_what_cannot_be_a_code_is_not_even_asked(
    mapper: LightrailV2, deadline: Deadline, wire: RequestsMock, code: str
) -> None:
    assert mapper.find(Query(code=code), deadline) == []
    assert len(wire.calls) == 0


# What is understood


def test_a_value_is_a_card(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    metadata = {"giftbridge": {"caption": "Birthday", "relationName": "loyalty", "owner": "123"}, "other": 1}
    wire.get(f"{URL}/values", json=[VALUE | {"endDate": "2030-01-02T00:00:00.000Z", "metadata": metadata}])
    (card,) = mapper.find(Query(code=CODE), deadline)
    assert (card.id, card.balance, card.currency, card.status) == ("gc-1", 2500, "BRL", CardStatus.ACTIVE)
    assert (card.code_mask, card.caption, card.relation_name) == ("****WXYZ", "Birthday", "loyalty")
    assert card.emission_date == datetime(2026, 11, 21, 9, 43, 37, tzinfo=UTC)
    assert card.expiring_date == datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("difference", "status"),
    [
        ({"active": False}, CardStatus.INACTIVE),
        ({"usesRemaining": 0}, CardStatus.USED_UP),
        ({"frozen": True}, CardStatus.FROZEN),
        ({"canceled": True}, CardStatus.CANCELED),
        ({"endDate": "2020-01-01T00:00:00.000Z"}, CardStatus.EXPIRED),
        ({"startDate": "2099-01-01T00:00:00.000Z"}, CardStatus.NOT_STARTED),
        ({"startDate": "2020-01-01T00:00:00.000Z", "endDate": "2099-01-01T00:00:00.000Z"}, CardStatus.ACTIVE),
        ({"currency": "USD"}, CardStatus.WRONG_CURRENCY),
        ({"isGenericCode": True, "code": CODE}, CardStatus.UNSUPPORTED),
        ({"balance": None}, CardStatus.UNSUPPORTED),
        ({"id": f"value-{CODE.lower()}"}, CardStatus.ID_TELLS_CODE),
    ],
)
def test_a_value_that_cannot_pay_says_why(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, difference: dict[str, Any], status: CardStatus
) -> None:
    wire.get(f"{URL}/values", json=[VALUE | difference])
    assert [card.status for card in mapper.find(Query(code=CODE), deadline)] == [status]


def test_a_value_of_another_code_is_not_the_card(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(f"{URL}/values", json=[VALUE | {"code": "…OTHR"}])
    assert mapper.find(Query(code=CODE), deadline) == []


def test_several_values_of_one_code_are_none_of_them(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.get(f"{URL}/values", json=[VALUE, VALUE | {"id": "gc-2"}])
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.find(Query(code=CODE), deadline)


def test_metadata_that_others_wrote_is_no_trouble(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(f"{URL}/values/gc-1", json=VALUE | {"metadata": {"giftbridge": {"caption": 7, "emissionDate": "soon"}}})
    assert mapper.get_card("gc-1", deadline).caption is None


def test_integers_may_come_with_a_fraction_of_zero(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(f"{URL}/values/gc-1", body=json.dumps(VALUE).replace("2500", "2500.0"))
    card = mapper.get_card("gc-1", deadline)
    assert (card.balance, type(card.balance)) == (2500, int)


@pytest.mark.parametrize(
    "body", [[], [VALUE], VALUE | {"balance": "2500"}, VALUE | {"balance": 25.5}, {"id": "gc-1"}, "x", 3]
)
def test_a_read_that_cannot_be_understood_is_no_card(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, body: list[dict[str, Any]] | dict[str, Any] | str | int
) -> None:
    wire.get(f"{URL}/values/gc-1", json=body)
    with pytest.raises(BackendUnavailable):
        mapper.get_card("gc-1", deadline)


@pytest.mark.parametrize("body", [[], {}, DEBIT | {"steps": None}, DEBIT | {"simulated": True}, "ok"])
def test_a_success_that_cannot_be_understood_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, body: list[Any] | dict[str, Any] | str
) -> None:
    wire.post(f"{URL}/transactions/debit", json=body, status=201)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.DEBIT), deadline)
    assert caught.value.answered


def test_the_answer_of_another_call_is_no_success(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json=DEBIT | {"id": "gb-of-another-order"}, status=201)
    with pytest.raises(OutcomeUnknown, match="another transaction") as caught:
        mapper.run(step(Verb.DEBIT), deadline)
    assert not caught.value.answered


def test_the_answer_of_another_call_proves_nothing(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(f"{URL}/transactions/{KEY}", json=DEBIT | {"id": "gb-of-another-order"})
    with pytest.raises(BackendUnavailable, match="another transaction"):
        mapper.ask(step(Verb.DEBIT), deadline)


def test_an_unknown_value_is_card_not_found(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.get(
        f"{URL}/values/gc-1", json={"message": "no", "statusCode": 404, "messageCode": "ValueNotFound"}, status=404
    )
    with pytest.raises(CardNotFound):
        mapper.get_card("gc-1", deadline)


@pytest.mark.parametrize("path", ["/transactions/gb-0123-1", "/values/gc-1"])
def test_a_404_of_somebody_else_does_not_pass_for_lightrails(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, path: str
) -> None:
    wire.get(f"{URL}{path}", json={"message": "Not Found", "statusCode": 404}, status=404)
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.ask(step(Verb.HOLD), deadline) if "trans" in path else mapper.get_card("gc-1", deadline)
