"""Vauchar deletes only whole redemptions: what is kept of one is redeemed before, where the card can pay it."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import ActState, Operation
from mappers.base import BackendUnavailable, CardUnusable, Receipt, Step, Verb
from mappers.deadline import Deadline
from tests.ledger.faults import Killed
from tests.ledger.sandbox_system import VAUCHAR_CODE, SandboxSystem
from tests.ledger.system import System
from tests.ledger.test_lost_changes import lost_changes


def settled(vauchar: SandboxSystem, value: str) -> str:
    transaction = vauchar.authorize(value)
    vauchar.settle(transaction, value, "s1")
    vauchar.sandbox.requests.clear()
    return transaction


def writes(vauchar: SandboxSystem) -> list[str]:
    return [request.method for request in vauchar.sandbox.requests if request.method != "GET"]


def redeemed(vauchar: SandboxSystem) -> list[int]:
    return sorted(int(redemption.value_used) for redemption in vauchar.card.redemptions.values())


def before_each(vauchar: SandboxSystem, do: Callable[[Step], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen before each of the mapper's steps."""
    run = vauchar.mapper.run

    def running(step: Step, deadline: Deadline) -> Receipt:
        do(step)
        return run(step, deadline)

    monkeypatch.setattr(vauchar.mapper, "run", running)


def test_what_is_kept_is_redeemed_before_the_old_redemption_is_deleted(vauchar: SandboxSystem) -> None:
    vauchar.cancel(settled(vauchar, "40"), "10", "c1")
    assert writes(vauchar) == ["POST", "DELETE"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30], 70)


