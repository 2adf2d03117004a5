"""Acts at Vauchar whose answers get lost, on cards that are also used elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal

import pytest

from mappers.base import (
    Act,
    ActKind,
    Holds,
    OutcomeUnknown,
    Step,
    Undecidable,
    Verb,
)
from mappers.sandbox import RecordedRequest, Sandbox, running
from mappers.sandbox.faults import FaultKind
from mappers.vauchar import sandbox as vauchar
from tests.mappers.vauchar_story import CODE, Story, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(vauchar.create_app()) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def ledger(sandbox: Sandbox) -> Story:
    return Story(sandbox, Holds.LEDGER, CODE, "ledger")


def redemption_posts(story: Story) -> list[RecordedRequest]:
    return [request for request in story.sandbox.requests if request.method == "POST"]


# Lost replies


@pytest.fixture(params=["drop_after", "status_after", "junk"])
def lost_after(request: pytest.FixtureRequest) -> FaultKind:
    answer: FaultKind = request.param
    return answer


@pytest.mark.parametrize("echo", [True, False])
def test_a_redemption_whose_answer_was_lost_is_found_and_not_repeated(
    ledger: Story, echo: bool, lost_after: FaultKind
) -> None:
    ledger.backend.echo_transaction_id = echo
    ledger.sandbox.faults.add(lost_after, method="POST")
    done = ledger.capture(5000)
    assert list(ledger.card.redemptions) == [done[-1].receipt.reference]
    assert done[-1].receipt.data["echoed"] is echo
    assert ledger.balance == 20000
    assert len(redemption_posts(ledger)) == 1


@pytest.mark.parametrize("echo", [True, False])
def test_a_redemption_that_never_arrived_is_made_once(ledger: Story, echo: bool) -> None:
    ledger.backend.echo_transaction_id = echo
    ledger.sandbox.faults.add("drop_before", method="POST")
    ledger.capture(5000)
    assert ledger.redeemed == [5000]


@pytest.mark.parametrize("echo", [True, False])
def test_a_lost_redemption_is_told_from_older_ones_of_the_same_amount(ledger: Story, echo: bool) -> None:
    ledger.backend.echo_transaction_id = echo
    first = ledger.capture(5000)[-1].receipt.reference
    ledger.sandbox.faults.add("drop_after", method="POST")
    second = ledger.capture(5000)[-1].receipt.reference
    assert list(ledger.card.redemptions) == [first, second]


def test_a_deletion_whose_answer_was_lost_is_found(ledger: Story, lost_after: FaultKind) -> None:
    ledger.capture(5000)
    ledger.sandbox.faults.add(lost_after, method="DELETE")
    ledger.reverse(0, 2000)
    assert ledger.redeemed == [3000]
    assert ledger.balance == 22000


def test_a_deletion_that_never_arrived_is_repeated(ledger: Story) -> None:
    ledger.capture(5000)
    ledger.sandbox.faults.add("drop_before", method="DELETE")
    ledger.reverse(0, 5000)
    assert ledger.balance == 25000


def test_a_deletion_is_unknown_while_its_effect_cannot_be_read(ledger: Story) -> None:
    ledger.capture(5000)
    (look, refund) = ledger.mapper.plan(Act(ActKind.REVERSAL, 5000, refunded=5000), ledger.transaction)
    refund = dataclasses.replace(refund, earlier=(ledger.mapper.run(look, soon()),), key="gb-refund")
    ledger.sandbox.faults.add("status", method="GET", times=2)
    with pytest.raises(OutcomeUnknown):
        ledger.mapper.run(refund, soon())
    found = ledger.mapper.ask(refund, soon())
    assert found is not None
    assert found.balance == 25000


# Cards that are used elsewhere meanwhile


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_another_amount_spent_elsewhere_does_not_confuse(ledger: Story, echo: bool, fault: FaultKind) -> None:
    def spend(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            ledger.backend.spend_elsewhere(CODE, Decimal(30))

    ledger.backend.echo_transaction_id = echo
    ledger.sandbox.faults.add(fault, method="POST")
    ledger.capture(5000, before_step=spend)
    assert ledger.redeemed == [3000, 5000]


def test_the_same_amount_spent_elsewhere_does_not_confuse_where_keys_are_kept(ledger: Story) -> None:
    def spend(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            ledger.backend.spend_elsewhere(CODE, Decimal(50))

    ledger.capture(100)
    ledger.sandbox.faults.add("drop_before", method="POST")
    ledger.capture(5000, before_step=spend)
    assert ledger.redeemed == [100, 5000, 5000]


def test_the_same_amount_spent_elsewhere_is_for_a_person_where_keys_are_not_kept(ledger: Story) -> None:
    def spend(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            ledger.backend.spend_elsewhere(CODE, Decimal(50))

    ledger.backend.echo_transaction_id = False
    ledger.sandbox.faults.add("drop_after", method="POST")
    with pytest.raises(Undecidable) as caught:
        ledger.capture(5000, before_step=spend)
    assert caught.value.evidence["balance_before"] == 25000
    assert caught.value.evidence["balance"] == 15000
    assert len(redemption_posts(ledger)) == 1


def test_a_balance_changed_by_hand_is_for_a_person_where_keys_are_not_kept(ledger: Story) -> None:
    def correct(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            ledger.card.balance -= 7

    ledger.backend.echo_transaction_id = False
    ledger.sandbox.faults.add("drop_after", method="POST")
    with pytest.raises(Undecidable):
        ledger.capture(5000, before_step=correct)


def test_money_spent_elsewhere_during_a_refund_does_not_hide_that_it_came_back(ledger: Story) -> None:
    def spend(step: Step) -> None:
        if step.verb is Verb.REFUND:
            ledger.backend.spend_elsewhere(CODE, Decimal(50))

    ledger.capture(5000)
    ledger.reverse(0, 5000, before_step=spend)
    assert ledger.balance == 20000


@pytest.mark.parametrize("fault", [None, "drop_after"])
def test_a_deletion_that_does_not_restore_the_balance_is_for_a_person(ledger: Story, fault: FaultKind | None) -> None:
    ledger.capture(5000)
    ledger.backend.delete_restores = False
    if fault:
        ledger.sandbox.faults.add(fault, method="DELETE")
    with pytest.raises(Undecidable) as caught:
        ledger.reverse(0, 5000)
    assert caught.value.evidence["amount"] == 5000


def test_a_deletion_that_does_not_restore_is_noticed_beside_a_purchase_elsewhere(ledger: Story) -> None:
    def spend(step: Step) -> None:
        if step.verb is Verb.REFUND:
            ledger.backend.spend_elsewhere(CODE, Decimal(20))

    ledger.capture(5000)
    ledger.backend.delete_restores = False
    with pytest.raises(Undecidable):
        ledger.reverse(0, 5000, before_step=spend)
