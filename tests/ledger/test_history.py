"""A transaction keeps what was done to it: what, when, for whom or by what, under which correlation id."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.ledger.caller import Caller
from app.ledger.executor import names_in_the_log
from app.ledger.service import ChangeRequest
from mappers.base import CardUnusable, Holds, OutcomeUnknown
from tests.ledger.driver import decide
from tests.ledger.faults import lost_before, refuses, unavailable
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.money import minor


def test_every_event_is_kept_in_order(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    events = system.storage.events(transaction)
    assert [event["what"] for event in events] == ["opened", "done", "opened", "done"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_an_outcome_names_the_request_it_was_found_for(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    request = ChangeRequest(CARD, transaction, minor(40), "settle-1", caller=Caller.vtex("first"))
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.ledger.settle(system.provider, request, system.deadline())
    again = ChangeRequest(CARD, transaction, minor(40), "settle-1", caller=Caller.vtex("second"))
    system.ledger.settle(system.provider, again, system.deadline())
    settlement = system.storage.events(transaction)[2:]
    assert [(event["what"], event["correlation"], event["attempt"]) for event in settlement] == [
        ("opened", "first", 2),
        ("unknown", "first", 2),
        ("done", "second", 3),
    ]


def test_a_refusal_says_why_even_after_it_was_tried_again(system: System) -> None:
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    system.backend.frozen = False
    system.settle(transaction, "40.00")
    refused, *_, done = [event for event in system.storage.events(transaction)[2:] if event["what"] != "opened"]
    assert (refused["what"], refused["detail"], done["what"]) == ("refused", "the card is frozen", "done")


def test_an_outcome_found_by_the_sweeper_names_the_sweeper(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    with pytest.raises(Exception, match="refused"):
        system.settle(transaction, "40.00")
    system.sweep()
    last = system.storage.events(transaction)[-1]
    assert (last["what"], last["by"]) == ("done", "sweeper")


def test_a_promise_that_a_person_lets_be_done_again_goes_on(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.mapper.faults = [refuses]
    system.sweep()
    decide(system, transaction)
    whats = [event["what"] for event in system.storage.events(transaction)]
    assert whats[-5:] == ["accepted", "parked", "decided", "going on", "done"]


def test_what_has_no_order_names_none_in_the_log(system: System) -> None:
    assert "order" not in names_in_the_log(system.record(system.authorize("40.00")))


def test_what_is_for_an_order_names_it_in_the_log(system: System) -> None:
    request = replace(system.authorization_request("40.00", "order-1"), order_id="order-7")
    transaction = system.ledger.authorize(system.provider, request, system.deadline())
    assert names_in_the_log(system.record(transaction))["order"] == "order-7"
