"""A transaction keeps what was done to it: what, when, for whom or by what, under which correlation id."""

from __future__ import annotations

import pytest

from app.ledger.caller import Caller
from app.ledger.service import ChangeRequest
from mappers.base import CardUnusable, Holds, OutcomeUnknown
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, lost_before, unavailable
from tests.money import minor


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def test_every_event_is_kept_in_order(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "40.00")
    events = house.storage.events(transaction)
    assert [event["what"] for event in events] == ["opened", "done", "opened", "done"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_an_outcome_names_the_request_it_was_found_for(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_before]
    request = ChangeRequest(CARD, transaction, minor(40), "settle-1", caller=Caller.vtex("first"))
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.ledger.settle(house.provider, request, house.deadline())
    again = ChangeRequest(CARD, transaction, minor(40), "settle-1", caller=Caller.vtex("second"))
    house.ledger.settle(house.provider, again, house.deadline())
    settlement = house.storage.events(transaction)[2:]
    assert [(event["what"], event["correlation"], event["attempt"]) for event in settlement] == [
        ("opened", "first", 2),
        ("unknown", "first", 2),
        ("done", "second", 3),
    ]


def test_a_refusal_says_why_even_after_it_was_tried_again(house: House) -> None:
    transaction = house.authorize("40.00")
    house.backend.frozen = True
    with pytest.raises(CardUnusable):
        house.settle(transaction, "40.00")
    house.backend.frozen = False
    house.settle(transaction, "40.00")
    refused, *_, done = [event for event in house.storage.events(transaction)[2:] if event["what"] != "opened"]
    assert (refused["what"], refused["detail"], done["what"]) == ("refused", "the card is frozen", "done")


def test_what_the_sweeper_finished_says_so(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    with pytest.raises(Exception, match="refused"):
        house.settle(transaction, "40.00")
    house.sweep()
    last = house.storage.events(transaction)[-1]
    assert (last["what"], last["by"]) == ("done", "sweeper")