def test_a_card_that_a_shop_empties_in_between_does_not_take_what_is_kept(
    vauchar: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = settled(vauchar, "40")

    def empty(step: Step) -> None:
        if writes(vauchar) and vauchar.card.balance:
            vauchar.backend.spend_elsewhere(VAUCHAR_CODE, vauchar.card.balance)

    before_each(vauchar, empty, monkeypatch)
    vauchar.cancel(transaction, "10", "c1")
    assert vauchar.system.record(transaction).refunded == 1000
    assert redeemed(vauchar) == [30, 30]


def test_a_shopper_who_pays_in_between_waits_and_is_not_declined(
    vauchar: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept has left the card twice for a moment; what goes back is not there yet."""
    transaction = settled(vauchar, "40")
    other = AuthorizationRequest(vauchar.card.id, Operation.DEBIT, 6000, "order-2")
    authorize = vauchar.system.ledger.authorize

    def pay(step: Step) -> None:
        if writes(vauchar) == ["POST"]:
            with pytest.raises(BackendUnavailable):
                authorize(vauchar.provider, other, System.deadline(1))

    before_each(vauchar, pay, monkeypatch)
    vauchar.cancel(transaction, "10", "c1")
    authorize(vauchar.provider, other, System.deadline())
    assert vauchar.card.balance == 70


def test_where_the_card_cannot_pay_it_the_old_redemption_is_deleted_first(vauchar: SandboxSystem) -> None:
    vauchar.cancel(settled(vauchar, "90"), "10", "c1")
    assert writes(vauchar) == ["DELETE", "POST"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([80], 20)


def test_what_is_kept_is_not_taken_of_what_is_reserved_for_others(vauchar: SandboxSystem) -> None:
    transaction = settled(vauchar, "40")
    other = AuthorizationRequest(vauchar.card.id, Operation.DEBIT, 4000, "order-2")
    vauchar.system.ledger.authorize(vauchar.provider, other, System.deadline(10))
    vauchar.cancel(transaction, "10", "c1")
    assert writes(vauchar) == ["DELETE", "POST"]


def test_whole_redemptions_go_first_and_what_they_put_back_can_pay(vauchar: SandboxSystem) -> None:
    transaction = vauchar.authorize("100")
    vauchar.settle(transaction, "40", "s1")
    vauchar.settle(transaction, "60", "s2")
    vauchar.sandbox.requests.clear()
    vauchar.cancel(transaction, "70", "c1")
    assert writes(vauchar) == ["DELETE", "POST", "DELETE"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30], 70)


def test_a_deletion_that_is_refused_after_what_is_kept_was_redeemed_is_left_to_a_person(vauchar: SandboxSystem) -> None:
    transaction = settled(vauchar, "40")
    vauchar.sandbox.faults.add("status", method="DELETE", status=409)
    with pytest.raises(Unresolved):
        vauchar.cancel(transaction, "10", "c1")
    vauchar.decide(transaction, happened=False)
    assert writes(vauchar) == ["POST", "DELETE", "DELETE"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30], 70)


def switched_off(vauchar: SandboxSystem) -> None:
    vauchar.card.active_status = "0"


def expired(vauchar: SandboxSystem) -> None:
    vauchar.card.expiry_time = int(time.time()) - 1


@pytest.mark.parametrize("value", ["40", "90"])
@pytest.mark.parametrize("end", [switched_off, expired])
def test_nothing_is_deleted_on_a_card_that_cannot_pay_what_is_kept(
    vauchar: SandboxSystem, end: Callable[[SandboxSystem], None], value: str
) -> None:
    transaction = settled(vauchar, value)
    end(vauchar)
    with pytest.raises(CardUnusable):
        vauchar.cancel(transaction, "10", "c1")
    assert writes(vauchar) == []
    assert vauchar.states(transaction)[-1] is ActState.REFUSED
    vauchar.card.active_status, vauchar.card.expiry_time = "1", 0
    vauchar.cancel(transaction, "10", "c1")
    assert vauchar.system.record(transaction).refunded == 1000


@pytest.mark.parametrize("end", [switched_off, expired])
def test_all_of_a_redemption_goes_back_to_a_card_that_cannot_pay(
    vauchar: SandboxSystem, end: Callable[[SandboxSystem], None]
) -> None:
    transaction = settled(vauchar, "40")
    end(vauchar)
    vauchar.cancel(transaction, "40", "c1")
    assert (redeemed(vauchar), vauchar.card.balance) == ([], 100)


@pytest.mark.parametrize("verb", [Verb.DEBIT, Verb.REFUND])
def test_a_process_killed_in_between_is_gone_on_with(
    vauchar: SandboxSystem, monkeypatch: pytest.MonkeyPatch, verb: Verb
) -> None:
    transaction = settled(vauchar, "40")
    dead: list[Step] = []

    def die(step: Step) -> None:
        if step.verb is verb and not dead:
            dead.append(step)
            raise Killed

    before_each(vauchar, die, monkeypatch)
    with pytest.raises(Killed):
        vauchar.cancel(transaction, "10", "c1")
    vauchar.system.lose_lease(transaction)
    vauchar.cancel(transaction, "10", "c1")
    assert writes(vauchar) == ["POST", "DELETE"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30], 70)


def test_the_order_is_chosen_again_where_the_card_was_emptied_before_anything_was_sent(
    vauchar: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = settled(vauchar, "40")

    def die(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            raise Killed

    with monkeypatch.context() as killing:
        before_each(vauchar, die, killing)
        with pytest.raises(Killed):
            vauchar.cancel(transaction, "10", "c1")
    vauchar.backend.spend_elsewhere(VAUCHAR_CODE, vauchar.card.balance)
    vauchar.system.lose_lease(transaction)
    vauchar.cancel(transaction, "10", "c1")
    assert writes(vauchar) == ["DELETE", "POST"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30, 60], 10)


def test_what_is_kept_is_not_redeemed_twice_where_redis_has_forgotten_that_it_was(
    vauchar: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that the card cannot pay what is kept: planned anew, the same steps are others."""
    transaction = settled(vauchar, "60")

    def killed_before_the_deletion(step: Step) -> None:
        if writes(vauchar):
            raise Killed

    with lost_changes(vauchar.system), monkeypatch.context() as patched:
        before_each(vauchar, killed_before_the_deletion, patched)
        with pytest.raises(Killed):
            vauchar.cancel(transaction, "30", "c1")
    vauchar.system.parts.history.doubt("put back the disk of Sunday")
    with pytest.raises(Unresolved):
        vauchar.cancel(transaction, "30", "c1")
    assert writes(vauchar) == ["POST"]
    assert redeemed(vauchar) == [30, 60]


def test_what_is_kept_is_not_redeemed_again_where_redis_has_forgotten_that_the_old_redemption_was_deleted(
    vauchar: SandboxSystem,
) -> None:
    """The deletion came first, and gave the card enough: planned anew, what is kept seems to come first."""
    transaction = settled(vauchar, "60")
    vauchar.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(30))
    with lost_changes(vauchar.system):
        vauchar.cancel(transaction, "30", "c1")
    assert writes(vauchar) == ["DELETE", "POST"]
    vauchar.system.parts.history.doubt("put back the disk of Sunday")
    with pytest.raises(Unresolved):
        vauchar.cancel(transaction, "30", "c1")
    assert writes(vauchar) == ["DELETE", "POST"]
    assert (redeemed(vauchar), vauchar.card.balance) == ([30, 30], 40)
