"""Several providers on one backend account: a card stands the same for all, and each keeps to its own orders."""

from __future__ import annotations

import pytest

from app.ledger.errors import TransactionNotFound, Unresolved
from mappers.base import BackendUnavailable, Card, Holds, InsufficientFunds, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline
from providers.provider import Policy
from tests.ledger.driver import authorize_within, change_within
from tests.ledger.faults import Run, lost_before
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


@pytest.fixture
def north(make_system: MakeSystem) -> System:
    """A backend without keys, whose card of 100.00 is reserved in the ledger."""
    return make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


@pytest.fixture
def south(north: System) -> System:
    return north.beside()


def test_a_card_is_not_promised_twice(north: System, south: System) -> None:
    north.authorize("80.00")
    assert south.cards.get(south.provider, CARD, south.deadline()).balance == 2_000
    with pytest.raises(InsufficientFunds):
        south.authorize("40.00")
    assert south.authorize("20.00", "order-2")


def test_one_request_id_names_an_order_of_each(north: System, south: System) -> None:
    first, second = north.authorize("30.00"), south.authorize("30.00")
    assert first != second
    assert north.standing.reserved == 6_000


def test_steps_of_two_providers_on_one_card_do_not_overlap(north: System, south: System) -> None:
    """A backend without keys is judged by its balance: another provider's redemption would be taken for ours."""
    first, second = north.authorize("20.00"), south.authorize("20.00")
    north.mapper.tells = False
    north.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        north.settle(first, "20.00")
    with pytest.raises(Unresolved):
        change_within(south, 0.3, second, "20.00", "settle", "settle-1")
    assert north.backend.spendable == 10_000


def leave_a_settlement(system: System, transaction: str) -> None:
    """Let the answer of a settlement be lost, and its attempt be over."""
    system.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.2, transaction, "20.00", "settle", "settle-1")
    system.lose_lease(transaction)


def test_one_provider_finishes_what_another_left_on_the_card(north: System, south: System) -> None:
    first, second = north.authorize("20.00"), south.authorize("20.00")
    leave_a_settlement(north, first)
    south.settle(second, "20.00")
    assert len(north.settlements(first)) == len(south.settlements(second)) == 1
    assert north.backend.spendable == 6_000


def test_what_a_provider_that_is_gone_left_on_the_card_keeps_it_busy(north: System, south: System) -> None:
    first, second = north.authorize("20.00"), south.authorize("20.00")
    leave_a_settlement(north, first)
    south.registry.serve(south.provider)
    with pytest.raises(Unresolved):
        change_within(south, 0.2, second, "20.00", "settle", "settle-1")
    assert north.backend.spendable == 10_000


def test_money_taken_upfront_is_not_what_another_provider_reserved(north: System) -> None:
    south = north.beside(policy=Policy(Holds.UPFRONT))
    north.authorize("80.00")
    with pytest.raises(InsufficientFunds):
        south.authorize("60.00")
    assert south.authorize("20.00", "order-2")
    assert north.settle(north.authorize("80.00"), "80.00")
    assert north.backend.spendable == 0


def test_reservations_of_an_earlier_policy_still_count(north: System) -> None:
    transaction = north.authorize("80.00", "order-1")
    upfront = north.changed(policy=Policy(Holds.UPFRONT))
    with pytest.raises(InsufficientFunds):
        upfront.authorize("60.00", "order-2")
    assert upfront.settle(transaction, "80.00")


def test_money_being_taken_upfront_is_not_reserved_meanwhile(north: System) -> None:
    """The balance that is read while a debit is under way may still hold the money."""
    south = north.beside(policy=Policy(Holds.UPFRONT))

    def while_it_is_sent(step: Step, run: Run) -> Receipt:
        assert north.standing.reserved == north.standing.upfront == 6_000
        with pytest.raises(BackendUnavailable, match="kept changing"):
            north.ledger.authorize(north.provider, north.authorization_request("60.00", "order-2"), north.deadline(0.2))
        return run()

    north.mapper.faults = [while_it_is_sent]
    south.authorize("60.00")
    assert (north.standing.reserved, north.standing.taking, north.standing.upfront) == (0, 0, 0)


def test_a_credit_that_is_taken_back_is_not_taken_upfront_meanwhile(north: System) -> None:
    north.mapper.one_step_at_a_time = False  # type: ignore[misc]
    south = north.beside(policy=Policy(Holds.UPFRONT))
    credit = north.authorize("40.00", "credit-1", "Credit")

    def while_it_is_sent(step: Step, run: Run) -> Receipt:
        with pytest.raises(BackendUnavailable):
            authorize_within(south, 0.2, "120.00", "order-2")
        return run()

    north.mapper.faults = [while_it_is_sent]
    north.cancel(credit, "40.00")
    assert north.backend.spendable == 10_000


def test_a_refused_debit_upfront_keeps_nothing_of_the_card(north: System) -> None:
    south = north.beside(policy=Policy(Holds.UPFRONT))
    with pytest.raises(InsufficientFunds):
        south.authorize("120.00")
    assert (north.standing.reserved, north.standing.taking, north.standing.upfront) == (0, 0, 0)
    assert north.authorize("100.00")


def test_without_reservations_the_backend_judges_debits_upfront(north: System) -> None:
    south = north.beside(policy=Policy(Holds.UPFRONT))
    south.authorize("60.00")
    assert [call for call, *_ in north.backend.calls] == ["run"]


def test_a_renamed_provider_still_counts_what_was_reserved_before(north: System) -> None:
    north.authorize("80.00")
    with pytest.raises(InsufficientFunds):
        north.beside("renamed").authorize("40.00")


@pytest.mark.parametrize("change", ["settle", "cancel"])
def test_a_provider_cannot_change_anothers_order(north: System, south: System, change: str) -> None:
    transaction = north.authorize("40.00")
    before = north.stored()
    with pytest.raises(TransactionNotFound):
        getattr(south, change)(transaction, "40.00")
    with pytest.raises(TransactionNotFound):
        south.settlements(transaction)
    assert south.ledger.transactions(south.provider, CARD, south.deadline()) == []
    assert north.stored() == before


def test_a_balance_that_moved_while_it_was_read_is_read_again_before_money_is_taken_upfront(
    north: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    south = north.beside(policy=Policy(Holds.UPFRONT))
    first = north.authorize("60.00", "order-1")
    get_card = north.mapper.get_card

    def after_a_settlement(card_id: str, deadline: Deadline) -> Card:
        monkeypatch.undo()
        north.mapper.one_step_at_a_time = False  # type: ignore[misc]
        north.settle(first, "60.00")
        return get_card(card_id, deadline)

    monkeypatch.setattr(north.mapper, "get_card", after_a_settlement)
    north.mapper.one_step_at_a_time = False  # type: ignore[misc]
    south.authorize("40.00", "order-2")
    assert north.backend.spendable == 0


def test_no_money_is_taken_upfront_while_the_balance_keeps_moving(
    north: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    south = north.beside(policy=Policy(Holds.UPFRONT))
    north.authorize("60.00", "order-1")
    client, get_card = north.connection._client, north.mapper.get_card

    def moving(card_id: str, deadline: Deadline) -> Card:
        for key in client.scan_iter("gb:*:card:*"):
            client.hincrby(key, "epoch", 1)
        return get_card(card_id, deadline)

    monkeypatch.setattr(north.mapper, "get_card", moving)
    with pytest.raises(BackendUnavailable, match="kept changing"):
        authorize_within(south, 0.2, "40.00", "order-2")
    assert north.backend.spendable == 10_000
