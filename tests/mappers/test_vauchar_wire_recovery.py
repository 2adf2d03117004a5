"""Vauchar's wire, call by call: looking, asking what happened, deleting redemptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    Act,
    ActKind,
    BackendUnavailable,
    Holds,
    Origin,
    OutcomeUnknown,
    Receipt,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from tests.mappers.vauchar_wire import (
    CARD,
    CARD_ID,
    CARD_URL,
    KEY,
    LOOK,
    NOT_FOUND,
    REDEMPTION,
    REDEMPTION_ID,
    REDEMPTIONS_URL,
    debit,
    listing,
    mapper,
    refund,
    show,
    soon,
)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


# Looking, and asking what happened


def test_a_look_records_the_balance_and_the_redemptions(wire: RequestsMock) -> None:
    show(wire, {"balance": "550.00"}, {})
    receipt = mapper().run(Step(Verb.LOOK, 0, CARD_ID, key=KEY), soon())
    assert receipt == Receipt(balance=55000, data={"redeemed": 5000, "redemptions": REDEMPTION_ID})


def test_a_list_behind_a_next_link_is_read_to_its_end_on_our_own_host(wire: RequestsMock) -> None:
    first = {"id": "res-1", "transaction_id": KEY}
    query = responses.matchers.query_param_matcher
    wire.get(REDEMPTIONS_URL, json=listing({}, next="https://elsewhere.example/x?page=2"), match=[query({})])
    wire.get(REDEMPTIONS_URL, json=listing(first), match=[query({"page": "2"})])
    wire.get(CARD_URL, json=CARD)
    assert mapper().ask(debit(), soon()) == Receipt("res-1", data={"echoed": True})


@pytest.mark.parametrize("value_used", [None, "", "1,100.00", "a lot", "5.001"])
def test_a_redemption_of_others_that_cannot_be_read_does_not_block_its_card(
    wire: RequestsMock, value_used: str | None
) -> None:
    show(wire, {"balance": "550.00"}, {}, {"id": "res-till", "value_used": value_used})
    receipt = mapper().run(Step(Verb.LOOK, 0, CARD_ID, key=KEY), soon())
    assert receipt == Receipt(balance=55000, data={"redeemed": 5000, "redemptions": REDEMPTION_ID})


def test_a_list_with_a_redemption_that_cannot_be_read_does_not_prove_that_ours_is_missing(wire: RequestsMock) -> None:
    show(wire, {"balance": "550.00"}, {"transaction_id": "gb-other-1"}, {"id": "res-2", "value_used": ""})
    with pytest.raises(Undecidable):
        mapper().ask(debit(earlier=(Receipt(balance=60000, data={"redeemed": 5000, "redemptions": "res-1"}),)), soon())


def test_null_is_an_empty_list(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json={"href": REDEMPTIONS_URL, "data": None})
    wire.get(CARD_URL, json=CARD)
    receipt = mapper().run(Step(Verb.LOOK, 0, CARD_ID, key=KEY), soon())
    assert receipt.data == {"redeemed": 0, "redemptions": ""}


def test_a_card_that_moves_while_it_is_asked_is_to_be_asked_again(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json=listing())
    wire.get(CARD_URL, json=CARD | {"balance": "500"})
    wire.get(CARD_URL, json=CARD | {"balance": "400"})
    with pytest.raises(BackendUnavailable, match="ask again"):
        mapper().ask(debit(), soon())


def test_a_card_that_moves_while_a_deletion_is_judged_is_to_be_asked_again(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json=listing())
    wire.get(CARD_URL, json=CARD | {"balance": "550"})
    wire.get(CARD_URL, json=CARD)
    with pytest.raises(BackendUnavailable, match="ask again"):
        mapper().ask(refund(), soon())


@pytest.mark.parametrize(("holds", "kind"), [(Holds.LEDGER, ActKind.CAPTURE), (Holds.UPFRONT, ActKind.DEBIT)])
def test_a_breaker_turns_away_new_payments_only(wire: RequestsMock, holds: Holds, kind: ActKind) -> None:
    call = wire.post(REDEMPTIONS_URL, status=500)
    vauchar = mapper(holds=holds)
    planned = vauchar.plan(Act(kind, 5000), TransactionFacts("gb-1", CARD_ID, 5000, holds))[-1]
    step = dataclasses.replace(planned, key=KEY, earlier=(LOOK,), origin=Origin("gb-1", "order-1", kind, "gb-1", 5000))
    for _ in range(20):
        with pytest.raises((OutcomeUnknown, BackendUnavailable)):
            vauchar.run(step, soon())
    assert (call.call_count < 20) is (kind is ActKind.DEBIT)


def test_a_vanished_card_cannot_tell_what_happened(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, status=404, json=NOT_FOUND)
    with pytest.raises(Undecidable):
        mapper().ask(debit(), soon())


def test_a_look_has_nothing_to_ask(wire: RequestsMock) -> None:
    assert mapper().ask(Step(Verb.LOOK, 0, CARD_ID, key=KEY), soon()) is None


# Deleting


@pytest.mark.parametrize(("status", "body"), [(200, ""), (204, ""), (404, "{}")])
def test_a_deleted_redemption_is_looked_after(wire: RequestsMock, status: int, body: str) -> None:
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=status, body=body)
    show(wire)
    receipt = mapper().run(refund(), soon())
    assert receipt == Receipt(REDEMPTION_ID, 60000, {"deleted": REDEMPTION_ID})


def test_a_value_that_did_not_come_back_is_for_a_person(wire: RequestsMock) -> None:
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=204)
    show(wire, {"balance": "550"})
    with pytest.raises(Undecidable) as caught:
        mapper().run(refund(), soon())
    assert caught.value.evidence["balance"] == caught.value.evidence["balance_before"] == 55000


def test_a_redemption_that_is_still_listed_was_not_deleted(wire: RequestsMock) -> None:
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=204)
    show(wire, {"balance": "550"}, {})
    with pytest.raises(OutcomeUnknown):
        mapper().run(refund(), soon())
    assert mapper().ask(refund(), soon()) is None


def test_missing_in_a_list_that_may_be_cut_the_redemption_itself_is_asked_for(wire: RequestsMock) -> None:
    show(wire, {"balance": "550"}, *({"id": f"res-{number}"} for number in range(10)))
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json={"data": REDEMPTION})
    assert mapper().ask(refund(), soon()) is None


def test_a_deletion_that_cannot_be_looked_after_is_unknown(wire: RequestsMock) -> None:
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=204)
    wire.get(REDEMPTIONS_URL, status=500)
    with pytest.raises(OutcomeUnknown):
        mapper().run(refund(), soon())


@pytest.mark.parametrize("status", [400, 405, 409])
def test_a_deletion_that_vauchar_refuses_did_not_happen(wire: RequestsMock, status: int) -> None:
    wire.get(REDEMPTIONS_URL, json=listing({}))
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=status)
    with pytest.raises(Unsupported):
        mapper().run(refund(), soon())
